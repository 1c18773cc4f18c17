//! What hosts commit: checkpoints, and what becomes of their agents with them.

use std::sync::Arc;

use jiff::Timestamp;
use points::{Point, reach};
use wire::{
    HostId,
    agent::Status,
    host::{Commits, MAX_COMMITS, Then},
    problem::Code,
};

use super::{App, validate::Mistakes};
use crate::{
    error::Error,
    reconcile::Event,
    store::{Committed, MAX_PACKS},
};

/// Longest note of a checkpoint, bytes; the host passes on what came from here.
const MAX_NOTE_BYTES: usize = wire::checkpoint::MAX_NOTE_BYTES;

impl App {
    /// Records what a host committed; durable when this returns.
    pub(crate) async fn commit(
        self: &Arc<Self>,
        host: HostId,
        commits: Commits,
    ) -> Result<wire::host::Committed, Error> {
        check(&commits)?;
        let now = Timestamp::now();
        let released = commits.commits.iter().any(|commit| commit.then == (Then::Release {}));
        let ids: Vec<_> = commits.commits.iter().map(|commit| commit.agent).collect();
        let (refused, moved) = match self.store.commit(host, commits, now).await? {
            Committed::Done { refused, moved } => (refused, moved),
            Committed::Fenced => {
                return Err(Error::with(Code::EpochChanged, "another start of this host has its row"));
            }
        };
        reach(Point::Recorded, ids.iter().copied()).await;
        for id in ids {
            self.changes.tell(id);
        }
        for agent in &moved {
            self.fleet.left(host);
            tracing::info!(agent = %agent.id, %host, status = ?agent.status, reason = ?agent.reason, "committed");
        }
        if released {
            // It stops as planned: what it gives up must not be offered to it again.
            self.fleet.drain(host);
        }
        if released || !moved.is_empty() {
            self.tell(Event::Room);
        }
        if moved.iter().any(|agent| agent.status == Status::Suspended) {
            // A message may have come while it came to rest.
            self.tell(Event::Mail);
        }
        Ok(wire::host::Committed { refused })
    }
}

/// Refuses what no host of ours would say.
fn check(commits: &Commits) -> Result<(), Error> {
    let mut mistakes = Mistakes::default();
    mistakes.unless(
        commits.commits.len() <= MAX_COMMITS,
        "/commits",
        format!("must be at most {MAX_COMMITS}"),
    );
    mistakes.unless(commits.packs.len() <= MAX_PACKS, "/packs", format!("must be at most {MAX_PACKS}"));
    for (index, commit) in commits.commits.iter().enumerate() {
        let Some(taken) = &commit.taken else { continue };
        let fits = taken.packs.len() <= MAX_PACKS;
        mistakes.unless(
            fits,
            format!("/commits/{index}/taken/packs"),
            format!("must be at most {MAX_PACKS}"),
        );
        if let Some(note) = &taken.note {
            mistakes.text(note, MAX_NOTE_BYTES, &format!("/commits/{index}/taken/note"));
        }
    }
    mistakes.none()
}
