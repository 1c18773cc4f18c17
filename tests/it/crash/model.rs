//! What was asked of one agent, and what of that was acknowledged.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use reqwest::{Response, StatusCode};
use tokio::sync::watch;
use wire::{AgentId, agent::Agent};

/// Names of files that are written over and over.
pub(super) const NAMES: usize = 4;

/// See the module.
#[derive(Default)]
pub(super) struct Model {
    /// Messages `m0`, `m1`, … below this were answered 202.
    pub(super) messages: u64,
    /// Messages it had from another agent.
    pub(super) letters: u64,
    /// The number that each file was last acknowledged to hold.
    pub(super) files: [Option<u64>; NAMES],
    /// All that was ever typed, in lines.
    pub(super) typed: Vec<u8>,
    pub(super) lines: u64,
    /// Bytes of it that the cloud said are durable.
    pub(super) durable: u64,
    /// Forks that were answered for.
    pub(super) forks: Vec<Fork>,
    /// How often the typist came back, and how many bytes it sent again.
    pub(super) returns: (u64, u64),
    /// What should never have been answered.
    pub(super) wrong: Vec<String>,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("messages", &self.messages)
            .field("files", &self.files)
            .field("lines", &self.lines)
            .field("typed", &self.typed.len())
            .field("durable", &self.durable)
            .field("returns", &self.returns)
            .field("wrong", &self.wrong)
            .finish_non_exhaustive()
    }
}

/// A fork, and what was durable of its parent before it was asked for.
#[derive(Debug, Clone)]
pub(super) struct Fork {
    pub(super) id: AgentId,
    pub(super) durable: u64,
    pub(super) files: [Option<u64>; NAMES],
}

/// One agent under load.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) agent: Agent,
    model: Mutex<Model>,
    /// Of all agents together: how often something was acknowledged.
    acknowledged: Arc<watch::Sender<u64>>,
}

impl Subject {
    pub(super) fn new(agent: Agent, acknowledged: Arc<watch::Sender<u64>>) -> Arc<Self> {
        Arc::new(Self { agent, model: Mutex::default(), acknowledged })
    }

    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what was acknowledged.
    pub(super) fn acknowledge(&self, note: impl FnOnce(&mut Model)) {
        note(&mut self.model());
        self.acknowledged.send_modify(|count| *count += 1);
    }

    /// A path below the agent.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/v1/agents/{}/{rest}", self.agent.id)
    }

    /// The answer when the request was done. Otherwise it is to be tried again, and what is neither a refusal that a
    /// crash explains nor a lost connection is noted as wrong.
    pub(super) async fn done(
        &self,
        what: &str,
        answer: Result<Response, reqwest::Error>,
    ) -> Option<Response> {
        let answer = answer.ok()?;
        match answer.status() {
            status if status.is_success() => return Some(answer),
            StatusCode::CONFLICT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {}
            status => {
                let text = answer.text().await.unwrap_or_default();
                self.model().wrong.push(format!("{what}: {status} {text}"));
            }
        }
        None
    }
}

/// The line of a number: every second adds to the sum, the others go into the hash, which tells their order.
pub(super) fn line(number: u64) -> String {
    if number % 2 == 1 { "add 1\r".to_owned() } else { format!("hash w{number}\r") }
}

/// What the machine says to `add 0` and `hash z` after the first lines.
pub(super) fn state(lines: u64) -> (u64, String) {
    let words = (0..lines).filter(|number| number % 2 == 0).map(|number| format!("w{number}"));
    let mut hash = 0x811c_9dc5_u32;
    for byte in words.chain(["z".to_owned()]).collect::<String>().bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    (lines / 2, format!("{hash:08x}"))
}

/// Lines that are whole in the first bytes of what was typed.
pub(super) fn lines_in(typed: &[u8], bytes: u64) -> u64 {
    let bytes = usize::try_from(bytes).unwrap();
    typed[..bytes].iter().filter(|byte| **byte == b'\r').count() as u64
}
