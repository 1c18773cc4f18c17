//! What is left of an agent that cannot be captured: its files, screen and log. It starts anew over them.

use std::sync::Arc;

use checkpoint::manifest;
use wire::Digest;

use super::Agents;
use crate::{
    agent::Shared,
    checkpoints::{
        capture::{Files, Snapshot},
        files,
    },
};

impl Agents {
    pub(super) async fn remains(&self, shared: &Arc<Shared>, image: &Digest) -> Option<Snapshot> {
        let read = match files::read(shared.workspace()?, self.means.services.clone()).await {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(error = crate::link::chain(&error), "the files of an agent are not kept");
                return None;
            }
        };
        let mut checkpoint = shared.capture(image.clone());
        // Only mail is for whoever comes after it.
        checkpoint.mailbox.retain(|event| matches!(event, manifest::Event::Message { .. }));
        Some(Snapshot { checkpoint, files: Files::Captured(read.tree), spilled: read.spilled })
    }
}
