//! What one agent does to itself it does to nobody else.
//!
//! Each test has one hostile agent and a neighbour whose echoes are timed while it rages; nextest runs
//! them alone, so that the times mean something.

use std::time::{Duration, Instant};

use cloud_tests::{Cloud, Terminal};
use serde_json::{Value, json};
use wire::agent::{Agent, Status};

mod endings;
mod limits;
mod rates;
mod starts;

/// Within which nine of ten echoes come.
const ECHO: Duration = Duration::from_millis(50);
/// Keys that are timed.
const KEYS: usize = 50;

/// An agent that only wants to be left in peace.
struct Neighbour(Terminal);

impl Neighbour {
    async fn beside(cloud: &Cloud) -> Self {
        let agent = cloud.spawn(json!({ "image": "hello" })).await;
        let mut terminal = cloud.terminal(&agent).await;
        terminal.wait_line(">").await;
        Self(terminal)
    }

    /// Types, and asserts that every echo comes at once.
    async fn assert_prompt(&mut self) {
        let (mut line, mut took) = ("> ".to_owned(), Vec::with_capacity(KEYS));
        for key in ('a'..='z').cycle().take(KEYS) {
            line.push(key);
            let begun = Instant::now();
            self.0.keys(key.to_string()).await;
            self.0.wait_line(&line).await;
            took.push(begun.elapsed());
        }
        took.sort();
        assert!(took[KEYS * 9 / 10] < ECHO, "{took:?}");
        // An empty line again.
        self.0.keys("\x15").await;
        self.0.wait_line(">").await;
    }
}

/// Small, so that an attack meets its limits soon.
fn limits() -> Value {
    json!({ "memory_mib": 16, "disk_mib": 4 })
}

/// A hostile agent that waits for its first key.
async fn hostile(cloud: &Cloud, attack: &str) -> (Agent, Terminal) {
    let config = json!({ "image": "hostile", "config": { "attack": attack }, "limits": limits() });
    let agent = cloud.spawn(config).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait_line("ready").await;
    (agent, terminal)
}

/// Whether an agent is still served after its attack.
async fn assert_alive(cloud: &Cloud, agent: &Agent, terminal: &mut Terminal) {
    terminal.keys("y").await;
    terminal.wait_line("alive").await;
    assert_eq!(cloud.agent(agent).await.status, Status::Running);
}
