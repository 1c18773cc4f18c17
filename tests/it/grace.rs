//! Agents that have to go when they do not want to: an event that does not end, and a host that is short of memory.

use std::time::{Duration, Instant};

use cloud_tests::{Cloud, Terminal, cloud::Setup};
use reqwest::StatusCode;
use serde_json::{Value, json};
use wire::agent::{Agent, Status, StatusReason};

/// An agent inside an event that never ends; its last checkpoint is from before.
async fn endless(cloud: &Cloud) -> (Agent, Terminal) {
    let agent = cloud.spawn(json!({ "image": "hostile", "config": { "attack": "loop" } })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait_line("ready").await;
    let (status, body) = cloud.act(&agent, "checkpoints", &Value::Null).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    terminal.keys("x").await;
    // It is in that event when its next one cannot come to rest.
    terminal.wait_for("the key to be taken", |now| now.sent > 0).await;
    (agent, terminal)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspend_waits_its_grace_and_then_goes_back_to_the_last_checkpoint() {
    let cloud = Cloud::with(Setup { images: vec!["hostile"], ..Setup::default() }).await;
    let (agent, terminal) = endless(&cloud).await;
    let generation = terminal.position.0;
    let (status, rests) = cloud.act(&agent, "suspend", &Value::Null).await;
    assert!(status.is_success(), "{rests}");
    assert_eq!(rests["status"], "suspended", "{rests}");
    let said = rests["status_detail"].as_str().unwrap_or_default();
    assert!(said.contains("did not come to rest within 10 s"), "{rests}");
    let (status, body) = cloud.act(&agent, "resume", &Value::Null).await;
    assert!(status.is_success(), "{body}");
    // What was shown after the checkpoint is undone, and clients are told.
    let mut terminal = cloud.terminal(&agent).await;
    assert!(terminal.position.0 > generation, "{:?}", terminal.position);
    terminal.wait_line("ready").await;
    assert_eq!(cloud.agent(&agent).await.status, Status::Running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_waits_its_grace_and_the_agent_goes_on_elsewhere() {
    let mut cloud = Cloud::with(Setup { images: vec!["hostile"], ..Setup::default() }).await;
    let (agent, terminal) = endless(&cloud).await;
    let generation = terminal.position.0;
    cloud.add_host().await;
    cloud.stop_host().await;
    let moved = cloud.wait_for(&agent, |now| now.status == Status::Running && now.epoch > agent.epoch).await;
    assert_ne!(moved.host, agent.host);
    let mut terminal = cloud.terminal(&agent).await;
    assert!(terminal.position.0 > generation, "{:?}", terminal.position);
    terminal.wait_line("ready").await;
}

/// Anonymous memory of this process, bytes.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_memory_is_short_the_longest_idle_go_first() {
    const ROOM: u64 = 400 << 20;
    const FILLED_KIB: u32 = 112 * 1024;
    let limit = Some(anonymous() + ROOM);
    let setup = Setup { images: vec!["load", "machine"], memory_limit: limit, ..Setup::default() };
    let cloud = Cloud::with(setup).await;
    let first = cloud.spawn(json!({ "image": "machine" })).await;
    let limits = json!({ "memory_mib": 160 });
    let mut large = Vec::new();
    for seed in 0..4 {
        let agent = cloud.spawn(json!({ "image": "load", "limits": limits })).await;
        let mut terminal = cloud.terminal(&agent).await;
        terminal.wait_line("load ready").await;
        large.push((agent, terminal, seed));
    }
    for (_, terminal, seed) in &mut large {
        terminal.run(&format!("fill {FILLED_KIB} {seed}")).await;
        terminal.wait_line(&format!("filled {FILLED_KIB}")).await;
    }
    let (last, mut busy, _) = large.pop().unwrap();
    let begun = Instant::now();
    let rests = loop {
        // It is never idle for long.
        busy.run("touch 1").await;
        busy.wait_line("touched 1").await;
        let now = cloud.agent(&first).await;
        if now.status == Status::Suspended {
            break now;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{now:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(rests.status_reason, Some(StatusReason::InsufficientCapacity));
    assert_eq!(cloud.agent(&last).await.status, Status::Running);
    // It had next to nothing: the next one goes too, and what that had is free.
    cloud.wait_for(&large[0].0, |now| now.status == Status::Suspended).await;
    cloud.act(&first, "resume", &Value::Null).await;
    cloud.wait_for(&first, |now| now.status == Status::Running).await;
    let mut terminal = cloud.terminal(&first).await;
    terminal.run("add 5").await;
    terminal.wait_line("sum 5").await;
}
