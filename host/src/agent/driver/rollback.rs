//! A trap fails the event, not the agent: back to the last checkpoint, what came since runs again, and an event that
//! breaks the component twice is set aside.

use std::collections::VecDeque;

use tokio::time::Instant;
use wire::{
    agent::StatusReason,
    host::ResumeCause,
    log::{Level, Source},
};

use super::{Ending, Running, begin, deliver::Trap};
use crate::{agent::mailbox::Item, checkpoints::restore};

/// Tries of one event before it is set aside.
const MAX_TRIES: u8 = 2;
/// Rollbacks to one checkpoint before the agent fails.
const MAX_ROLLBACKS: u32 = 8;
/// Bytes of events that are kept to be run again; a checkpoint is taken before.
const LONG_BYTES: usize = 256 * 1024;
/// While no checkpoint can be stored, more than this is not kept: what is over is run again from where it came from.
const MAX_BYTES: usize = 4 << 20;
/// What an event costs beside its bytes.
const EVENT_BYTES: usize = 256;

/// An event, and how often it broke the component.
#[derive(Debug, Clone)]
pub(super) struct Ran {
    pub(super) item: Item,
    tries: u8,
}

impl Ran {
    pub(super) fn first(item: Item) -> Self {
        Self { item, tries: 0 }
    }

    fn bytes(&self) -> usize {
        EVENT_BYTES
            + match &self.item {
                Item::Input { bytes, .. } => bytes.len(),
                Item::Message { message, .. } => message.body.len(),
                _ => 0,
            }
    }

    /// The operation whose completion it is.
    fn op(&self) -> Option<u64> {
        match &self.item {
            Item::Completed(completion) => Some(completion.op),
            _ => None,
        }
    }

    fn what(&self) -> &'static str {
        match &self.item {
            Item::Input { .. } => "typed input",
            Item::Message { .. } => "a message",
            Item::Completed(_) => "the end of an operation",
            Item::Resize(_) => "a new size",
            Item::Resume(_) => "its resume",
            Item::Turn => "its own work",
            Item::Stop(_) => "its stop",
        }
    }
}

/// Events since the last capture, to be run again after a rollback.
#[derive(Debug, Default)]
pub(super) struct Past {
    events: Vec<Ran>,
    bytes: usize,
    /// Some were not kept.
    lost: bool,
}

impl Past {
    pub(super) fn push(&mut self, ran: Ran) {
        // Said anew after each rollback.
        if matches!(ran.item, Item::Resume(_) | Item::Stop(_)) {
            return;
        }
        self.bytes += ran.bytes();
        if self.bytes > MAX_BYTES {
            self.lost = true;
            self.events.clear();
        } else if !self.lost {
            self.events.push(ran);
        }
    }

    /// Whether it is time for a checkpoint.
    pub(super) fn is_long(&self) -> bool {
        self.bytes > LONG_BYTES
    }

    /// Puts back what a checkpoint that does not count would have covered.
    pub(super) fn prepend(&mut self, mut before: Self) {
        before.bytes += self.bytes;
        before.lost |= self.lost;
        before.events.append(&mut self.events);
        if before.lost || before.bytes > MAX_BYTES {
            before.lost = true;
            before.events.clear();
        }
        *self = before;
    }
}

impl Running {
    /// After `ran` broke the component: a fresh one goes on from the last checkpoint.
    pub(super) async fn roll_back(&mut self, mut ran: Ran, trap: Trap) -> Result<(), Ending> {
        if self.image.suspendable().is_none() || self.stopping {
            return Err(Ending::failed(trap.reason, trap.detail));
        }
        // A checkpoint that is on its way may count yet: which one is the last is known after it.
        self.settle_commit().await?;
        ran.tries += 1;
        self.rollbacks += 1;
        let aside = ran.tries >= MAX_TRIES;
        let notice = self.tell(&ran, &trap, aside);
        if self.rollbacks > MAX_ROLLBACKS {
            // Its terminal says why.
            return Err(Ending::failed(trap.reason, trap.detail));
        }
        if self.past.lost {
            return Err(Ending::GivenUp(
                "it trapped, and what came since its last checkpoint is not here".to_owned(),
            ));
        }
        if let Err(why) = self.go_back(ran.op()).await {
            return Err(Ending::GivenUp(format!("it trapped and could not be taken back here: {why}")));
        }
        let mut again: VecDeque<Ran> = std::mem::take(&mut self.past).events.into();
        match ran.op() {
            _ if !aside => again.push_back(ran),
            // Its completion is set aside, and so the operation is over for good.
            Some(op) => {
                self.store.data_mut().operations.completed(op);
            }
            None => {}
        }
        again.append(&mut self.again);
        self.again = again;
        self.shared.output(format!("\r\n\x1b[0;31m{notice}\x1b[0m\r\n").as_bytes());
        self.resumed(ResumeCause::Rollback, 0);
        self.dirty = Some(Instant::now());
        if aside {
            // What is set aside stays aside.
            self.not_before = Instant::now();
        }
        Ok(())
    }

