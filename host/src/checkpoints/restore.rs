//! From a checkpoint back to an agent.

use bytes::Bytes;
use checkpoint::{
    Checkpoint, ChunkRef,
    codec::Expect,
    manifest::{Guest, Inputs, Journal, PAGE_BYTES, Terminal, Tree},
};
use depot::{Depot, DepotError};
use wasmtime::{Store, component::Instance};
use wire::{
    Digest,
    checkpoint::CheckpointRef,
    host::{Refusal, RefusalCode, Start},
};

use super::{
    access::{AccessError, WASM_PAGE_BYTES},
    capture::FilesAt,
    pages::{self, Pagemap},
};
use crate::{
    agent::state::AgentState,
    handles::{Step, Unrestorable},
    images::Suspendable,
    workspace::RestoreError as TreeError,
};

/// Adjacent pages written in one call.
const RUN_PAGES: usize = 64;
/// From here on they are made present before.
const MANY_PAGES: usize = 8;

/// A checkpoint, read and verified.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) at: CheckpointRef,
    pub(crate) checkpoint: Checkpoint<Bytes>,
    pub(crate) tree: Tree<ChunkRef>,
    pub(crate) files: FilesAt,
}

/// Why a checkpoint cannot be gone on from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// It cannot be read.
    #[error("checkpoint {id} cannot be read")]
    Read {
        /// Which.
        id: wire::CheckpointId,
        /// Why.
        #[source]
        source: DepotError,
    },
    /// It does not fit the component.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Its handles cannot be made again.
    #[error("a handle cannot be made again")]
    Handle(#[from] Unrestorable),
    /// The component counts its handles in another way than the host believes.
    #[error("a handle of {resource} got number {index} instead of {expect}")]
    Number {
        /// Of which resource.
        resource: &'static str,
        /// What it got.
        index: u32,
        /// What it had.
        expect: u32,
    },
    /// Fewer chunks came than were asked for.
    #[error("a chunk of the checkpoint is missing")]
    Chunks,
    /// It holds a component's state, and the component has no way to take one.
    #[error("the component cannot be given a state")]
    NotSuspendable,
}

impl RestoreError {
    /// Whether the checkpoint itself is bad, so that trying again is of no use.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Self::Read { source, .. } if source.is_temporary())
    }

    /// What a start is refused with for it.
    pub(crate) fn refusal(&self) -> Refusal {
        let code = if self.is_final() { RefusalCode::BadCheckpoint } else { RefusalCode::StoreUnavailable };
        Refusal { code, detail: crate::link::chain(self) }
    }

    /// Whether what was read is not what was stored. The checkpoint may be whole all the same: a store can lose or
    /// cut what it gives for a while.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Read { source, .. } if is_damage(source))
    }
}

/// See [`RestoreError::is_damage`].
pub(crate) fn is_damage(source: &DepotError) -> bool {
    matches!(source, DepotError::Corrupt { .. } | DepotError::Missing { .. })
}

/// Reads a checkpoint that `start` may go on from with a component. Everything in it is verified by hash, and fits its own
/// bounds; but for the one that a fork began from, it is the agent's own, and of no later placement.
pub(crate) async fn load(
    depot: &Depot,
    at: &CheckpointRef,
    image: &Digest,
    start: &Start,
) -> Result<Restored, RestoreError> {
    let is_own = start.forked_from != Some(at.id);
    let expect = Expect {
        agent: is_own.then_some(start.agent),
        image: Some(image.clone()),
        instrumenter: Some(instrument::VERSION),
        max_epoch: is_own.then_some(start.epoch),
    };
    let failed = |source| RestoreError::Read { id: at.id, source };
    let mut stored = depot.manifest(at, &expect).await.map_err(failed)?;
    let tree = match &stored.tree {
        Some(tree) => depot.tree(tree).await.map_err(failed)?,
        None => Tree::default(),
    };
    // It is read already.
    let files = FilesAt { at: stored.tree.take(), extent: tree.extent() };
    let mut read = depot.chunks(&stored.chunks()).await.map_err(failed)?.into_iter();
    // In the order they were named in.
    let checkpoint = stored.try_map(&mut |_| read.next().ok_or(RestoreError::Chunks))?;
    Ok(Restored { at: at.clone(), checkpoint, tree, files })
}

/// A suspended agent, as far as a socket sees it.
#[derive(Debug)]
pub(crate) struct Screen {
    pub(crate) terminal: Terminal<Bytes>,
    pub(crate) journal: Journal<Bytes>,
    pub(crate) inputs: Inputs,
}

/// Reads terminal, log and input sessions of a checkpoint, and nothing else.
pub(crate) async fn screen(depot: &Depot, at: &CheckpointRef) -> Result<Screen, RestoreError> {
    let failed = |source| RestoreError::Read { id: at.id, source };
    let stored = depot.manifest(at, &Expect::default()).await.map_err(failed)?;
    let mut chunks = stored.terminal.tail.segments.clone();
    chunks.extend(&stored.journal.tail.segments);
    let mut read = depot.chunks(&chunks).await.map_err(failed)?.into_iter();
    let mut next = |_| read.next().ok_or(RestoreError::Chunks);
    Ok(Screen {
        terminal: stored.terminal.try_map(&mut next)?,
        journal: stored.journal.try_map(&mut next)?,
        inputs: stored.inputs,
    })
}

