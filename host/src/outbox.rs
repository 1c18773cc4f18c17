//! What leaves agents: messages and requests. A message is tried until the API took it: sent again, it is the same
//! message. A request that may not be made twice is made once, by a task that outlives the agent's own here.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use egress::{Egress, Request, Response};
use futures_util::future::join_all;
use tokio::{sync::Semaphore, task::AbortHandle};
use wire::{
    egress::Rule,
    message::{Complete, Outcome, Send},
};

use crate::{
    agent::{Shared, mailbox::convert},
    bindings::agent::openclaw::agent::types as wit,
    link::{Link, until_taken},
};

mod answer;
mod flights;

use flights::{Flight, Flights};

/// Requests that a host makes at once: each is a socket, a few buffers and a TLS state. Others wait for their turn, which is
/// no part of their time.
const MAX_AT_ONCE: usize = 512;
/// How long the API has to hear of what a stop leaves unknown.
const TELL: Duration = Duration::from_secs(5);
/// What is said of a request whose host stops.
const STOPPED: &str = "its host stopped before the answer came";

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
            if let Err(error) = until_taken(|| link.send(agent.id, &send)).await {
                // Another placement counts: it sends this itself.
                tracing::warn!(agent = %agent.id, op, %error, "a message was refused");
                return;
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
            let outcome = convert::delivered(&made(way, rules, request, answer::read).await);
            drop(asking);
            agent.mailbox.completed(wit::Completion { op, outcome });
        });
        task.abort_handle()
    }

    /// Makes a request that may not be made again, now that a durable checkpoint holds it; its answer goes into the
    /// agent's inbox, whether or not the agent is here by then.
    pub(crate) fn fetch(&self, agent: &Arc<Shared>, op: u64, mut request: Request, rules: Arc<[Rule]>) {
        let (flight, epoch) = (self.flight(agent, op), agent.epoch());
        request.key = Some(format!("{}-{}-{op}", agent.id, self.timeline));
        let (way, link) = (self.way.clone(), self.link.clone());
        self.flights.begin(flight, epoch, async move {
            let outcome = made(way, rules, request, answer::written).await;
            tell(&link, flight, epoch, outcome).await;
        });
    }

    /// Whether a request of this host is on its way.
    pub(crate) fn is_out(&self, agent: &Shared, op: u64) -> bool {
        self.flights.has(self.flight(agent, op))
    }

    /// Nobody wants the answer any more.
    pub(crate) fn call_off(&self, agent: &Shared, op: u64) {
        let which = self.flight(agent, op);
        self.flights.call_off(|flight| *flight == which);
    }

    /// The agent is over.
    pub(crate) fn forget(&self, agent: wire::AgentId) {
        self.flights.call_off(|flight| flight.agent == agent);
    }

    /// Nobody knows what became of a request: says so, unless its answer came after all.
    pub(crate) fn give_up(&self, agent: &Arc<Shared>, op: u64, reason: &str) {
        let (flight, epoch) = (self.flight(agent, op), agent.epoch());
        let outcome = Outcome::Unknown { reason: reason.to_owned() };
        let link = self.link.clone();
        self.flights.begin(flight, epoch, async move { tell(&link, flight, epoch, outcome).await });
    }

    fn flight(&self, agent: &Shared, op: u64) -> Flight {
        Flight { agent: agent.id, timeline: self.timeline, op }
    }

    /// Waits for the answers of what is on its way, at most `grace`; what has none by then never will.
    pub(crate) async fn land(&self, grace: Duration) {
        let left = self.flights.land(grace).await;
        let unknown = || Outcome::Unknown { reason: STOPPED.to_owned() };
        let told = left.into_iter().map(|(flight, epoch)| tell(&self.link, flight, epoch, unknown()));
        if tokio::time::timeout(TELL, join_all(told)).await.is_err() {
            tracing::warn!("the API was not told of every request whose outcome is unknown");
        }
    }
}

/// Makes a request, and has what came of it read.
async fn made(
    way: Option<Way>,
    rules: Arc<[Rule]>,
    request: Request,
    read: fn(Result<Response, egress::Error>) -> Outcome,
) -> Outcome {
    match way {
        Some(way) => read(way.send(rules, request).await),
        None => answer::nowhere(),
    }
}

/// Tells the API how a request ended, until it took it.
async fn tell(link: &OnceLock<Arc<Link>>, flight: Flight, epoch: u64, outcome: Outcome) {
    let Some(link) = link.get() else { return };
    let complete = Complete { epoch, timeline: flight.timeline, op: flight.op, outcome };
    if let Err(error) = until_taken(|| link.complete(flight.agent, &complete)).await {
        // That life of the agent is over.
        tracing::debug!(agent = %flight.agent, op = flight.op, %error, "a result is nobody's any more");
    }
}
