//! The walking skeleton: spawn, type, read, end.

use cloud_tests::Cloud;
use reqwest::StatusCode;
use serde_json::json;
use wire::agent::Status;

#[tokio::test]
async fn a_spawned_agent_greets_and_answers() {
    let cloud = Cloud::start().await;
    let agent = cloud.spawn(json!({ "image": "hello", "name": "first" })).await;
    assert_eq!((agent.status, agent.epoch, agent.name.as_str()), (Status::Running, 1, "first"));
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("first").await;
    let (status, _) = cloud.end(&agent).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(terminal.wait_close().await, 1000);
    cloud.wait_for(&agent, |now| now.status == Status::Terminated).await;
}
