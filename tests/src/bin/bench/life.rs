//! Suspend, resume, checkpoint sizes and forks, through the API of a whole cloud; wall time, both sides included.

use std::time::Instant;

use cloud_tests::Cloud;
use reqwest::Method;
use serde_json::{Value, json};
use wire::agent::{Agent, Status};

use crate::stats::report;

/// Suspends and resumes that are measured.
const CYCLES: usize = 100;
/// Idle shells whose checkpoints are looked at; what they have alike is stored by then.
const SHELLS: usize = 20;
/// Forks that are measured, one at a time.
const FORKS: usize = 10;

async fn post(cloud: &Cloud, agent: &Agent, verb: &str, body: Value) -> Value {
    let path = format!("/v1/agents/{}/{verb}", agent.id);
    let request = cloud.request(Method::POST, &path).header("prefer", "wait=20").json(&body);
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{verb}: {}", answer.status());
    answer.json().await.unwrap()
}

async fn newest(cloud: &Cloud, agent: &Agent) -> (u64, u64) {
    let (_, list) = cloud.get(&format!("/v1/agents/{}/checkpoints", agent.id)).await;
    let newest = &list["data"][0];
    (newest["size_bytes"].as_u64().unwrap(), newest["unique_bytes"].as_u64().unwrap())
}

pub(crate) async fn run() -> Value {
    let cloud = Cloud::start().await;
    let mut last = (0, 0);
    for _ in 0..SHELLS {
        let agent = cloud.spawn(json!({ "image": "shell" })).await;
        cloud.terminal(&agent).await.wait("$").await;
        post(&cloud, &agent, "suspend", json!({})).await;
        last = newest(&cloud, &agent).await;
    }
    println!("checkpoint of an idle shell, the {SHELLS}th: {} bytes stored, {} its own", last.0, last.1);
    let agent = cloud.spawn(json!({ "image": "shell" })).await;
    let (mut suspends, mut resumes) = (Vec::new(), Vec::new());
    for _ in 0..CYCLES {
        let begun = Instant::now();
        post(&cloud, &agent, "suspend", json!({})).await;
        suspends.push(begun.elapsed());
        let begun = Instant::now();
        post(&cloud, &agent, "resume", json!({})).await;
        resumes.push(begun.elapsed());
    }
    let puts = cloud.depot().counts().puts;
    let suspend = report("suspend of a shell, request to `suspended`", suspends, "2 ms of CPU");
    let resume = report("resume of a shell, request to `running`", resumes, "5 ms to its first byte");
    let large = cloud.spawn(json!({ "image": "machine" })).await;
    let mut terminal = cloud.terminal(&large).await;
    terminal.run("spill 16384").await;
    terminal.wait("spill").await;
    let mut forks = Vec::new();
    for _ in 0..FORKS {
        let begun = Instant::now();
        let body = post(&cloud, &large, "forks", json!({})).await;
        let fork: Agent = serde_json::from_value(body["results"][0]["agent"].clone()).unwrap();
        cloud.wait_for(&fork, |now| now.status == Status::Running).await;
        forks.push(begun.elapsed());
        cloud.call(Method::DELETE, &format!("/v1/agents/{}", fork.id), &json!(null)).await;
    }
    let fork = report("fork of an agent with 16 MiB written, to `running`", forks, "10 ms");
    println!("objects written: {puts}");
    json!({
        "checkpoint_bytes": last.0, "checkpoint_own_bytes": last.1, "suspend": suspend, "resume": resume, "fork_16_mib": fork })
}
