//! What an agent is, between two of its events.

use bytes::Bytes;
use checkpoint::{
    Checkpoint, ChunkRef, Hash, Piece,
    manifest::{Guest, Memory, PAGE_BYTES, Tree},
    map::Extent,
};
use wasmtime::{Store, component::Instance};
use wire::PackId;

use super::{
    access::{Access, AccessError, WASM_PAGE_BYTES},
    index::Index,
    pages::Pagemap,
    seen::Seen,
};
use crate::agent::state::AgentState;

/// Pages looked at before others go first: about a slice.
const PAGES_A_SLICE: usize = 64;

/// Bytes that come from memory at once.
const LINE_BYTES: usize = 64;

/// Why an agent cannot be captured as it is now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaptureError {
    /// Its memory cannot be read.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It holds a handle that cannot be made again.
    #[error("it holds {0}, which cannot be kept in a checkpoint")]
    Handle(String),
    /// Its files cannot be read.
    #[error("its files cannot be read: {0}")]
    Files(String),
}

/// An agent, captured.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Everything but the files.
    pub(crate) checkpoint: Checkpoint<Piece>,
    /// The files.
    pub(crate) files: Files,
    /// Packs that were written while the files were read, each with its bytes.
    pub(crate) spilled: Vec<(PackId, u64)>,
}

impl Snapshot {
    /// Bytes in memory that are to be stored.
    pub(crate) fn new_bytes(&self) -> usize {
        let mut bytes = 0;
        self.each_new(&mut |_, new| bytes += new.len());
        bytes
    }

    /// Shows `see` everything that is to be stored, and its hash.
    pub(crate) fn each_new(&self, see: &mut impl FnMut(&Hash, &Bytes)) {
        let mut see = |piece: &Piece| {
            if let Piece::New(hash, new) = piece {
                see(hash, new);
            }
        };
        self.checkpoint.each_chunk(&mut see);
        if let Files::Captured(tree) = &self.files {
            tree.each_chunk(&mut see);
        }
    }
}

/// An agent's files, captured.
#[derive(Debug)]
pub(crate) enum Files {
    /// As in the last checkpoint.
    Unchanged(FilesAt),
    /// Read.
    Captured(Tree<Piece>),
}

/// Where a checkpoint's files are.
#[derive(Debug, Clone, Default)]
pub(crate) struct FilesAt {
    /// Their encoded tree; absent when there are none.
    pub(crate) at: Option<ChunkRef>,
    /// What they refer to.
    pub(crate) extent: Extent,
}

/// What a fresh instance of an image holds. A checkpoint is what differs from it, so a restore begins by making the
/// instance exactly this: what an instance wrote while it was made may depend on its environment.
#[derive(Default)]
pub(crate) struct Base {
    memories: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.memories.iter().map(Vec::len)).finish()
    }
}

impl Base {
    /// A page of a memory; zeros beyond what a fresh instance has.
    pub(crate) fn page(&self, memory: usize, page: u32) -> &[u8] {
        let from = page as usize * PAGE_BYTES;
        self.memories
            .get(memory)
            .and_then(|bytes| bytes.get(from..from + PAGE_BYTES))
            .unwrap_or(&[0; PAGE_BYTES])
    }
}

/// What is read with, and compared to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Eyes<'a> {
    pub(crate) access: &'a Access,
    pub(crate) base: &'a Base,
    pub(crate) pagemap: &'a Pagemap,
    pub(crate) index: &'a Index,
}

/// Reads a component's memories and globals.
pub(crate) async fn guest(
    store: &mut Store<AgentState>,
    instance: &Instance,
    eyes: Eyes<'_>,
    seen: &mut Seen,
) -> Result<Guest<Piece>, CaptureError> {
    let mut memories = Vec::new();
    for memory in 0..eyes.access.memories() {
        memories.push(self::memory(store, instance, eyes, memory, seen).await?);
    }
    let globals = eyes.access.globals(store, instance).await?;
    Ok(Guest { memories, globals, files: Vec::new(), handles: Vec::new() })
}

async fn memory(
    store: &mut Store<AgentState>,
    instance: &Instance,
    eyes: Eyes<'_>,
    memory: usize,
    seen: &mut Seen,
) -> Result<Memory<Piece>, CaptureError> {
    let Some(list) = eyes.access.memory(store, instance, memory).await? else {
        return Ok(Memory { wasm_pages: 0, pages: Vec::new() });
    };
    let bytes = list.as_le_slice(&*store);
    let wasm_pages = u32::try_from(bytes.len() / WASM_PAGE_BYTES).unwrap_or(u32::MAX);
    let written = eyes.pagemap.written(bytes);
    let mut look = seen.look(memory);
    let mut pages = Vec::new();
    for some in written.chunks(PAGES_A_SLICE) {
        // Looked up anew for each: a borrow of the store does not outlive an await.
        let bytes = list.as_le_slice(&*store);
        let of = |page: u32| &bytes[page as usize * PAGE_BYTES..][..PAGE_BYTES];
        let differs = some.iter().filter(|page| {
            let bytes = of(**page);
            ahead(bytes);
            bytes != eyes.base.page(memory, **page)
        });
        let hashed: Vec<_> = differs.map(|page| (*page, look.hash(*page, of(*page)))).collect();
        let stored = eyes.index.find_all(hashed.iter().map(|(_, hash)| hash));
        pages.extend(hashed.into_iter().zip(stored).map(|((page, hash), stored)| {
            let new = || Piece::New(hash, Bytes::copy_from_slice(of(page)));
            (page, stored.map_or_else(new, Piece::Stored))
        }));
        if some.len() == PAGES_A_SLICE {
            crate::executor::end_slice().await;
        }
    }
    look.end();
    Ok(Memory { wasm_pages, pages })
}

/// Has every line of a page on its way from memory before the first is used: looked at one after the other, each is waited
/// for.
fn ahead(page: &[u8]) {
    std::hint::black_box(page.iter().step_by(LINE_BYTES).fold(0, |all, byte| all | byte));
}

/// Reads all of a fresh instance.
pub(crate) async fn base(
    store: &mut Store<AgentState>,
    instance: &Instance,
    access: &Access,
) -> Result<Base, AccessError> {
    let mut memories = Vec::new();
    for memory in 0..access.memories() {
        let list = access.memory(store, instance, memory).await?;
        memories.push(list.map_or_else(Vec::new, |list| list.as_le_slice(&*store).to_vec()));
    }
    Ok(Base { memories })
}
