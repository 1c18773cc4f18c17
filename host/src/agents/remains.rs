//! What is left of an agent that cannot be captured: its files, screen and log. It starts anew over them.

use std::sync::{Arc, atomic::Ordering};

use checkpoint::{Checkpoint, manifest};
use wire::{CheckpointId, Digest};

use super::Agents;
use crate::{
    agent::{Shared, driver::now_ms},
    checkpoints::{
        capture::{Files, Snapshot},
        files,
    },
};

impl Agents {
    pub(super) async fn remains(&self, shared: &Arc<Shared>, image: &Digest) -> Option<Snapshot> {
        let workspace = shared.workspace()?;
        let services = self.means.services.clone();
        let read = tokio::task::spawn_blocking(move || files::read(&workspace, &services)).await;
        let read = match read {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => {
                tracing::warn!(error = crate::link::chain(&error), "the files of an agent are not kept");
                return None;
            }
            Err(_) => return None,
        };
        let (inputs, waiting) = shared.capture_input();
        let messages = |event: &manifest::Event| matches!(event, manifest::Event::Message { .. });
        let load = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
        let checkpoint = Checkpoint {
            agent: shared.id,
            id: CheckpointId::new(),
            epoch: shared.epoch(),
            timeline: shared.timeline(),
            taken_at_ms: now_ms(),
            image: image.clone(),
            instrumenter: instrument::VERSION,
            guest: None,
            operations: manifest::Operations::default(),
            mailbox: waiting.events.into_iter().filter(messages).collect(),
            inbox: waiting.inbox,
            terminal: shared.terminal().capture(),
            journal: shared.journal().capture(),
            inputs,
            monotonic_ns: 0,
            meters: manifest::Meters {
                fuel: load(&shared.meters.fuel),
                output_bytes: load(&shared.meters.output_bytes),
                events: load(&shared.meters.events),
            },
            tree: None,
        };
        let new_bytes = read.new_bytes;
        Some(Snapshot { checkpoint, files: Files::Captured(read.tree), spilled: read.spilled, new_bytes })
    }
}
