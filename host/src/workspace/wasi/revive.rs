//! Opens again what a suspended guest had open. A description is believed no more than a guest's own call.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use checkpoint::manifest::{self, Content, FILE_PIECE_BYTES, Handle};
use wasmtime::component::{Resource, ResourceTable, ResourceTableError};
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream};

use super::descriptor::{Descriptor, Entries, Node};
use super::error::Remembered;
use super::stream::{Reader, Writer};
use super::{capture, reopen};
use crate::bindings::filesystem::wasi::filesystem::types::{DescriptorType, DirectoryEntry, ErrorCode};
use crate::handles::{Kind, MAX_ERROR_BYTES, Unrestorable};
use crate::workspace::file::OpenFile;
use crate::workspace::{MAX_NAME_BYTES, MAX_PIECE_BYTES, Workspace};

/// The files of a checkpoint's guest, open again.
pub(crate) struct Reopened(Vec<Arc<OpenFile>>);

impl Reopened {
    fn get(&self, number: u32) -> Result<&Arc<OpenFile>, Unrestorable> {
        self.0.get(number as usize).ok_or(Unrestorable::Forged("a file that is not in its list"))
    }
}

impl Workspace {
    /// Opens `files`, for writing those that one of `handles` writes. `read` gives a piece of a nameless one.
    pub(crate) fn reopen<'h, C>(
        &self,
        files: &[manifest::OpenFile<C>],
        handles: impl Iterator<Item = &'h Handle>,
        mut read: impl FnMut(&C) -> Option<Bytes>,
    ) -> Result<Reopened, Unrestorable> {
        if files.len() > crate::agent::state::MAX_HANDLES {
            return Err(Unrestorable::Forged("more open files than handles"));
        }
        let mut writes = vec![false; files.len()];
        for handle in handles {
            let written = match handle {
                Handle::File { file, flags } if flags & 2 != 0 => *file,
                Handle::FileWriter { file, .. } => *file,
                _ => continue,
            };
            if let Some(writes) = writes.get_mut(written as usize) {
                *writes = true;
            }
        }
        let open = files.iter().zip(writes).map(|(file, write)| match &file.path {
            Some(path) => {
                let open = reopen::file(&self.tree, path, write);
                open.map(Arc::new).map_err(|source| Unrestorable::Gone { path: path.clone(), source })
            }
            None => self.fill(&file.content, &mut read).map(Arc::new),
        });
        Ok(Reopened(open.collect::<Result<_, _>>()?))
    }

    fn fill<C>(
        &self,
        content: &Content<C>,
        read: &mut impl FnMut(&C) -> Option<Bytes>,
    ) -> Result<OpenFile, Unrestorable> {
        if content.pieces.len() as u64 != content.size.div_ceil(FILE_PIECE_BYTES as u64) {
            return Err(Unrestorable::Forged("a file whose pieces do not make its size"));
        }
        let file = reopen::nameless(&self.tree).map_err(Unrestorable::Refused)?;
        // Paid for, and refused by quota, before anything is written.
        file.set_size(content.size).map_err(Unrestorable::Refused)?;
        let mut at = 0;
        for piece in &content.pieces {
            let length = (content.size - at).min(FILE_PIECE_BYTES as u64);
            if let Some(piece) = piece {
                let bytes = read(piece).ok_or(Unrestorable::Missing)?;
                if bytes.len() as u64 != length {
                    return Err(Unrestorable::Forged("a piece of a file that has another length"));
                }
                for (n, part) in bytes.chunks(MAX_PIECE_BYTES).enumerate() {
                    let offset = at + (n * MAX_PIECE_BYTES) as u64;
                    file.write_all_at(offset, part).map_err(Unrestorable::Refused)?;
                }
            }
            at += length;
        }
        Ok(file)
    }

    /// Puts into `table` what `handle` says, if it is of the filesystem: its rep and kind.
    pub(crate) fn revive(
        &self,
        table: &mut ResourceTable,
        files: &Reopened,
        handle: &Handle,
    ) -> Result<Option<(u32, Kind)>, Unrestorable> {
        let slot = || self.slot().map_err(Unrestorable::Refused);
        Ok(Some(match handle {
            Handle::Top => (put(table, Descriptor::new(Node::Top, slot()?))?, Kind::Descriptor),
            Handle::Directory(path) => {
                let dir = reopen::dir(&self.tree, path)
                    .map_err(|source| Unrestorable::Gone { path: path.clone(), source })?;
                (put(table, Descriptor::new(Node::Dir(dir), slot()?))?, Kind::Descriptor)
            }
            Handle::File { file, flags } => {
                let flags = capture::flags(*flags).ok_or(Unrestorable::Forged("flags that no file has"))?;
                let node = Node::File(Arc::clone(files.get(*file)?), flags);
                (put(table, Descriptor::new(node, slot()?))?, Kind::Descriptor)
            }
            Handle::FileReader { file, position } => {
                let reader = Reader::new(files.get(*file)?, &self.pace, *position);
                let kind = Kind::Reader(reader.cursor());
                (put::<DynInputStream>(table, Box::new(reader))?, kind)
            }
            Handle::FileWriter { file, position, closed } => {
                let writer = Writer::again(files.get(*file)?, &self.pace, *position, *closed);
                let kind = Kind::Writer(writer.cursor());
                (put::<DynOutputStream>(table, Box::new(writer))?, kind)
            }
            Handle::Entries(left) => {
                let ahead = left.iter().map(entry).collect::<Result<VecDeque<_>, _>>()?;
                (put(table, Entries::again(ahead, slot()?))?, Kind::Entries)
            }
            Handle::Error { text, code } => (put(table, remembered(text, *code)?)?, Kind::Error),
            _ => return Ok(None),
        }))
    }
}

