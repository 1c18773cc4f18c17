//! The workspace through the guest's own interface and through the host's, without a guest.

mod accounts;
mod capture;
mod escape;
mod files;
mod guest;
mod histories;
mod restore;
mod store;

use std::path::Path;

use tempfile::TempDir;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi_io::poll::Pollable as _;
use wasmtime_wasi_io::streams::{DynOutputStream, StreamError};

use super::wasi::{Descriptor, FsError, WorkspaceView};
use super::{Quota, Usage, Workspace};
use crate::bindings::filesystem::wasi::filesystem::preopens::Host as _;
use crate::bindings::filesystem::wasi::filesystem::types::{
    DescriptorFlags, DescriptorStat, ErrorCode, Host as _, HostDescriptor as _,
    HostDirectoryEntryStream as _, NewTimestamp, OpenFlags, PathFlags,
};

const ROOMY: Quota = Quota { bytes: 1 << 20, files: 1000 };
const READ: DescriptorFlags = DescriptorFlags::READ;
const WRITE: DescriptorFlags = DescriptorFlags::WRITE;

type Fd = Resource<Descriptor>;

/// What a component would do, call by call.
struct Guest {
    workspace: Workspace,
    table: ResourceTable,
    shadow: crate::handles::Shadow,
    work: u32,
    top: u32,
}

impl Guest {
    fn of(workspace: &Workspace) -> Self {
        let (table, shadow) = (ResourceTable::new(), crate::handles::Shadow::default());
        let mut guest = Self { workspace: workspace.clone(), table, shadow, work: 0, top: 0 };
        let preopens = guest.view().get_directories().unwrap();
        assert_eq!(preopens.iter().map(|(_, path)| path.as_str()).collect::<Vec<_>>(), ["/work", "/"]);
        (guest.work, guest.top) = (preopens[0].0.rep(), preopens[1].0.rep());
        guest
    }

