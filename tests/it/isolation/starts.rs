//! Attacks inside the start event.

use std::time::{Duration, Instant};

use cloud_tests::Cloud;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wire::agent::{Agent, Status, StatusReason};

use super::{Neighbour, limits};

/// A little less than the status `starting` may last.
const INIT: Duration = Duration::from_secs(30);

async fn spawn(cloud: &Cloud, attack: &str, wait: &str) -> (StatusCode, Value) {
    let body = json!({ "image": "hostile", "config": { "attack": attack }, "limits": limits() });
    let request = cloud.request(Method::POST, "/v1/agents/spawn").header("prefer", wait).json(&body);
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_at_the_start_is_the_agents_own_fault() {
    let cloud = Cloud::start().await;
    let (status, body) = spawn(&cloud, "start-trap", "wait=10").await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let agent: Agent = serde_json::from_value(body).unwrap();
    assert_eq!((agent.status, agent.status_reason), (Status::Failed, Some(StatusReason::GuestTrap)));
    assert!(agent.status_detail.is_some());
    Neighbour::beside(&cloud).await.assert_prompt().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_start_fails_in_time() {
    let cloud = Cloud::start().await;
    let mut neighbour = Neighbour::beside(&cloud).await;
    let (status, body) = spawn(&cloud, "start-loop", "wait=1").await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let agent: Agent = serde_json::from_value(body).unwrap();
    assert_eq!(agent.status, Status::Starting);
    neighbour.assert_prompt().await;
    let ended = cloud.wait_within(INIT, &agent, |now| now.status.is_final()).await;
    assert_eq!((ended.status, ended.status_reason), (Status::Failed, Some(StatusReason::InitTimeout)));
    neighbour.assert_prompt().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_start_can_be_deleted() {
    let cloud = Cloud::start().await;
    let (_, body) = spawn(&cloud, "start-loop", "wait=1").await;
    let agent: Agent = serde_json::from_value(body).unwrap();
    assert_eq!(agent.status, Status::Starting);
    let begun = Instant::now();
    cloud.end(&agent).await;
    cloud.wait_for(&agent, |now| now.status == Status::Terminated).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    Neighbour::beside(&cloud).await.assert_prompt().await;
}
