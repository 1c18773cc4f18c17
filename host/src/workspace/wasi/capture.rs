//! What the guest's open files, directories and streams are, for a checkpoint.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use checkpoint::Piece;
use checkpoint::manifest::{self, Content, FILE_PIECE_BYTES, Handle};
use wasmtime::component::{Resource, ResourceTable};

use super::descriptor::{Descriptor, Entries, Node};
use super::error::code_of_failure;
use super::{ReadCursor, WriteCursor, reopen};
use crate::bindings::filesystem::wasi::filesystem::types::DescriptorFlags;
use crate::handles::{MAX_ERROR_BYTES, Uncapturable};
use crate::workspace::file::OpenFile;
use crate::workspace::ledger::Inode;
use crate::workspace::{Workspace, WorkspaceError};

/// Bytes, holes not counted, of all open files without a name: they are held in memory until they are stored.
const MAX_NAMELESS_BYTES: usize = 32 << 20;

/// The files that are open, each once however often it is, and what else of them is bounded together.
pub(crate) struct OpenFiles<'a> {
    workspace: &'a Workspace,
    files: Vec<(Inode, Arc<OpenFile>)>,
    /// Bytes that listings may still take.
    listings: usize,
}

impl<'a> OpenFiles<'a> {
    pub(crate) fn new(workspace: &'a Workspace, listing_bytes: usize) -> Self {
        Self { workspace, files: Vec::new(), listings: listing_bytes }
    }

    pub(crate) fn descriptor(&mut self, table: &ResourceTable, rep: u32) -> Result<Handle, Uncapturable> {
        let descriptor: &Descriptor = table.get(&Resource::new_borrow(rep)).map_err(Uncapturable::table)?;
        match &descriptor.node {
            Node::Top => Ok(Handle::Top),
            Node::File(file, flags) => Ok(Handle::File { file: self.number(file)?, flags: bits(*flags) }),
            Node::Dir(dir) => {
                let path = reopen::path_of_dir(&self.workspace.tree, dir).map_err(disk)?;
                path.map(Handle::Directory)
                    .ok_or_else(|| Uncapturable::new("it holds a directory open that was removed"))
            }
        }
    }

    pub(crate) fn reader(&mut self, cursor: &Weak<ReadCursor>) -> Result<Handle, Uncapturable> {
        let cursor = cursor.upgrade().ok_or_else(closed)?;
        Ok(Handle::FileReader { file: self.number(&cursor.file)?, position: cursor.position() })
    }

    pub(crate) fn writer(&mut self, cursor: &Weak<WriteCursor>) -> Result<Handle, Uncapturable> {
        let cursor = cursor.upgrade().ok_or_else(closed)?;
        let file = self.number(&cursor.file)?;
        Ok(Handle::FileWriter { file, position: cursor.position(), closed: cursor.is_closed() })
    }

    pub(crate) fn entries(&mut self, table: &mut ResourceTable, rep: u32) -> Result<Handle, Uncapturable> {
        let entries: &mut Entries = table.get_mut(&Resource::new_borrow(rep)).map_err(Uncapturable::table)?;
        let left = entries.left(&mut self.listings).map_err(disk)?;
        let left = left.ok_or_else(|| Uncapturable::new("it is listing directories that are too large"))?;
        Ok(Handle::Entries(left.iter().map(|entry| (entry.type_ as u8, entry.name.clone())).collect()))
    }

    /// In words, and the `error-code` it has.
    pub(crate) fn error(table: &ResourceTable, rep: u32) -> Result<Handle, Uncapturable> {
        let error: &wasmtime::Error = table.get(&Resource::new_borrow(rep)).map_err(Uncapturable::table)?;
        let mut text = format!("{error:?}");
        text.truncate(text.floor_char_boundary(MAX_ERROR_BYTES));
        Ok(Handle::Error { text, code: code_of_failure(error).map(|code| code as u8) })
    }

    /// All of them, in the order of their numbers.
    pub(crate) fn finish(self) -> Result<Vec<manifest::OpenFile<Piece>>, Uncapturable> {
        let mut room = MAX_NAMELESS_BYTES;
        let described = self.files.iter().map(|(_, file)| {
            Ok(match reopen::path_of_file(&self.workspace.tree, file).map_err(disk)? {
                Some(path) => manifest::OpenFile { path: Some(path), content: Content::default() },
                None => manifest::OpenFile { path: None, content: content(file, &mut room)? },
            })
        });
        described.collect()
    }

    fn number(&mut self, file: &Arc<OpenFile>) -> Result<u32, Uncapturable> {
        let inode = file.stat().map_err(disk)?.inode;
        let known = self.files.iter().position(|(of, _)| *of == inode);
        let number = known.unwrap_or(self.files.len());
        if known.is_none() {
            self.files.push((inode, Arc::clone(file)));
        }
        u32::try_from(number).map_err(|_| Uncapturable::new("it holds too many files open"))
    }
}

/// What a file holds that nobody else can name; takes it out of `room`.
fn content(file: &OpenFile, room: &mut usize) -> Result<Content<Piece>, Uncapturable> {
    let size = file.stat().map_err(disk)?.size;
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < size {
        let want = usize::try_from(size - at).unwrap_or(usize::MAX).min(FILE_PIECE_BYTES);
        let mut piece = Vec::with_capacity(want);
        while piece.len() < want {
            let offset = at + piece.len() as u64;
            let read = file.read_at(offset, (want - piece.len()) as u64).map_err(disk)?;
            if read.is_empty() {
                return Err(Uncapturable::new("a file it holds open was cut meanwhile"));
            }
            piece.extend(read);
        }
        at += want as u64;
        if piece.iter().all(|byte| *byte == 0) {
            pieces.push(None);
            continue;
        }
        *room = room.checked_sub(want).ok_or_else(|| {
            Uncapturable::new(format!(
                "deleted files that it holds open have over {MAX_NAMELESS_BYTES} bytes"
            ))
        })?;
        pieces.push(Some(Piece::new(Bytes::from(piece))));
    }
    Ok(Content { size, pieces })
}

/// A handle whose resource is not there: a bug of ours.
fn closed() -> Uncapturable {
    Uncapturable::new("one of its streams is not what the host believed")
}

fn disk(error: WorkspaceError) -> Uncapturable {
    Uncapturable::new(format!("a file or directory that it holds open: {error}"))
}

/// In the order of WIT.
pub(super) fn bits(flags: DescriptorFlags) -> u8 {
    let bit = |flag, bit| if flags.contains(flag) { bit } else { 0 };
    bit(DescriptorFlags::READ, 1) | bit(DescriptorFlags::WRITE, 2)
}

/// `None` for flags that no open file has here.
pub(super) fn flags(bits: u8) -> Option<DescriptorFlags> {
    let flag = |bit, flag| if bits & bit != 0 { flag } else { DescriptorFlags::empty() };
    (bits <= 3).then(|| flag(1, DescriptorFlags::READ) | flag(2, DescriptorFlags::WRITE))
}