    fn view(&mut self) -> WorkspaceView<'_> {
        WorkspaceView { table: &mut self.table, shadow: &mut self.shadow, workspace: &self.workspace }
    }

    fn work(&self) -> Fd {
        Resource::new_borrow(self.work)
    }

    fn top(&self) -> Fd {
        Resource::new_borrow(self.top)
    }

    fn open(&mut self, path: &str, how: OpenFlags, flags: DescriptorFlags) -> Result<Fd, ErrorCode> {
        let work = self.work();
        self.open_from(work, path, how, flags)
    }

    fn open_from(
        &mut self,
        fd: Fd,
        path: &str,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<Fd, ErrorCode> {
        coded(run(self.view().open_at(fd, PathFlags::SYMLINK_FOLLOW, path.to_owned(), how, flags)))
    }

    fn create(&mut self, path: &str) -> Result<Fd, ErrorCode> {
        self.open(path, OpenFlags::CREATE, READ | WRITE)
    }

    fn close(&mut self, fd: Fd) {
        crate::bindings::filesystem::wasi::filesystem::types::HostDescriptor::drop(&mut self.view(), fd)
            .unwrap();
    }

    /// Replaces a file's content.
    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<(), ErrorCode> {
        let fd = self.open(path, OpenFlags::CREATE | OpenFlags::TRUNCATE, WRITE)?;
        let mut done = 0;
        let mut result = Ok(());
        while done < bytes.len() {
            match self.write(&fd, done as u64, &bytes[done..]) {
                Ok(0) => panic!("a write of nothing"),
                Ok(written) => done += usize::try_from(written).unwrap(),
                Err(code) => {
                    result = Err(code);
                    break;
                }
            }
        }
        self.close(fd);
        result
    }

    fn get(&mut self, path: &str) -> Result<Vec<u8>, ErrorCode> {
        let fd = self.open(path, OpenFlags::empty(), READ)?;
        let mut bytes = Vec::new();
        let result = loop {
            let (piece, end) = match coded(run(self.view().read(borrow(&fd), u64::MAX, bytes.len() as u64))) {
                Ok(read) => read,
                Err(code) => break Err(code),
            };
            bytes.extend(piece);
            if end {
                break Ok(bytes);
            }
        };
        self.close(fd);
        result
    }

    fn write(&mut self, fd: &Fd, offset: u64, bytes: &[u8]) -> Result<u64, ErrorCode> {
        coded(run(self.view().write(borrow(fd), bytes.to_vec(), offset)))
    }

    fn set_size(&mut self, fd: &Fd, size: u64) -> Result<(), ErrorCode> {
        coded(run(self.view().set_size(borrow(fd), size)))
    }

    /// Without following a link.
    fn set_modified(&mut self, path: &str, seconds: u64) -> Result<(), ErrorCode> {
        let (work, path) = (self.work(), path.to_owned());
        let at = NewTimestamp::Timestamp(Datetime { seconds, nanoseconds: 5 });
        coded(run(self.view().set_times_at(work, PathFlags::empty(), path, NewTimestamp::NoChange, at)))
    }

    fn mkdir(&mut self, path: &str) -> Result<(), ErrorCode> {
        let work = self.work();
        coded(run(self.view().create_directory_at(work, path.to_owned())))
    }

    fn rmdir(&mut self, path: &str) -> Result<(), ErrorCode> {
        let work = self.work();
        coded(run(self.view().remove_directory_at(work, path.to_owned())))
    }

    fn unlink(&mut self, path: &str) -> Result<(), ErrorCode> {
        let work = self.work();
        coded(run(self.view().unlink_file_at(work, path.to_owned())))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), ErrorCode> {
        let (a, b) = (self.work(), self.work());
        coded(run(self.view().rename_at(a, from.to_owned(), b, to.to_owned())))
    }

    fn symlink(&mut self, target: &str, path: &str) -> Result<(), ErrorCode> {
        let work = self.work();
        coded(run(self.view().symlink_at(work, target.to_owned(), path.to_owned())))
    }

    fn stat(&mut self, path: &str, flags: PathFlags) -> Result<DescriptorStat, ErrorCode> {
        let work = self.work();
        coded(run(self.view().stat_at(work, flags, path.to_owned())))
    }

    /// Sorted names of an open directory.
    fn names(&mut self, fd: Fd) -> Result<Vec<String>, ErrorCode> {
        let stream = coded(run(self.view().read_directory(fd)))?;
        let mut names = Vec::new();
        let result = loop {
            match coded(run(self.view().read_directory_entry(Resource::new_borrow(stream.rep())))) {
                Ok(Some(entry)) => names.push(entry.name),
                Ok(None) => break Ok(()),
                Err(code) => break Err(code),
            }
        };
        crate::bindings::filesystem::wasi::filesystem::types::HostDirectoryEntryStream::drop(
            &mut self.view(),
            stream,
        )
        .unwrap();
        names.sort();
        result.map(|()| names)
    }

    /// Writes through a stream, as libc does.
    fn stream(&mut self, fd: &Fd, at: Option<u64>, pieces: &[&[u8]]) -> Result<(), ErrorCode> {
        let stream = match at {
            Some(offset) => coded(self.view().write_via_stream(borrow(fd), offset))?,
            None => coded(self.view().append_via_stream(borrow(fd)))?,
        };
        let result = pieces.iter().try_for_each(|piece| {
            let out: &mut DynOutputStream = self.table.get_mut(&stream).unwrap();
            run(out.ready());
            assert!(out.check_write().unwrap() >= piece.len());
            match out.write(piece.to_vec().into()) {
                Ok(()) => Ok(()),
                Err(StreamError::LastOperationFailed(error)) => {
                    assert!(matches!(out.check_write(), Err(StreamError::Closed)));
                    Err(error)
                }
                Err(error) => panic!("{error}"),
            }
        });
        self.table.delete(stream).unwrap();
        result.map_err(|error| {
            let error = self.table.push(error).unwrap();
            let code = self.view().filesystem_error_code(Resource::new_borrow(error.rep())).unwrap();
            self.table.delete(error).unwrap();
            code.unwrap()
        })
    }
}

/// To its end: what a file call waits for is its next turn.
fn run<T>(call: impl Future<Output = T>) -> T {
    let mut call = std::pin::pin!(call);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(done) = call.as_mut().poll(&mut context) {
            return done;
        }
    }
}

fn borrow(fd: &Fd) -> Fd {
    Resource::new_borrow(fd.rep())
}

/// A refusal as the guest sees it; a trap fails the test.
fn coded<T>(result: Result<T, FsError>) -> Result<T, ErrorCode> {
    result.map_err(|error| match error {
        FsError::Refused(error) => super::wasi::code_of(&error),
        FsError::Trap(error) => panic!("trap: {error}"),
    })
}

fn fresh(quota: Quota) -> (TempDir, Workspace) {
    let dir = tempfile::tempdir().unwrap();
    let workspace = Workspace::open(dir.path(), quota).unwrap();
    (dir, workspace)
}

/// Counts again, with nothing of what is tested.
fn on_disk(home: &Path) -> Usage {
    fn add(dir: &Path, usage: &mut Usage) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            usage.files += 1;
            if meta.is_file() {
                usage.bytes += meta.len();
            } else if meta.is_dir() {
                add(&entry.path(), usage);
            }
        }
    }
    let mut usage = Usage::default();
    add(&home.join("work"), &mut usage);
    usage
}