    fn tell(&self, ran: &Ran, trap: &Trap, aside: bool) -> String {
        let what = match trap.reason {
            StatusReason::OutOfMemory => "out of memory",
            StatusReason::PolicyDenied => "stopped by its limits",
            _ => "trapped",
        };
        let then = if aside { "set aside" } else { "tried once more" };
        let detail: String = trap.detail.chars().filter(|c| !c.is_control()).collect();
        let line =
            format!("[{what} in {}: {detail}; back to the last checkpoint, the event is {then}]", ran.what());
        self.shared.note(Level::Error, Source::Host, line.clone(), vec![]);
        tracing::warn!(reason = ?trap.reason, %detail, aside, "an event broke its component");
        line
    }

    /// A fresh component in the state of the last checkpoint, or as it was born.
    /// `broke`: the operation whose completion broke it, which has happened too.
    async fn go_back(&mut self, broke: Option<u64>) -> Result<(), String> {
        let image = self.image.clone();
        let restored = match &self.last {
            Some(last) => {
                let digest = &image.info().digest;
                let loaded = restore::load(&self.services.depot, last, digest, &self.start).await;
                Some(loaded.map_err(|error| crate::link::chain(&error))?)
            }
            None => None,
        };
        let workspace = self.store.data().workspace.clone();
        let clock = self.store.data_mut().monotonic_now();
        let fresh = begin::fresh(
            &self.shared,
            workspace.clone(),
            &image,
            &self.start,
            &self.services,
            &mut self.bucket,
            clock,
        );
        let fresh = fresh.await.map_err(|refusal| refusal.detail)?;
        // The broken one is gone from here on, with its handles and timers.
        self.store = fresh.store;
        self.instance = fresh.instance;
        self.component = fresh.component;
        self.fuel_left = super::STORE_FUEL;
        let tree = restored.as_ref().map(|restored| restored.tree.clone()).unwrap_or_default();
        let depot = self.services.depot.clone();
        let files = workspace.clone();
        let rolled = tokio::task::spawn_blocking(move || files.rollback(&tree, &mut restore::fetch(depot)));
        rolled.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let generation = self.shared.terminal().generation() + 1;
        match restored {
            Some(restored) => {
                let mut kept = restored.checkpoint;
                self.put(&kept).await.map_err(|error| crate::link::chain(&error))?;
                self.shared.rewind(Some(&kept), generation);
                self.files = (restored.files, Some(workspace.changes()));
                let operations = std::mem::take(&mut kept.operations);
                // Operations that are known only to what is undone complete for nobody.
                let waiting = self.shared.mailbox.keep_completions(operations.last);
                let known = |ran: &Ran| ran.op().is_none_or(|op| op <= operations.last);
                self.past.events.retain(known);
                self.again.retain(known);
                let done = self.past.events.iter().chain(&self.again).filter_map(Ran::op);
                let over: Vec<u64> = done.chain(waiting).chain(broke).collect();
                let state = self.store.data_mut();
                state
                    .operations
                    .restore(&self.shared, operations, ResumeCause::Rollback, |op| over.contains(&op));
            }
            None => {
                self.shared.rewind(None, generation);
                self.files = (Default::default(), Some(workspace.changes()));
                self.shared.mailbox.keep_completions(0);
                let known = |ran: &Ran| ran.op().is_none();
                self.past.events.retain(known);
                self.again.retain(known);
                self.start_event().await.map_err(|refusal| refusal.detail)?;
            }
        }
        Ok(())
    }
}
