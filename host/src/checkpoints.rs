//! Checkpoints of agents: taken between two events, stored in packs, counted once the API recorded them.
//!
//! `agent::driver` asks [`capture`] what an agent is and hands it to the [`committer`], which lets [`encode`] find what is
//! stored already and the API record the rest; [`restore`] is the way back. [`access`] reaches into a component, [`pages`]
//! asks the kernel what it wrote.

use std::sync::{Arc, OnceLock};

use depot::Depot;

use crate::{link::Link, outbox::Outbox};

pub(crate) mod access;
pub(crate) mod capture;
pub(crate) mod committer;
mod encode;
pub(crate) mod files;
pub(crate) mod index;
pub(crate) mod pages;
pub(crate) mod restore;
pub(crate) mod seen;

/// What an agent's task keeps and finds its checkpoints with.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub(crate) depot: Depot,
    pub(crate) committer: committer::Committer,
    pub(crate) index: Arc<index::Index>,
    pub(crate) pagemap: Arc<pages::Pagemap>,
    pub(crate) outbox: Outbox,
}

impl Services {
    /// Over an object store; the API is known later, when `link` is set.
    pub(crate) fn new(
        depot: Depot,
        link: Arc<OnceLock<Arc<Link>>>,
        egress: Option<egress::Egress>,
    ) -> (Self, committer::Worker) {
        let (committer, worker) = committer::Committer::new();
        let services = Self {
            depot,
            committer,
            index: Arc::default(),
            pagemap: Arc::new(pages::Pagemap::open()),
            outbox: Outbox::new(link, egress),
        };
        (services, worker)
    }
}