/// Reads the chunks of files, from a thread that may wait.
pub(crate) fn fetch(depot: Depot) -> impl FnMut(&[ChunkRef]) -> Result<Vec<Bytes>, TreeError> {
    let runtime = tokio::runtime::Handle::current();
    move |chunks| runtime.block_on(depot.chunks(chunks)).map_err(|error| TreeError::Chunks(Box::new(error)))
}

/// Gives a fresh instance the state of a component.
pub(crate) async fn guest(
    store: &mut Store<AgentState>,
    instance: &Instance,
    image: &Suspendable,
    pagemap: &Pagemap,
    kept: &Guest<Bytes>,
) -> Result<(), RestoreError> {
    let access = &image.access;
    if kept.memories.len() != access.memories() {
        let (found, expected) = (kept.memories.len(), access.memories());
        return Err(AccessError::Shape { what: "memories", found, expected }.into());
    }
    for (memory, kept) in kept.memories.iter().enumerate() {
        // What it wrote while it was made is undone, unless the checkpoint says what is there.
        let written = match access.memory(store, instance, memory).await? {
            Some(list) => pagemap.written(list.as_le_slice(&*store)),
            None => Vec::new(),
        };
        access.grow(store, instance, memory, kept.wasm_pages).await?;
        let room = u64::from(kept.wasm_pages) * (WASM_PAGE_BYTES / PAGE_BYTES) as u64;
        if kept.pages.last().is_some_and(|(page, _)| u64::from(*page) >= room) {
            let (found, expected) = (kept.pages.len(), usize::try_from(room).unwrap_or(usize::MAX));
            return Err(AccessError::Shape { what: "pages", found, expected }.into());
        }
        let mut run = Run::default();
        let mut rest = kept.pages.iter().peekable();
        for page in written {
            while let Some((at, bytes)) = rest.next_if(|(at, _)| *at < page) {
                run.push(store, instance, access, memory, *at, bytes).await?;
            }
            if rest.peek().is_none_or(|(at, _)| *at != page) {
                let base = image.base.page(memory, page).to_vec();
                run.push(store, instance, access, memory, page, &base).await?;
            }
        }
        for (at, bytes) in rest {
            run.push(store, instance, access, memory, *at, bytes).await?;
        }
        run.flush(store, instance, access, memory).await?;
    }
    access.set_globals(store, instance, &kept.globals).await?;
    handles(store, instance, image, kept).await
}

/// Pages that follow one another, to be written at once.
#[derive(Default)]
struct Run {
    first: u32,
    bytes: Vec<u8>,
}

impl Run {
    async fn push(
        &mut self,
        store: &mut Store<AgentState>,
        instance: &Instance,
        access: &super::access::Access,
        memory: usize,
        page: u32,
        bytes: &[u8],
    ) -> Result<(), AccessError> {
        let next = self.first as usize + self.bytes.len() / PAGE_BYTES;
        if page as usize != next || self.bytes.len() >= RUN_PAGES * PAGE_BYTES {
            self.flush(store, instance, access, memory).await?;
            self.first = page;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    async fn flush(
        &mut self,
        store: &mut Store<AgentState>,
        instance: &Instance,
        access: &super::access::Access,
        memory: usize,
    ) -> Result<(), AccessError> {
        if !self.bytes.is_empty() {
            let offset = self.first << PAGE_BYTES.trailing_zeros();
            if self.bytes.len() >= MANY_PAGES * PAGE_BYTES
                && let Some(list) = access.memory(store, instance, memory).await?
            {
                let all = list.as_le_slice(&*store);
                all.get(offset as usize..).and_then(|from| from.get(..self.bytes.len())).map(pages::populate);
            }
            access.write(store, instance, memory, offset, &self.bytes).await?;
            if self.bytes.len() >= RUN_PAGES * PAGE_BYTES {
                crate::executor::end_slice().await;
            }
            self.bytes.clear();
        }
        Ok(())
    }
}

/// Makes the handles again, each under its number.
async fn handles(
    store: &mut Store<AgentState>,
    instance: &Instance,
    image: &Suspendable,
    kept: &Guest<Bytes>,
) -> Result<(), RestoreError> {
    let access = &image.access;
    store.data_mut().stage(&kept.files, &kept.handles, |piece| Some(piece.clone()))?;
    for step in store.data().restore_steps() {
        match step {
            Step::Make { resource, staged, expect } => {
                let index = access.make(store, instance, resource.name(), staged).await?;
                if index != expect {
                    return Err(RestoreError::Number { resource: resource.name(), index, expect });
                }
            }
            Step::Drop { resource, handle } => {
                access.drop_handle(store, instance, resource.name(), handle).await?;
            }
        }
    }
    Ok(store.data_mut().finish_restore()?)
}
