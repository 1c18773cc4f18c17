//! Reading an agent's files for a checkpoint. What is much is written while it is read, so that it never is in memory at
//! once.

use bytes::Bytes;
use checkpoint::{
    Piece, hash,
    manifest::Tree,
    pack::{Pack, PackBuilder},
};
use depot::DepotError;
use wire::PackId;

use super::Services;
use crate::workspace::{Captured, Stamps, Workspace, WorkspaceError};

/// New bytes that are handed on in memory; the rest goes to packs of its own.
const IN_MEMORY: usize = 16 << 20;

/// Files, read.
pub(crate) struct Read {
    pub(crate) tree: Tree<Piece>,
    pub(crate) stamps: Stamps,
    pub(crate) changes: u64,
    pub(crate) spilled: Vec<(PackId, u64)>,
}

/// Why they could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the workspace cannot be read")]
    Workspace(#[from] WorkspaceError),
    #[error("the object store did not take files")]
    Depot(#[from] DepotError),
    #[error("reading them was broken off")]
    Lost(#[from] tokio::task::JoinError),
}

/// Reads them on a thread that may wait.
pub(crate) async fn read(workspace: Workspace, services: Services) -> Result<Read, ReadError> {
    tokio::task::spawn_blocking(move || read_here(&workspace, &services)).await?
}

fn read_here(workspace: &Workspace, services: &Services) -> Result<Read, ReadError> {
    let mut spill = Spill { services, open: None, written: Vec::new(), new_bytes: 0, failed: None };
    let captured = workspace.capture(&mut |bytes| Ok(spill.put(bytes)))?;
    let Captured { tree, stamps, changes } = captured;
    spill.seal()?;
    Ok(Read { tree, stamps, changes, spilled: spill.written })
}

struct Spill<'a> {
    services: &'a Services,
    open: Option<PackBuilder>,
    written: Vec<(PackId, u64)>,
    new_bytes: usize,
    /// The first pack that was not taken; everything after it is not tried.
    failed: Option<DepotError>,
}

impl Spill<'_> {
    fn put(&mut self, bytes: &[u8]) -> Piece {
        let hash = hash(bytes);
        if let Some(stored) = self.services.index.find(&hash) {
            return Piece::Stored(stored);
        }
        if self.new_bytes < IN_MEMORY || self.failed.is_some() {
            self.new_bytes += bytes.len();
            return Piece::New(hash, Bytes::copy_from_slice(bytes));
        }
        if self.open.as_ref().is_some_and(PackBuilder::is_full)
            && let Some(full) = self.open.take()
        {
            self.write(full.seal());
        }
        let open = self.open.get_or_insert_with(|| PackBuilder::new(PackId::new()));
        Piece::Stored(open.add_chunk_hashed(hash, bytes))
    }

    fn write(&mut self, pack: Pack) {
        let (id, bytes) = (pack.id, pack.bytes.len() as u64);
        match tokio::runtime::Handle::current().block_on(self.services.depot.put(pack)) {
            Ok(()) => self.written.push((id, bytes)),
            Err(error) => self.failed = Some(error),
        }
    }

    fn seal(&mut self) -> Result<(), DepotError> {
        if let Some(open) = self.open.take() {
            self.write(open.seal());
        }
        self.failed.take().map_or(Ok(()), Err)
    }
}
