//! The guest's handles.

use std::collections::VecDeque;
use std::path::{Component, Path};
use std::sync::Arc;

use cap_std::fs::{Dir, ReadDir};

use crate::bindings::filesystem::wasi::filesystem::types::{DescriptorFlags, DescriptorType, DirectoryEntry};
use crate::handles::LISTED_BYTES;
use crate::workspace::file::OpenFile;
use crate::workspace::stat::{Kind, Special};
use crate::workspace::{GUEST_PATH, Slot, WorkspaceError};

/// An open file or directory of the guest.
#[derive(Debug)]
pub struct Descriptor {
    pub(super) node: Node,
    /// Only a dummy has none.
    _slot: Option<Slot>,
}

#[derive(Debug)]
pub(super) enum Node {
    File(Arc<OpenFile>, DescriptorFlags),
    /// Shared, so that an agent's `/work` costs the process one file descriptor.
    Dir(Arc<Dir>),
    /// `/`, which is no directory of the disk: it cannot change and holds the workspace alone.
    Top,
}

/// What a path leads to, seen from a descriptor.
pub(super) enum Place<'a> {
    Inside(&'a Dir, &'a Path),
    Top,
}

impl Descriptor {
    pub(super) fn new(node: Node, slot: Slot) -> Self {
        Self { node, _slot: Some(slot) }
    }

    /// Holds a handle's number for the moment of a restore, when no guest runs.
    pub(super) fn dummy() -> Self {
        Self { node: Node::Top, _slot: None }
    }

    /// The file, for data.
    pub(super) fn file(&self) -> Result<(&Arc<OpenFile>, DescriptorFlags), WorkspaceError> {
        match &self.node {
            Node::File(file, flags) => Ok((file, *flags)),
            Node::Dir(_) | Node::Top => Err(WorkspaceError::IsDirectory),
        }
    }

    pub(super) fn readable(&self) -> Result<&Arc<OpenFile>, WorkspaceError> {
        let (file, flags) = self.file()?;
        if flags.contains(DescriptorFlags::READ) { Ok(file) } else { Err(WorkspaceError::NotOpenFor) }
    }

    pub(super) fn writable(&self) -> Result<&Arc<OpenFile>, WorkspaceError> {
        let (file, flags) = self.file()?;
        if flags.contains(DescriptorFlags::WRITE) { Ok(file) } else { Err(WorkspaceError::NotOpenFor) }
    }

    /// Where to look for `path`, which is checked already; `work` is the tree behind the top.
    pub(super) fn place<'a>(&'a self, work: &'a Dir, path: &'a Path) -> Result<Place<'a>, WorkspaceError> {
        match &self.node {
            Node::File(..) => Err(WorkspaceError::NotDirectory),
            Node::Dir(dir) => Ok(Place::Inside(dir, path)),
            Node::Top => {
                let mut parts = path.components();
                loop {
                    match parts.next() {
                        // The top's parent is the top.
                        Some(Component::CurDir | Component::ParentDir) => {}
                        Some(Component::Normal(name)) if name == work_name() => {
                            let rest = parts.as_path();
                            let here = rest.as_os_str().is_empty();
                            return Ok(Place::Inside(work, if here { Path::new(".") } else { rest }));
                        }
                        Some(_) => return Err(WorkspaceError::NotFound),
                        None => return Ok(Place::Top),
                    }
                }
            }
        }
    }

    /// As [`Descriptor::place`], for what is to change.
    pub(super) fn change<'a>(
        &'a self,
        work: &'a Dir,
        path: &'a Path,
    ) -> Result<(&'a Dir, &'a Path), WorkspaceError> {
        match self.place(work, path) {
            Ok(Place::Inside(dir, path)) => Ok((dir, path)),
            Ok(Place::Top) => Err(WorkspaceError::ReadOnly),
            Err(WorkspaceError::NotFound) if matches!(self.node, Node::Top) => Err(WorkspaceError::ReadOnly),
            Err(error) => Err(error),
        }
    }
}

/// The one name in `/`.
fn work_name() -> &'static str {
    GUEST_PATH.trim_start_matches('/')
}

/// A directory being listed, in the order of the disk.
#[derive(Debug)]
pub struct Entries {
    /// What was looked at already, for a checkpoint, and comes first.
    ahead: VecDeque<DirectoryEntry>,
    source: Source,
    /// Only a dummy has none.
    _slot: Option<Slot>,
}

#[derive(Debug)]
enum Source {
    Dir(Box<ReadDir>),
    /// The top, and whether its one entry is still to come.
    Top(bool),
}

impl Entries {
    pub(super) fn of(node: &Node, slot: Slot) -> Result<Self, WorkspaceError> {
        let source = match node {
            Node::File(..) => return Err(WorkspaceError::NotDirectory),
            Node::Dir(dir) => Source::Dir(Box::new(dir.entries()?)),
            Node::Top => Source::Top(true),
        };
        Ok(Self { ahead: VecDeque::new(), source, _slot: Some(slot) })
    }

    /// A listing of which `ahead` is left.
    pub(super) fn again(ahead: VecDeque<DirectoryEntry>, slot: Slot) -> Self {
        Self { ahead, source: Source::Top(false), _slot: Some(slot) }
    }

    /// As [`Descriptor::dummy`].
    pub(super) fn dummy() -> Self {
        Self { ahead: VecDeque::new(), source: Source::Top(false), _slot: None }
    }

    /// What is still to come, which stays to come. Takes it out of `room`, bytes; `None` when that is too
    /// little.
    pub(super) fn left(
        &mut self,
        room: &mut usize,
    ) -> Result<Option<&VecDeque<DirectoryEntry>>, WorkspaceError> {
        let cost = |entry: &DirectoryEntry| entry.name.len() + LISTED_BYTES;
        let mut used: usize = self.ahead.iter().map(cost).sum();
        while used <= *room
            && let Some(entry) = self.source.next()?
        {
            used += cost(&entry);
            self.ahead.push_back(entry);
        }
        let Some(left) = room.checked_sub(used) else { return Ok(None) };
        *room = left;
        Ok(Some(&self.ahead))
    }

    pub(super) fn next(&mut self) -> Result<Option<DirectoryEntry>, WorkspaceError> {
        match self.ahead.pop_front() {
            Some(entry) => Ok(Some(entry)),
            None => self.source.next(),
        }
    }
}

impl Source {
    fn next(&mut self) -> Result<Option<DirectoryEntry>, WorkspaceError> {
        match self {
            Self::Top(left) => Ok(std::mem::take(left)
                .then(|| DirectoryEntry { type_: DescriptorType::Directory, name: work_name().to_owned() })),
            Self::Dir(entries) => {
                let Some(entry) = entries.next() else { return Ok(None) };
                let entry = entry?;
                let type_ = type_of(Kind::from(entry.file_type()?));
                let name = entry.file_name().into_string().map_err(|_| WorkspaceError::NotUnicode)?;
                Ok(Some(DirectoryEntry { type_, name }))
            }
        }
    }
}

pub(super) fn type_of(kind: Kind) -> DescriptorType {
    match kind {
        Kind::File => DescriptorType::RegularFile,
        Kind::Dir => DescriptorType::Directory,
        Kind::Link => DescriptorType::SymbolicLink,
        Kind::Special(Special::Pipe) => DescriptorType::Fifo,
        Kind::Special(Special::Socket) => DescriptorType::Socket,
        Kind::Special(Special::BlockDevice) => DescriptorType::BlockDevice,
        Kind::Special(Special::CharDevice) => DescriptorType::CharacterDevice,
        Kind::Special(Special::Unknown) => DescriptorType::Unknown,
    }
}
