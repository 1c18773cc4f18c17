//! The calls themselves: check, find the place, and let the tree do it.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cap_fs_ext::{DirExt, SystemTimeSpec};
use cap_std::fs::Dir;
use cap_std::time::SystemTime as CapTime;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream};

use super::descriptor::{Descriptor, Entries, Node, Place, type_of};
use super::error::{code, code_of_failure};
use super::stream::{Reader, Writer};
use super::{FsError, WorkspaceView};
use crate::bindings::filesystem::wasi::filesystem::preopens;
use crate::bindings::filesystem::wasi::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use crate::handles::Kind;
use crate::workspace::ledger::Inode;
use crate::workspace::stat::{Kind as NodeKind, Stat, Time};
use crate::workspace::tree::{How, Opened, Tree};
use crate::workspace::{GUEST_PATH, WorkspaceError, path};

type FsResult<T> = Result<T, FsError>;

impl preopens::Host for WorkspaceView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let work = Node::Dir(Arc::clone(&self.workspace.tree.root));
        let work = Descriptor::new(work, self.workspace.slot()?);
        let top = Descriptor::new(Node::Top, self.workspace.slot()?);
        // In the order in which they become handles.
        let work = self.table.push(work)?;
        let top = self.table.push(top)?;
        self.shadow.insert(Kind::Descriptor, work.rep());
        self.shadow.insert(Kind::Descriptor, top.rep());
        Ok(vec![(work, GUEST_PATH.to_owned()), (top, "/".to_owned())])
    }
}

impl types::Host for WorkspaceView<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        match error {
            FsError::Refused(error) => Ok(code(&error)),
            FsError::Trap(error) => Err(error),
        }
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(code_of_failure(self.table.get(&error)?))
    }
}

