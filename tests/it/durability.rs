//! Nothing lost: suspend, resume, fork, restore, crash and move, with real guests through the whole cloud.

use cloud_tests::Cloud;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wire::{
    access::Role,
    agent::{Agent, Status, StatusReason},
    terminal::ServerControl,
};

async fn suspend(cloud: &Cloud, agent: &Agent) -> Agent {
    let (status, body) = cloud.act(agent, "suspend", &json!(null)).await;
    assert!(status.is_success(), "{status} {body}");
    cloud.wait_for(agent, |now| now.status == Status::Suspended).await
}

async fn resume(cloud: &Cloud, agent: &Agent) -> Agent {
    let (status, body) = cloud.act(agent, "resume", &json!(null)).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_brings_it_back() {
    let cloud = Cloud::start().await;
    let agent = cloud.spawn(json!({ "image": "shell" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("$").await;
    terminal.run("X=5; sleep 3; echo woke $X").await;
    let rests = suspend(&cloud, &agent).await;
    assert!(rests.wakes_at.is_some());
    terminal.wait_line("woke 5").await;
    cloud.wait_for(&agent, |now| now.status == Status::Running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_agent_suspends_itself_and_a_message_wakes_it() {
    let cloud = Cloud::start().await;
    let agent = cloud.spawn(json!({ "image": "machine", "idle_timeout_seconds": 1 })).await;
    let rests = cloud.wait_for(&agent, |now| now.status == Status::Suspended).await;
    assert_eq!((rests.status_reason, rests.host), (Some(StatusReason::IdleTimeout), None));
    let path = format!("/v1/agents/{}/messages", agent.id);
    let send = || cloud.request(Method::POST, &path).header("idempotency-key", "one").body("add 5\n");
    let sent = send().send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::ACCEPTED);
    let first: Value = sent.json().await.unwrap();
    let again: Value = send().send().await.unwrap().json().await.unwrap();
    assert_eq!(first["message_id"], again["message_id"]);
    // It is suspended again soon; a viewer sees what it did.
    cloud.wait_for(&agent, |now| now.epoch > rests.epoch).await;
    let mut viewer = cloud.socket(&agent, Role::Viewer).await;
    viewer.attach_at(wire::terminal::From::SNAPSHOT, None).await;
    viewer.wait_line("message add 5?").await;
    assert_eq!(viewer.screen().matches("message add 5?").count(), 1, "{}", viewer.screen());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forks_go_on_from_now_and_the_parent_is_not_disturbed() {
    let cloud = Cloud::start().await;
    let agent = cloud.spawn(json!({ "image": "shell" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("$").await;
    terminal.run("X=40; echo parent > f; echo ready").await;
    terminal.wait_line("ready").await;
    let (status, body) = cloud.act(&agent, "forks", &json!({ "count": 3 })).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    for result in body["results"].as_array().unwrap() {
        assert_eq!(result["result"], "agent", "{result}");
        let fork: Agent = serde_json::from_value(result["agent"].clone()).unwrap();
        assert_eq!(fork.parent.unwrap().agent, agent.id);
        let fork = cloud.wait_for(&fork, |now| now.status == Status::Running).await;
        let mut child = cloud.terminal(&fork).await;
        child.wait_line("ready").await;
        child.run("X=$((X+2)); echo child $X; cat f; echo child > f").await;
        child.wait_line("child 42").await;
        child.wait_line("parent").await;
    }
    terminal.run("echo still $X; cat f").await;
    terminal.wait_line("still 40").await;
    terminal.wait_line("parent").await;
    let (status, body) = cloud.act(&agent, "forks", &json!({ "limits": { "memory_mib": 1000 } })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_goes_back() {
    let cloud = Cloud::start().await;
    let agent = cloud.spawn(json!({ "image": "shell" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("$").await;
    terminal.run("X=1; echo one > f; echo then").await;
    terminal.wait_line("then").await;
    let (status, body) = cloud.act(&agent, "checkpoints", &json!({ "note": "before" })).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let checkpoint = body["id"].clone();
    terminal.run("X=2; echo two > f; rm -f f; echo later").await;
    terminal.wait_line("later").await;
    let (status, body) = cloud.act(&agent, "restore", &json!({ "checkpoint": checkpoint })).await;
    assert!(status.is_success(), "{status} {body}");
    cloud.wait_for(&agent, |now| now.status == Status::Running && now.epoch > agent.epoch).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait_line("then").await;
    assert!(!terminal.screen().contains("later"), "{}", terminal.screen());
    terminal.run("echo x=$X; cat f").await;
    terminal.wait_line("x=1").await;
    terminal.wait_line("one").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_everything_brings_agents_back() {
    let cloud = Cloud::start().await;
    let agent = cloud.spawn(json!({ "image": "shell" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("$").await;
    terminal.run("X=9; echo kept > f; echo ready").await;
    terminal.wait_line("ready").await;
    // By itself, within seconds.
    cloud.wait_for(&agent, |now| now.checkpoint.is_some()).await;
    drop(terminal);
    let cloud = cloud.crash().await;
    let back = cloud.wait_for(&agent, |now| now.status == Status::Running).await;
    assert!(back.epoch > agent.epoch);
    let mut terminal = cloud.terminal(&agent).await;
    terminal.run("echo $X; cat f").await;
    terminal.wait_line("9").await;
    terminal.wait_line("kept").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_moves_agents_and_terminals_go_on() {
    let mut cloud = Cloud::start().await;
    let agent = cloud.spawn(json!({ "image": "shell" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("$").await;
    terminal.run("X=3; echo before").await;
    terminal.wait_line("before").await;
    let position = terminal.position;
    cloud.add_host().await;
    cloud.stop_host().await;
    let moved = cloud.wait_for(&agent, |now| now.status == Status::Running && now.epoch > agent.epoch).await;
    assert_ne!(moved.host, agent.host);
    // Where it was: nothing repeated, nothing lost.
    let mut back = cloud.socket(&agent, Role::Operator).await;
    let (generation, offset) = position;
    back.attach_at(wire::terminal::From::Position { generation, offset }, Some("other")).await;
    back.run("echo after $X").await;
    back.wait_line("after 3").await;
    assert_eq!(back.position.0, generation);
    assert!(!back.screen().contains("before"), "{}", back.screen());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_an_agent_leaves_once_and_arrives() {
    let cloud = Cloud::start().await;
    let friend = cloud.spawn(json!({ "image": "machine" })).await;
    let body = json!({ "image": "hostile", "config": { "attack": "send", "to": friend.id }, "send_to": [friend.id] });
    let agent = cloud.spawn(body).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait_line("ready").await;
    terminal.keys("x").await;
    terminal.wait("sent msg_").await;
    let mut theirs = cloud.terminal(&friend).await;
    theirs.wait_line("message add 7?").await;
}
