//! The application: authorises and decides. A handler calls one function here; what it needs of the
//! store and the hosts it says in their verbs.

use std::{
    collections::HashSet,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{AgentId, problem::Code};

use crate::{
    auth::{host::FleetKey, ticket::TicketKey},
    changes::Changes,
    error::Error,
    fleet::{Fleet, Found},
    hosts::Hosts,
    reconcile::Event,
    store::Store,
};

pub(crate) mod access;
pub(crate) mod agents;
mod checkpoints;
mod commits;
mod ending;
pub(crate) mod files;
mod forking;
pub(crate) mod hosts;
mod images;
mod kept;
pub(crate) mod logs;
pub(crate) mod mail;
mod parking;
mod pauses;
mod placing;
mod sessions;
pub(crate) mod suspending;
pub(crate) mod tickets;
mod tokens;
mod validate;
mod view;

pub(crate) use validate::{Mistakes, escape};

/// The keys this API signs and checks with.
#[derive(Debug)]
pub(crate) struct Keys {
    /// Tickets.
    pub(crate) ticket: TicketKey,
    /// Credentials of hosts.
    pub(crate) fleet: Arc<FleetKey>,
}

/// Everything a request may need.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hosts: Arc<dyn Hosts>,
    /// Where checkpoints are.
    pub(crate) depot: depot::Depot,
    pub(crate) keys: Arc<Keys>,
    pub(crate) fleet: Fleet,
    pub(crate) changes: Changes,
    pub(crate) access: access::Cache,
    pub(crate) settings: Settings,
    /// Agents that a task of this process is placing just now.
    placing: Arc<Mutex<HashSet<AgentId>>>,
    /// Agents that are not to be placed yet.
    pub(crate) pauses: pauses::Pauses,
    /// Tasks that outlive the request that began them.
    pub(crate) tasks: TaskTracker,
    /// Sockets being relayed.
    pub(crate) sockets: TaskTracker,
    /// Tells the reconciler.
    pub(crate) events: mpsc::Sender<Event>,
    /// Told when no new work is to begin.
    pub(crate) stop: CancellationToken,
}

/// What of the configuration requests need, with the listener's address known.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Without a slash at its end.
    pub(crate) public_url: String,
    /// Origins whose pages may use cookies and tickets.
    pub(crate) origins: Vec<String>,
    /// See [`crate::Config::direct_hosts`].
    pub(crate) direct_hosts: bool,
    /// See [`crate::Config::images_wait`].
    pub(crate) images_wait: Duration,
    /// See [`crate::Config::lease`].
    pub(crate) lease: Duration,
}

/// Held while a task places an agent, so that the reconciler does not place it a second time.
#[derive(Debug)]
pub(crate) struct Claim {
    id: AgentId,
    placing: Arc<Mutex<HashSet<AgentId>>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.placing.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl App {
    /// An application over a store and hosts.
    #[expect(clippy::too_many_arguments, reason = "its parts, each once")]
    pub(crate) fn new(
        store: Arc<dyn Store>,
        hosts: Arc<dyn Hosts>,
        depot: depot::Depot,
        keys: Arc<Keys>,
        fleet: Fleet,
        settings: Settings,
        events: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            store,
            hosts,
            depot,
            keys,
            fleet,
            changes: Changes::default(),
            access: access::Cache::default(),
            settings,
            placing: Arc::default(),
            pauses: pauses::Pauses::default(),
            tasks: TaskTracker::new(),
            sockets: TaskTracker::new(),
            events,
            stop,
        }
    }

    /// Whether this process can take requests.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        if self.stop.is_cancelled() {
            return Err(Error::with(Code::Unavailable, "shutting down"));
        }
        Ok(self.store.ping().await?)
    }

    /// Whether clients reach this API over TLS.
    pub(crate) fn secure(&self) -> bool {
        self.settings.public_url.starts_with("https://")
    }

    /// Runs something to its end, whatever becomes of the request that began it.
    fn detach<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(crate::edge::inherit(work))
    }

    /// Claims an agent that is new, and therefore nobody's.
    fn claim(&self, id: AgentId) -> Claim {
        self.placing.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Claim { id, placing: self.placing.clone() }
    }

    /// Claims an agent unless a task places it already.
    pub(crate) fn try_claim(&self, id: AgentId) -> Option<Claim> {
        let fresh = self.placing.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        fresh.then(|| Claim { id, placing: self.placing.clone() })
    }

    /// Tells the reconciler; when it has more than enough to do it looks at everything anyway.
    pub(crate) fn tell(&self, event: Event) {
        let _ = self.events.try_send(event);
    }

    /// What an `image` stands for; when no host was ever here, waits a little for the first.
    async fn find_image(&self, name: &str) -> Found {
        match self.fleet.image(name) {
            Found::NoHosts => {
                self.fleet.wait_for_hosts(self.settings.images_wait).await;
                self.fleet.image(name)
            }
            found => found,
        }
    }
}
