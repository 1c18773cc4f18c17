//! Suspend, resume and checkpoint sizes, through the API of a whole cloud; wall time, both sides included.

use std::time::Instant;

use cloud_tests::Cloud;
use reqwest::Method;
use serde_json::{Value, json};
use wire::agent::Agent;

use crate::stats::report;

/// Suspends and resumes that are measured.
const CYCLES: usize = 100;
/// Idle shells whose checkpoints are looked at; what they have alike is stored by then.
const SHELLS: usize = 20;
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
    let suspend = report("suspend of a shell, request to `suspended`", suspends, "2 ms of CPU");
    let resume = report("resume of a shell, request to `running`", resumes, "5 ms to its first byte");
    json!({
        "checkpoint_bytes": last.0, "checkpoint_own_bytes": last.1, "suspend": suspend, "resume": resume })
}
