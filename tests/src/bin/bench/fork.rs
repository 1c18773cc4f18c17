//! Forks of an agent that holds 16 MiB no page of which is like another.

use std::time::{Duration, Instant};

use cloud_tests::Cloud;
use serde_json::{Value, json};
use wire::agent::Agent;

use crate::{
    common::{line, load, post, running},
    parts::{self, Cpu},
    stats::report,
};

const KIB: u32 = 16 * 1024;
const FORKS: usize = 30;
const FRESH: usize = 10;
/// Pages that an agent changes between two of its forks.
const SOME: u32 = 64;

#[derive(Default)]
struct Took {
    answered: Vec<Duration>,
    runs: Vec<Duration>,
    cpu: Vec<Duration>,
}

impl Took {
    /// A fork's time to the answer and to `running`; it is gone when this returns.
    async fn fork(&mut self, cloud: &Cloud, agent: &Agent) {
        let before = Cpu::at_rest().await;
        let begun = Instant::now();
        let body = post(cloud, agent, "forks", json!({})).await;
        let answered = begun.elapsed();
        let fork: Agent = serde_json::from_value(body["results"][0]["agent"].clone()).unwrap();
        running(cloud, &fork).await;
        self.answered.push(answered);
        self.runs.push(begun.elapsed());
        self.cpu.push(Cpu::at_rest().await.since(before).of_hosts());
        let (status, body) = cloud.end(&fork).await;
        assert!(status.is_success(), "{status} {body}");
    }

    fn report(self, what: &str) -> Value {
        json!({
            "answered": report(&format!("fork of 16 MiB to 201, {what}"), self.answered, "p50 10 ms"),
            "running": report("  until the fork runs", self.runs, "p50 10 ms"),
            "host_cpu": report("  CPU of the host", self.cpu, "-"),
        })
    }
}

pub(crate) async fn run() -> Value {
    let cloud = Cloud::with(parts::setup(&["load"], 200)).await;
    let (mut fresh, mut some, mut kept) = (Took::default(), Took::default(), Took::default());
    for number in 0..FRESH {
        let (agent, mut terminal) = load(&cloud, "load", "forked").await;
        // Not even what another one of them stored is shared.
        line(&mut terminal, &format!("fill {KIB} {number}")).await;
        fresh.fork(&cloud, &agent).await;
        for _ in 0..FORKS / FRESH {
            line(&mut terminal, &format!("touch {SOME}")).await;
            some.fork(&cloud, &agent).await;
            kept.fork(&cloud, &agent).await;
        }
    }
    json!({
        "fresh": fresh.report("all of it new"),
        "some_changed": some.report("64 pages of it new"),
        "unchanged": kept.report("unchanged since a checkpoint"),
    })
}