/// A descriptor and a listing that stand for nothing.
pub(crate) fn dummy_descriptor(table: &mut ResourceTable) -> Result<u32, ResourceTableError> {
    Ok(table.push(Descriptor::dummy())?.rep())
}

/// See [`dummy_descriptor`].
pub(crate) fn dummy_entries(table: &mut ResourceTable) -> Result<u32, ResourceTableError> {
    Ok(table.push(Entries::dummy())?.rep())
}

fn put<T: Send + 'static>(table: &mut ResourceTable, entry: T) -> Result<u32, Unrestorable> {
    let resource: Resource<T> = table.push(entry).map_err(|error| Unrestorable::Table(error.into()))?;
    Ok(resource.rep())
}

fn entry((kind, name): &(u8, String)) -> Result<DirectoryEntry, Unrestorable> {
    let type_ = *TYPES.get(usize::from(*kind)).ok_or(Unrestorable::Forged("an entry of no type"))?;
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(['/', '\0']) {
        return Err(Unrestorable::Forged("an entry whose name is none"));
    }
    Ok(DirectoryEntry { type_, name: name.clone() })
}

fn remembered(text: &str, code: Option<u8>) -> Result<wasmtime::Error, Unrestorable> {
    if text.len() > MAX_ERROR_BYTES {
        return Err(Unrestorable::Forged("an error that is too long"));
    }
    let code = code.map(|code| CODES.get(usize::from(code)).copied());
    let code = code.map(|code| code.ok_or(Unrestorable::Forged("an error of no code"))).transpose()?;
    Ok(wasmtime::Error::new(Remembered { text: text.to_owned(), code }))
}

/// By number, as WIT orders them.
const TYPES: [DescriptorType; 8] = [
    DescriptorType::Unknown,
    DescriptorType::BlockDevice,
    DescriptorType::CharacterDevice,
    DescriptorType::Directory,
    DescriptorType::Fifo,
    DescriptorType::SymbolicLink,
    DescriptorType::RegularFile,
    DescriptorType::Socket,
];

/// By number, as WIT orders them.
const CODES: [ErrorCode; 37] = [
    ErrorCode::Access,
    ErrorCode::WouldBlock,
    ErrorCode::Already,
    ErrorCode::BadDescriptor,
    ErrorCode::Busy,
    ErrorCode::Deadlock,
    ErrorCode::Quota,
    ErrorCode::Exist,
    ErrorCode::FileTooLarge,
    ErrorCode::IllegalByteSequence,
    ErrorCode::InProgress,
    ErrorCode::Interrupted,
    ErrorCode::Invalid,
    ErrorCode::Io,
    ErrorCode::IsDirectory,
    ErrorCode::Loop,
    ErrorCode::TooManyLinks,
    ErrorCode::MessageSize,
    ErrorCode::NameTooLong,
    ErrorCode::NoDevice,
    ErrorCode::NoEntry,
    ErrorCode::NoLock,
    ErrorCode::InsufficientMemory,
    ErrorCode::InsufficientSpace,
    ErrorCode::NotDirectory,
    ErrorCode::NotEmpty,
    ErrorCode::NotRecoverable,
    ErrorCode::Unsupported,
    ErrorCode::NoTty,
    ErrorCode::NoSuchDevice,
    ErrorCode::Overflow,
    ErrorCode::NotPermitted,
    ErrorCode::Pipe,
    ErrorCode::ReadOnly,
    ErrorCode::InvalidSeek,
    ErrorCode::TextFileBusy,
    ErrorCode::CrossDevice,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::filesystem::wasi::filesystem::types::DescriptorFlags;

    #[test]
    fn numbers_are_those_of_wit() {
        assert!(TYPES.iter().enumerate().all(|(n, kind)| *kind as usize == n));
        assert!(CODES.iter().enumerate().all(|(n, code)| *code as usize == n));
        for bits in 0..=3 {
            assert_eq!(capture::flags(bits).map(capture::bits), Some(bits));
        }
        assert_eq!(capture::flags(4), None);
        assert_eq!(capture::flags(1), Some(DescriptorFlags::READ));
    }
}
