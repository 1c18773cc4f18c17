//! What leaves agents: messages and requests. A message is tried until the API took it: sent again, it is the same
//! message. A request that may not be made twice is made once, by a task that outlives the agent's own here.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use egress::{Egress, Request, Response};
use tokio::{sync::Semaphore, task::AbortHandle};
use wire::{
    egress::Rule,
    message::{Complete, Outcome, Send},
};

use crate::{agent::Shared, bindings::agent::openclaw::agent::types as wit, link::Link};

mod answer;
mod flights;

use flights::{Flight, Flights};

/// Requests that a host makes at once: each is a socket, a few buffers and a TLS state. Others wait for their turn, which is
/// no part of their time.
const MAX_AT_ONCE: usize = 512;
/// Between two tries, doubled up to [`MAX_RETRY`].
const RETRY: Duration = Duration::from_millis(100);
const MAX_RETRY: Duration = Duration::from_secs(5);

/// See the module. Without an API no message leaves, and without a way out no request does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outbox {
    link: Arc<OnceLock<Arc<Link>>>,
    way: Option<Way>,
    flights: Flights,
    timeline: u64,
}

/// How requests leave.
#[derive(Debug, Clone)]
struct Way {
    egress: Egress,
    seats: Arc<Semaphore>,
}

impl Way {
    async fn send(&self, rules: Arc<[Rule]>, request: Request) -> Result<Response, egress::Error> {
        // Nobody closes it.
        let _seat = self.seats.acquire().await;
        self.egress.send(rules, request).await
    }
}

impl Outbox {
    /// The ways out for the agents of a host; the API is known later.
    pub(crate) fn new(link: Arc<OnceLock<Arc<Link>>>, egress: Option<Egress>) -> Self {
        let way = egress.map(|egress| Way { egress, seats: Arc::new(Semaphore::new(MAX_AT_ONCE)) });
        Self { link, way, flights: Flights::default(), timeline: 0 }
    }

    /// For one life of an agent.
    pub(crate) fn of(&self, timeline: u64) -> Self {
        Self { timeline, ..self.clone() }
    }

    /// Begins to send a message; its result comes through the agent's inbox.
    pub(crate) fn send(
        &self,
        agent: &Arc<Shared>,
        op: u64,
        to: String,
        content_type: String,
        body: Vec<u8>,
    ) -> AbortHandle {
        let (link, agent) = (self.link.clone(), agent.clone());
        let send = Send { epoch: agent.epoch(), timeline: self.timeline, op, to, content_type, body };
        let task = tokio::spawn(async move {
            let Some(link) = link.get() else { return };
            let mut wait = RETRY;
            while let Err(error) = link.send(agent.id, &send).await {
                if error.is_final() {
                    // Another placement counts: it sends this itself.
                    tracing::warn!(agent = %agent.id, op, %error, "a message was refused");
                    return;
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(MAX_RETRY);
            }
            points::reach(points::Point::Left, [agent.id]).await;
        });
        task.abort_handle()
    }

    /// Makes a request that may be made again; its answer goes to the agent where it is.
    pub(crate) fn ask(
        &self,
        agent: &Arc<Shared>,
        op: u64,
        request: Request,
        rules: Arc<[Rule]>,
    ) -> AbortHandle {
        let (way, agent, asking) = (self.way.clone(), agent.clone(), agent.asking());
        let task = tokio::spawn(async move {
            let outcome = match way {
                Some(way) => answer::to_agent(way.send(rules, request).await),
                None => answer::no_way(),
            };
            drop(asking);
            agent.mailbox.completed(wit::Completion { op, outcome });
        });
        task.abort_handle()
    }

    /// Makes a request that may not be made again, now that a durable checkpoint holds it; its answer goes into the
    /// agent's inbox, whether or not the agent is here by then.
    pub(crate) fn fetch(&self, agent: &Arc<Shared>, op: u64, mut request: Request, rules: Arc<[Rule]>) {
        let flight = Flight { agent: agent.id, timeline: self.timeline, op };
        request.key = Some(format!("{}-{}-{op}", agent.id, self.timeline));
        let (way, link, complete) = (self.way.clone(), self.link.clone(), self.completes(agent, op));
        self.flights.begin(flight, complete.epoch, async move {
            let outcome = match way {
                Some(way) => answer::to_inbox(way.send(rules, request).await),
                None => answer::nowhere(),
            };
            tell(&link, flight, Complete { outcome, ..complete }).await;
        });
    }

    /// Whether a request of this host is on its way.
    pub(crate) fn is_out(&self, agent: &Shared, op: u64) -> bool {
        self.flights.has(Flight { agent: agent.id, timeline: self.timeline, op })
    }

    /// Nobody wants the answer any more.
    pub(crate) fn call_off(&self, agent: &Shared, op: u64) {
        self.flights.call_off(|flight| *flight == Flight { agent: agent.id, timeline: self.timeline, op });
    }

    /// The agent is over.
    pub(crate) fn forget(&self, agent: wire::AgentId) {
        self.flights.call_off(|flight| flight.agent == agent);
    }

    /// Nobody knows what became of a request: says so, unless its answer came after all.
    pub(crate) fn give_up(&self, agent: &Arc<Shared>, op: u64, reason: &str) {
        let flight = Flight { agent: agent.id, timeline: self.timeline, op };
        let outcome = Outcome::Unknown { reason: reason.to_owned() };
        let (link, complete) = (self.link.clone(), Complete { outcome, ..self.completes(agent, op) });
        self.flights.begin(flight, complete.epoch, async move { tell(&link, flight, complete).await });
    }

    fn completes(&self, agent: &Shared, op: u64) -> Complete {
        let outcome = Outcome::Unknown { reason: "its host stopped before the answer came".to_owned() };
        Complete { epoch: agent.epoch(), timeline: self.timeline, op, outcome }
    }

    /// Waits for the answers of what is on its way, at most `grace`; what has none by then never will.
    pub(crate) async fn land(&self, grace: Duration) {
        for (flight, epoch) in self.flights.land(grace).await {
            let outcome = Outcome::Unknown { reason: "its host stopped before the answer came".to_owned() };
            let complete = Complete { epoch, timeline: flight.timeline, op: flight.op, outcome };
            let told = tell(&self.link, flight, complete);
            if tokio::time::timeout(MAX_RETRY, told).await.is_err() {
                tracing::warn!(agent = %flight.agent, op = flight.op, "an unknown outcome was not told");
            }
        }
    }
}

/// Tells the API until it took it.
async fn tell(link: &OnceLock<Arc<Link>>, flight: Flight, complete: Complete) {
    let Some(link) = link.get() else { return };
    let mut wait = RETRY;
    while let Err(error) = link.complete(flight.agent, &complete).await {
        if error.is_final() {
            // That life of the agent is over.
            tracing::debug!(agent = %flight.agent, op = flight.op, %error, "a result is nobody's any more");
            return;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(MAX_RETRY);
    }
}