impl types::HostDescriptor for WorkspaceView<'_> {
    fn read_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<DynInputStream>> {
        let reader = Reader::new(self.table.get(&fd)?.readable()?, &self.workspace.pace, offset);
        let kind = Kind::Reader(reader.cursor());
        let stream: DynInputStream = Box::new(reader);
        self.give(kind, stream)
    }

    fn write_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<DynOutputStream>> {
        let file = self.table.get(&fd)?.writable()?;
        file.check_room(Some(offset))?;
        let writer = Writer::new(file, &self.workspace.pace, Some(offset));
        self.give_writer(writer)
    }

    fn append_via_stream(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        let file = self.table.get(&fd)?.writable()?;
        file.check_room(None)?;
        let writer = Writer::new(file, &self.workspace.pace, None);
        self.give_writer(writer)
    }

    fn advise(&mut self, fd: Resource<Descriptor>, _from: u64, _len: u64, _advice: Advice) -> FsResult<()> {
        self.table.get(&fd)?.file()?;
        Ok(())
    }

    fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.sync(fd)
    }

    /// Durable is what a checkpoint holds; the host's disk is only where the files are meanwhile.
    fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.table.get(&fd)?;
        Ok(())
    }

    fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        Ok(match &self.table.get(&fd)?.node {
            Node::File(_, flags) => *flags,
            Node::Dir(_) => DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY,
            Node::Top => DescriptorFlags::READ,
        })
    }

    fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorType> {
        Ok(match &self.table.get(&fd)?.node {
            Node::File(..) => DescriptorType::RegularFile,
            Node::Dir(_) | Node::Top => DescriptorType::Directory,
        })
    }

    async fn set_size(&mut self, fd: Resource<Descriptor>, size: u64) -> FsResult<()> {
        self.timed(|view| Ok(view.table.get(&fd)?.writable()?.set_size(size)?)).await
    }

    async fn set_times(
        &mut self,
        fd: Resource<Descriptor>,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.timed(|view| {
            let (accessed, modified) = (new_time(accessed)?, new_time(modified)?);
            let _change = view.workspace.tree.ledger.change();
            match &view.table.get(&fd)?.node {
                Node::File(file, _) => {
                    let times = Timestamps {
                        last_access: timespec(accessed)?,
                        last_modification: timespec(modified)?,
                    };
                    rustix::fs::futimens(file.as_file(), &times).map_err(WorkspaceError::from)?;
                }
                Node::Dir(dir) => dir.set_times(".", accessed.map(spec), modified.map(spec))?,
                Node::Top => return Err(WorkspaceError::ReadOnly.into()),
            }
            Ok(())
        })
        .await
    }

    async fn read(&mut self, fd: Resource<Descriptor>, len: u64, offset: u64) -> FsResult<(Vec<u8>, bool)> {
        self.timed(|view| {
            let bytes = view.table.get(&fd)?.readable()?.read_at(offset, len)?;
            let end = bytes.is_empty() && len > 0;
            Ok((bytes, end))
        })
        .await
    }

    async fn write(&mut self, fd: Resource<Descriptor>, bytes: Vec<u8>, offset: u64) -> FsResult<u64> {
        self.timed(|view| Ok(view.table.get(&fd)?.writable()?.write_at(offset, &bytes)? as u64)).await
    }

    async fn read_directory(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<Entries>> {
        self.timed(|view| {
            let entries = Entries::of(&view.table.get(&fd)?.node, view.workspace.slot()?)?;
            view.give(Kind::Entries, entries)
        })
        .await
    }

    async fn create_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.timed(|view| {
            let tree = &view.workspace.tree;
            let (dir, path) = view.table.get(&fd)?.change(&tree.root, path::of_guest(&path)?)?;
            Ok(tree.create_dir(dir, path)?)
        })
        .await
    }

    fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        Ok(stat_of(node_stat(&self.table.get(&fd)?.node)?))
    }

    async fn stat_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        self.timed(|view| Ok(stat_of(view.look(&fd, flags, &path)?))).await
    }

    async fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.timed(|view| {
            let follow = flags.contains(PathFlags::SYMLINK_FOLLOW);
            let (accessed, modified) = (new_time(accessed)?.map(spec), new_time(modified)?.map(spec));
            let path = path::of_guest(&path)?;
            let (dir, path) = view.table.get(&fd)?.change(&view.workspace.tree.root, path)?;
            let _change = view.workspace.tree.ledger.change();
            match Tree::stat(dir, path, follow)?.kind {
                NodeKind::Special(_) => return Err(WorkspaceError::Special.into()),
                _ if follow => dir.set_times(path, accessed, modified)?,
                _ => dir.set_symlink_times(path, accessed, modified)?,
            }
            Ok(())
        })
        .await
    }

    fn link_at(
        &mut self,
        fd: Resource<Descriptor>,
        _flags: PathFlags,
        _old: String,
        to: Resource<Descriptor>,
        _new: String,
    ) -> FsResult<()> {
        self.table.get(&fd)?;
        self.table.get(&to)?;
        Err(WorkspaceError::Unsupported.into())
    }

    async fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        self.timed(|view| {
            let how = How {
                write: flags.contains(DescriptorFlags::WRITE),
                create: open.contains(OpenFlags::CREATE),
                exclusive: open.contains(OpenFlags::EXCLUSIVE),
                truncate: open.contains(OpenFlags::TRUNCATE),
                directory: open.contains(OpenFlags::DIRECTORY),
                follow: path_flags.contains(PathFlags::SYMLINK_FOLLOW),
            };
            let path = path::of_guest(&path)?;
            let slot = view.workspace.slot()?;
            let tree = &view.workspace.tree;
            let from = view.table.get(&fd)?;
            let place = if how.create {
                from.change(&tree.root, path).map(|(dir, path)| Place::Inside(dir, path))
            } else {
                from.place(&tree.root, path)
            };
            let node = match place? {
                Place::Top if how.write || how.truncate => return Err(WorkspaceError::IsDirectory.into()),
                Place::Top => Node::Top,
                Place::Inside(dir, path) => match tree.open(dir, path, how)? {
                    Opened::Dir(dir) => Node::Dir(Arc::new(dir)),
                    Opened::File(file) => {
                        let kept = DescriptorFlags::READ | DescriptorFlags::WRITE;
                        Node::File(file.into(), flags & kept)
                    }
                },
            };
            view.give(Kind::Descriptor, Descriptor::new(node, slot))
        })
        .await
    }

    async fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<String> {
        self.timed(|view| {
            let path = path::of_guest(&path)?;
            let (dir, path) = match view.table.get(&fd)?.place(&view.workspace.tree.root, path)? {
                Place::Inside(dir, path) => (dir, path),
                Place::Top => return Err(WorkspaceError::Invalid.into()),
            };
            let target = dir.read_link(path)?.into_os_string();
            Ok(target.into_string().map_err(|_| WorkspaceError::NotUnicode)?)
        })
        .await
    }

    async fn remove_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.timed(|view| {
            let tree = &view.workspace.tree;
            let (dir, path) = view.table.get(&fd)?.change(&tree.root, path::of_guest(&path)?)?;
            Ok(tree.remove_dir(dir, path)?)
        })
        .await
    }

    async fn rename_at(
        &mut self,
        fd: Resource<Descriptor>,
        old: String,
        to: Resource<Descriptor>,
        new: String,
    ) -> FsResult<()> {
        self.timed(|view| {
            let tree = &view.workspace.tree;
            let (from_dir, from) = view.table.get(&fd)?.change(&tree.root, path::of_guest(&old)?)?;
            let (to_dir, to) = view.table.get(&to)?.change(&tree.root, path::of_guest(&new)?)?;
            Ok(tree.rename(from_dir, from, to_dir, to)?)
        })
        .await
    }

    async fn symlink_at(&mut self, fd: Resource<Descriptor>, target: String, path: String) -> FsResult<()> {
        self.timed(|view| {
            let tree = &view.workspace.tree;
            let (dir, path) = view.table.get(&fd)?.change(&tree.root, path::of_guest(&path)?)?;
            Ok(tree.symlink(dir, path::of_link(&target)?, path)?)
        })
        .await
    }

    async fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.timed(|view| {
            let tree = &view.workspace.tree;
            let (dir, path) = view.table.get(&fd)?.change(&tree.root, path::of_guest(&path)?)?;
            Ok(tree.remove_file(dir, path)?)
        })
        .await
    }

    fn is_same_object(&mut self, a: Resource<Descriptor>, b: Resource<Descriptor>) -> wasmtime::Result<bool> {
        let a = node_stat(&self.table.get(&a)?.node).map(|stat| stat.map(|stat| stat.inode));
        let b = node_stat(&self.table.get(&b)?.node).map(|stat| stat.map(|stat| stat.inode));
        Ok(matches!((a, b), (Ok(a), Ok(b)) if a == b))
    }

    fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        let stat = node_stat(&self.table.get(&fd)?.node)?;
        Ok(self.identity(stat))
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.timed(|view| {
            let stat = view.look(&fd, flags, &path)?;
            Ok(view.identity(stat))
        })
        .await
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.shadow.remove(fd.rep());
        // The last of a deleted file gives back its blocks.
        self.workspace.pace.time(|| self.table.delete(fd).map(drop))?;
        Ok(())
    }
}

