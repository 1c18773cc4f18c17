//! Nothing lost: suspend, resume, fork, restore, crash and move, with real guests through the whole cloud.

use cloud_tests::Cloud;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wire::{
    access::Role,
    agent::{Agent, Status, StatusReason},
    terminal::ServerControl,
};

async fn post(cloud: &Cloud, agent: &Agent, verb: &str, body: Value) -> (StatusCode, Value) {
    cloud.call(Method::POST, &format!("/v1/agents/{}/{verb}", agent.id), &body).await
}

async fn suspend(cloud: &Cloud, agent: &Agent) -> Agent {
    let (status, body) = post(cloud, agent, "suspend", json!(null)).await;
    assert!(status.is_success(), "{status} {body}");
    cloud.wait_for(agent, |now| now.status == Status::Suspended).await
}

async fn resume(cloud: &Cloud, agent: &Agent) -> Agent {
    let (status, body) = post(cloud, agent, "resume", json!(null)).await;
    assert!(status.is_success(), "{status} {body}");
    cloud.wait_for(agent, |now| now.status == Status::Running).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_goes_on_where_it_was() {
    let cloud = Cloud::start().await;
    let agent = cloud.spawn(json!({ "image": "shell" })).await;
    assert!(agent.suspendable);
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("$").await;
    terminal.run("X=41; echo hello > note; cd /work; y() { echo $((X+1)); }").await;
    terminal.run("echo ready").await;
    terminal.wait_line("ready").await;
    drop(terminal);
    let rests = suspend(&cloud, &agent).await;
    assert_eq!(rests.status_reason, Some(StatusReason::UserRequest));
    let back = resume(&cloud, &agent).await;
    assert!(back.epoch > rests.epoch);
    let mut terminal = cloud.terminal(&back).await;
    // The screen is as it was, and so are variables, functions and files.
    terminal.wait_line("ready").await;
    terminal.run("y; cat note").await;
    terminal.wait_line("42").await;
    terminal.wait_line("hello").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_press_wakes_and_a_viewer_does_not() {
    let cloud = Cloud::start().await;
    let agent = cloud.spawn(json!({ "image": "shell" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("$").await;
    terminal.run("X=7; echo marker").await;
    terminal.wait_line("marker").await;
    suspend(&cloud, &agent).await;
    // Its sockets stay: it is parked.
    let status = terminal
        .wait_control(|control| match control {
            ServerControl::Status { status, .. } if *status == Status::Suspended => Some(*status),
            _ => None,
        })
        .await;
    assert_eq!(status, Status::Suspended);
    let mut viewer = cloud.socket(&agent, Role::Viewer).await;
    viewer.attach_at(wire::terminal::From::Snapshot(wire::terminal::SnapshotWord::Snapshot), None).await;
    viewer.wait_line("marker").await;
    assert_eq!(cloud.agent(&agent).await.status, Status::Suspended);
    terminal.run("echo $X again").await;
    terminal.wait_line("7 again").await;
    viewer.wait_line("7 again").await;
    cloud.wait_for(&agent, |now| now.status == Status::Running).await;
}
