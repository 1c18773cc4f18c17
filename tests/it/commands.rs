//! Commands: programs that run by `wasi:cli/run` on the terminal, and cannot be suspended.

use cloud_tests::{Cloud, cloud::Setup};
use reqwest::{Method, StatusCode};
use serde_json::json;
use wire::agent::Status;

async fn start() -> Cloud {
    Cloud::with(Setup { images: vec!["filter"], ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_lines_are_answered_until_the_end_of_input() {
    let cloud = start().await;
    let agent = cloud.spawn(json!({ "image": "filter" })).await;
    assert_eq!(agent.status, Status::Running);
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("0 lines so far").await;
    terminal.keys("helo\x7flo\r").await;
    terminal.wait_line("hello").await;
    terminal.wait_line("1 HELLO").await;
    let path = format!("/v1/agents/{}/suspend", agent.id);
    let (status, refused) = cloud.call(Method::POST, &path, &json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    assert!(refused.to_string().contains("wasi:cli/run"), "{refused}");
    terminal.keys("\x04").await;
    terminal.wait("end of input").await;
    let over = cloud.wait_for(&agent, |now| now.status.is_final()).await;
    assert_eq!(over.status, Status::Terminated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_restart_starts_a_command_anew_over_its_files() {
    let cloud = start().await;
    let agent = cloud.spawn(json!({ "image": "filter", "on_drain": "restart" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.run("before").await;
    terminal.wait_line("1 BEFORE").await;
    let cloud = cloud.restart().await;
    cloud.wait_for(&agent, |now| now.status == Status::Running && now.epoch > agent.epoch).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("1 lines so far").await;
    assert!(terminal.screen().contains("1 BEFORE"), "{}", terminal.screen());
    terminal.run("after").await;
    terminal.wait_line("2 AFTER").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_status_than_zero_is_a_failure() {
    let cloud = start().await;
    let agent = cloud.spawn(json!({ "image": "filter" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.run("exit 3").await;
    terminal.wait("exiting with 3").await;
    let over = cloud.wait_for(&agent, |now| now.status.is_final()).await;
    assert_eq!(over.status, Status::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_to_finish_ends_with_its_host() {
    let cloud = start().await;
    let agent = cloud.spawn(json!({ "image": "filter", "on_drain": "finish" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("0 lines so far").await;
    // Told by the end of its input, it ends by itself within its grace, and is not begun anew.
    let cloud = cloud.restart().await;
    let over = cloud.wait_for(&agent, |now| now.status.is_final()).await;
    assert_eq!((over.status, over.epoch), (Status::Terminated, agent.epoch));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_a_command() {
    let cloud = start().await;
    let idle = json!({ "image": "filter", "idle_timeout_seconds": 60 });
    let (status, refused) = cloud.call(Method::POST, "/v1/agents/spawn", &idle).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    assert!(refused.to_string().contains("cannot be suspended"), "{refused}");
    let agent = cloud.spawn(json!({ "image": "filter" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.run("one").await;
    terminal.wait_line("1 ONE").await;
    terminal.keys("\x03").await;
    terminal.wait("^C").await;
    let over = cloud.wait_for(&agent, |now| now.status.is_final()).await;
    assert_eq!(over.status, Status::Terminated);
}
