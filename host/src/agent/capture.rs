//! What a checkpoint keeps of an agent beside its component.

use std::sync::atomic::Ordering;

use checkpoint::{Checkpoint, Piece, manifest};
use wire::{CheckpointId, Digest};

use super::{Shared, driver::now_ms};

impl Shared {
    /// A checkpoint of what is here: screen, log, input sessions, mail and meters, and no component.
    pub(crate) fn capture(&self, image: Digest) -> Checkpoint<Piece> {
        let (inputs, waiting) = self.capture_input();
        Checkpoint {
            agent: self.id,
            id: CheckpointId::new(),
            epoch: self.epoch(),
            timeline: self.timeline(),
            taken_at_ms: now_ms(),
            image,
            instrumenter: instrument::VERSION,
            guest: None,
            operations: manifest::Operations::default(),
            mailbox: waiting.events,
            inbox: waiting.inbox,
            terminal: self.terminal().capture(),
            journal: self.journal().capture(),
            inputs,
            monotonic_ns: 0,
            meters: manifest::Meters {
                fuel: self.meters.fuel.load(Ordering::Relaxed),
                output_bytes: self.meters.output_bytes.load(Ordering::Relaxed),
                events: self.meters.events.load(Ordering::Relaxed),
            },
            tree: None,
        }
    }
}