impl types::HostDirectoryEntryStream for WorkspaceView<'_> {
    async fn read_directory_entry(&mut self, stream: Resource<Entries>) -> FsResult<Option<DirectoryEntry>> {
        self.timed(|view| Ok(view.table.get_mut(&stream)?.next()?)).await
    }

    fn drop(&mut self, stream: Resource<Entries>) -> wasmtime::Result<()> {
        self.shadow.remove(stream.rep());
        self.table.delete(stream)?;
        Ok(())
    }
}

impl WorkspaceView<'_> {
    /// The component is about to get `entry` as a handle.
    fn give<T: Send + 'static>(&mut self, kind: Kind, entry: T) -> FsResult<Resource<T>> {
        let resource = self.table.push(entry)?;
        self.shadow.insert(kind, resource.rep());
        Ok(resource)
    }

    fn give_writer(&mut self, writer: Writer) -> FsResult<Resource<DynOutputStream>> {
        let kind = Kind::Writer(writer.cursor());
        let stream: DynOutputStream = Box::new(writer);
        self.give(kind, stream)
    }

    /// Every call that may wait for the disk.
    async fn timed<T: Send>(&mut self, call: impl FnOnce(&mut Self) -> FsResult<T> + Send) -> FsResult<T> {
        let workspace = self.workspace;
        let done = workspace.pace.time(|| call(self));
        workspace.pace.rest().await;
        done
    }

    /// `None` is the top.
    fn look(&self, fd: &Resource<Descriptor>, flags: PathFlags, path: &str) -> FsResult<Option<Stat>> {
        let path = path::of_guest(path)?;
        match self.table.get(fd)?.place(&self.workspace.tree.root, path)? {
            Place::Top => Ok(None),
            Place::Inside(dir, path) => {
                Ok(Some(Tree::stat(dir, path, flags.contains(PathFlags::SYMLINK_FOLLOW))?))
            }
        }
    }

    /// What libc makes an inode number of. Keyed: a number of the host's disk tells its tenants of
    /// each other.
    fn identity(&self, stat: Option<Stat>) -> MetadataHashValue {
        let Inode { device, number } = stat.map_or(Inode { device: 0, number: 0 }, |stat| stat.inode);
        let key = &self.workspace.identity;
        MetadataHashValue {
            lower: key.hash_one((device, number, "lower")),
            upper: key.hash_one((device, number, "upper")),
        }
    }
}

