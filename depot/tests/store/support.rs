use std::sync::Arc;

use checkpoint::{
    Checkpoint, ChunkRef, Pack, PackBuilder,
    manifest::{Inputs, Journal, Meters, Operations, Tail, Terminal, Tree},
};
use depot::{Depot, Patience, faulty::Faulty};
use object_store::memory::InMemory;
use wire::{AgentId, CheckpointId, Digest, PackId, checkpoint::CheckpointRef};

/// Chunks of different sizes, some of which compress.
pub(crate) fn contents(seed: u8) -> Vec<Vec<u8>> {
    let noise = |n: u32| checkpoint::hash(&[&[seed][..], &n.to_le_bytes()].concat());
    let noisy = (0..200).flat_map(noise).collect();
    vec![vec![seed; 4096], noisy, Vec::new(), vec![seed], [seed, 1].repeat(40_000)]
}

pub(crate) fn pack(seed: u8) -> (Pack, Vec<ChunkRef>) {
    let mut builder = PackBuilder::new(PackId::new());
    let chunks = contents(seed).iter().map(|bytes| builder.add_chunk(bytes)).collect();
    (builder.seal(), chunks)
}

pub(crate) fn checkpoint(tree: Option<ChunkRef>) -> Checkpoint {
    let tail = || Tail { from: 0, segments: Vec::new(), rest: Vec::new().into() };
    Checkpoint {
        agent: AgentId::new(),
        id: CheckpointId::new(),
        epoch: 1,
        timeline: 0,
        taken_at_ms: 0,
        image: Digest::from_bytes([1; 32]),
        instrumenter: 1,
        guest: None,
        operations: Operations::default(),
        mailbox: Vec::new(),
        inbox: 0,
        terminal: Terminal {
            generation: 1,
            head: 0,
            cols: 80,
            rows: 24,
            screen: Vec::new().into(),
            screen_at: 0,
            tail: tail(),
        },
        journal: Journal { generation: 1, last_seq: 0, tail: tail() },
        inputs: Inputs::default(),
        monotonic_ns: 0,
        meters: Meters::default(),
        tree,
    }
}

/// A pack with a checkpoint and its tree.
pub(crate) fn kept() -> (Pack, Checkpoint, CheckpointRef) {
    let mut builder = PackBuilder::new(PackId::new());
    let tree = builder.add_chunk(&Tree::default().encode());
    let checkpoint = checkpoint(Some(tree));
    let at = builder.add_manifest(&checkpoint.try_encode().unwrap());
    let at = CheckpointRef {
        id: checkpoint.id,
        pack: builder.id(),
        offset: at.offset,
        length: at.length,
        sha256: Digest::from_bytes(at.sha256),
    };
    (builder.seal(), checkpoint, at)
}

/// A store in memory that can be made to fail, and a second depot over it that never does.
pub(crate) fn faulty() -> (Depot, Faulty, Depot) {
    let memory = Arc::new(InMemory::new());
    let faulty = Faulty::new(memory.clone());
    let patience = Patience::default();
    (Depot::with_store(Arc::new(faulty.clone()), patience), faulty, Depot::with_store(memory, patience))
}
