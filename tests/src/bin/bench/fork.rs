//! Forks of an agent with memory in use. The guest holds 8 MiB of data at most, so that is what is measured.

use std::time::Instant;

use cloud_tests::{Cloud, cloud::Setup};
use serde_json::{Value, json};
use wire::agent::Agent;

use crate::{
    durability::{post, running},
    stats::report,
};

const FORKS: usize = 30;
const FRESH: usize = 10;
const SPILL: &str = "spill 8192";

/// A fork's time to the answer and to `running`.
async fn fork(cloud: &Cloud, agent: &Agent) -> (std::time::Duration, std::time::Duration) {
    let begun = Instant::now();
    let body = post(cloud, agent, "forks", json!({})).await;
    let answered = begun.elapsed();
    let fork: Agent = serde_json::from_value(body["results"][0]["agent"].clone()).unwrap();
    running(cloud, &fork).await;
    (answered, begun.elapsed())
}

pub(crate) async fn run() -> Value {
    let cloud = Cloud::with(Setup { max_agents: 200, images: vec!["machine"], ..Setup::default() }).await;
    let (mut dirty, mut dirty_runs) = (Vec::new(), Vec::new());
    let mut kept = None;
    for _ in 0..FRESH {
        let agent = cloud.spawn(json!({ "image": "machine" })).await;
        let mut terminal = cloud.terminal(&agent).await;
        terminal.wait_line("machine ready").await;
        terminal.run(SPILL).await;
        terminal.wait_line("spilled 8192").await;
        let (answered, runs) = fork(&cloud, &agent).await;
        dirty.push(answered);
        dirty_runs.push(runs);
        kept = Some(agent);
    }
    let agent = kept.unwrap();
    let (mut clean, mut clean_runs) = (Vec::new(), Vec::new());
    for _ in 0..FORKS {
        let (answered, runs) = fork(&cloud, &agent).await;
        clean.push(answered);
        clean_runs.push(runs);
    }
    json!({
        "dirty": report("fork request to 201, 8 MiB just written", dirty, "p50 10 ms at 16 MiB"),
        "dirty_running": report("the same until the fork runs", dirty_runs, "-"),
        "clean": report("fork request to 201, 8 MiB kept before", clean, "p50 10 ms at 16 MiB"),
        "clean_running": report("the same until the fork runs", clean_runs, "-"),
    })
}