fn node_stat(node: &Node) -> Result<Option<Stat>, WorkspaceError> {
    let dir = |dir: &Dir| Ok(Stat::from(&dir.dir_metadata()?));
    match node {
        Node::File(file, _) => file.stat().map(Some),
        Node::Dir(of) => dir(of).map(Some),
        Node::Top => Ok(None),
    }
}

fn stat_of(stat: Option<Stat>) -> DescriptorStat {
    let Some(stat) = stat else {
        return DescriptorStat {
            type_: DescriptorType::Directory,
            link_count: 1,
            size: 0,
            data_access_timestamp: None,
            data_modification_timestamp: None,
            status_change_timestamp: None,
        };
    };
    DescriptorStat {
        type_: type_of(stat.kind),
        link_count: stat.links,
        size: stat.size,
        data_access_timestamp: datetime(stat.accessed),
        data_modification_timestamp: datetime(stat.modified),
        status_change_timestamp: datetime(stat.changed),
    }
}

/// The interface knows no time before 1970.
fn datetime(time: Time) -> Option<Datetime> {
    let seconds = u64::try_from(time.seconds).ok()?;
    Some(Datetime { seconds, nanoseconds: time.nanoseconds })
}

/// A time to set; `None` keeps what is there.
#[derive(Debug, Clone, Copy)]
enum NewTime {
    Now,
    At(SystemTime),
}

fn new_time(time: NewTimestamp) -> Result<Option<NewTime>, WorkspaceError> {
    match time {
        NewTimestamp::NoChange => Ok(None),
        NewTimestamp::Now => Ok(Some(NewTime::Now)),
        NewTimestamp::Timestamp(Datetime { seconds, nanoseconds }) => {
            if nanoseconds >= 1_000_000_000 {
                return Err(WorkspaceError::Invalid);
            }
            let since = Duration::new(seconds, nanoseconds);
            let time = SystemTime::UNIX_EPOCH.checked_add(since).ok_or(WorkspaceError::Invalid)?;
            Ok(Some(NewTime::At(time)))
        }
    }
}

fn spec(time: NewTime) -> SystemTimeSpec {
    match time {
        NewTime::Now => SystemTimeSpec::SymbolicNow,
        NewTime::At(time) => SystemTimeSpec::Absolute(CapTime::from_std(time)),
    }
}

fn timespec(time: Option<NewTime>) -> Result<Timespec, WorkspaceError> {
    Ok(match time {
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        Some(NewTime::Now) => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        Some(NewTime::At(time)) => {
            let since = time.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| WorkspaceError::Invalid)?;
            let tv_sec = i64::try_from(since.as_secs()).map_err(|_| WorkspaceError::Invalid)?;
            Timespec { tv_sec, tv_nsec: since.subsec_nanos().into() }
        }
    })
}
