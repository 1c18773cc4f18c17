//! Suspend and resume, what a checkpoint stores, many suspended agents, and a host that drains.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cloud_tests::{Cloud, cloud::Setup};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wire::agent::{Agent, Status};

use crate::{
    machine::{cpu_time, status_kib},
    stats::report,
};

const WARM_UP: usize = 10;
const CYCLES: usize = 200;
const IDLE: usize = 50;
const SUSPENDED: usize = 2000;
const LISTS: usize = 50;
const LIVE: usize = 2000;
const CLIENTS: usize = 16;
/// Longest wait for a fleet to run elsewhere.
const DRAIN_PATIENCE: Duration = Duration::from_secs(60);

/// A POST about an agent that must be accepted.
pub(crate) async fn post(cloud: &Cloud, agent: &Agent, verb: &str, body: Value) -> Value {
    let path = format!("/v1/agents/{}/{verb}", agent.id);
    let answer =
        cloud.request(Method::POST, &path).header("prefer", "wait=20").json(&body).send().await.unwrap();
    let (status, body) = (answer.status(), answer.json().await.unwrap_or(Value::Null));
    assert!(status.is_success(), "{verb}: {status} {body}");
    body
}

/// Polls until it runs: a long poll would wait for its next change after that.
pub(crate) async fn running(cloud: &Cloud, agent: &Agent) {
    while cloud.agent(agent).await.status != Status::Running {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn become_suspended(cloud: &Cloud, agent: &Agent) {
    post(cloud, agent, "suspend", json!(null)).await;
    assert_eq!(cloud.agent(agent).await.status, Status::Suspended);
}

/// One shell, suspended over and over; a key press wakes it every time.
pub(crate) async fn suspend() -> Value {
    let cloud = Cloud::with(Setup { images: vec!["shell"], ..Setup::default() }).await;
    let agent = cloud.spawn(json!({ "image": "shell" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("$").await;
    let (mut wall, mut cpu, mut wake) = (Vec::new(), Vec::new(), Vec::new());
    for cycle in 0..WARM_UP + CYCLES {
        let (begun, spent) = (Instant::now(), cpu_time());
        post(&cloud, &agent, "suspend", json!(null)).await;
        let (took, spent) = (begun.elapsed(), cpu_time().saturating_sub(spent));
        let before = terminal.position.1;
        let begun = Instant::now();
        terminal.keys(if cycle % 40 == 39 { "\x15" } else { "x" }).await;
        while terminal.position.1 == before {
            assert!(terminal.receive().await, "closed: {:?}", terminal.closed);
        }
        let woke = begun.elapsed();
        running(&cloud, &agent).await;
        if cycle >= WARM_UP {
            wall.push(took);
            cpu.push(spent);
            wake.push(woke);
        }
    }
    json!({
        "wall": report("suspend request to suspended, shell", wall, "-"),
        "cpu": report("CPU of that, API, host and client together", cpu, "p50 2 ms"),
        "wake": report("key press to first output byte of a suspended shell", wake, "p50 5 ms"),
    })
}

/// The first checkpoint of each of some idle shells.
pub(crate) async fn checkpoint() -> Value {
    let cloud = Cloud::with(Setup { images: vec!["shell"], ..Setup::default() }).await;
    let (mut took, mut last) = (Vec::new(), Value::Null);
    for _ in 0..IDLE {
        let agent = cloud.spawn(json!({ "image": "shell" })).await;
        let begun = Instant::now();
        last = post(&cloud, &agent, "checkpoints", json!({})).await;
        took.push(begun.elapsed());
    }
    let (size, unique) = (last["size_bytes"].clone(), last["unique_bytes"].clone());
    println!(
        "checkpoint of the {IDLE}th idle shell: {size} bytes stored, {unique} its own   promised: 65536, 8192"
    );
    json!({
        "took": report("checkpoint request to 201, idle shell", took, "-"),
        "size_bytes": size, "unique_bytes": unique, "promised": "64 KiB, 8 KiB its own",
    })
}

/// Spawns so many shells from several clients.
async fn fleet(cloud: &Arc<Cloud>, count: usize, suspended: bool) -> Vec<Agent> {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let cloud = cloud.clone();
            tokio::spawn(async move {
                let mut agents = Vec::new();
                for _ in 0..count / CLIENTS {
                    let agent = cloud.spawn(json!({ "image": "shell" })).await;
                    if suspended {
                        become_suspended(&cloud, &agent).await;
                    }
                    agents.push(agent);
                }
                agents
            })
        })
        .collect();
    let mut agents = Vec::new();
    for client in clients {
        agents.extend(client.await.unwrap());
    }
    agents
}

async fn lists(cloud: &Cloud) -> Vec<Duration> {
    let mut took = Vec::new();
    for _ in 0..LISTS {
        let begun = Instant::now();
        let (status, body) = cloud.get("/v1/agents?limit=100").await;
        took.push(begun.elapsed());
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    took
}

/// What many suspended agents cost.
pub(crate) async fn parked() -> Value {
    let setup = Setup { max_agents: 400, images: vec!["shell"], ..Setup::default() };
    let cloud = Arc::new(Cloud::with(setup).await);
    fleet(&cloud, 128, true).await;
    let few = lists(&cloud).await;
    let (before, begun) = (status_kib("RssAnon"), Instant::now());
    let agents = fleet(&cloud, SUSPENDED, true).await.len();
    let (after, took) = (status_kib("RssAnon"), begun.elapsed().as_secs_f64());
    println!(
        "{agents} more suspended shells in {took:.1} s: RssAnon {before} KiB before, {after} KiB after   promised: none of it"
    );
    json!({
        "agents": agents, "kib_before": before, "kib_after": after, "seconds": took,
        "list_few": report("list of 100, of 128 suspended", few, "-"),
        "list_many": report("list of 100, with the others suspended too", lists(&cloud).await, "flat"),
    })
}

/// A host with live agents drains to a second one.
pub(crate) async fn drain() -> Value {
    let setup = Setup { max_agents: 2200, images: vec!["shell"], ..Setup::default() };
    let mut cloud = Cloud::with(setup).await;
    let shared = Arc::new(cloud);
    let agents = fleet(&shared, LIVE, false).await;
    cloud = Arc::try_unwrap(shared).unwrap();
    cloud.add_host().await;
    let (begun, spent) = (Instant::now(), cpu_time());
    cloud.stop_host().await;
    let stopped = begun.elapsed().as_secs_f64();
    let mut lost = 0_usize;
    for agent in &agents {
        loop {
            let now = cloud.agent(agent).await;
            if now.status == Status::Running && now.host != agent.host {
                break;
            }
            if begun.elapsed() > DRAIN_PATIENCE {
                lost += 1;
                if lost == 1 {
                    println!("not moved: {:?} {:?} {:?}", now.status, now.status_reason, now.status_detail);
                }
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let running = begun.elapsed().as_secs_f64();
    let cpu = cpu_time().saturating_sub(spent).as_secs_f64();
    println!(
        "drain of {} live shells to a second host: host ended after {stopped:.1} s, all seen running by {running:.1} s, {lost} not, {cpu:.1} s CPU   promised: 2,000 in 20 s",
        agents.len()
    );
    json!({
        "agents": agents.len(), "host_ended_seconds": stopped, "running_seconds": running, "not_running": lost,
        "cpu_seconds": cpu, "promised": "2,000 in 20 s",
    })
}
