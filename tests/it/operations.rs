//! Operations, capacity and planned restarts, through the whole cloud.

use std::time::{Duration, Instant};

use cloud_tests::Cloud;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;
use wire::{
    access::Role,
    agent::{Agent, Status, StatusReason},
};

#[tokio::test]
async fn a_sleeping_agent_answers_when_it_wakes() {
    let cloud = Cloud::start().await;
    let agent = cloud.spawn(json!({ "image": "hello" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait_line(">").await;
    let begun = Instant::now();
    terminal.run("good morning").await;
    terminal.wait_line("You said: good morning").await;
    let took = begun.elapsed();
    assert!((Duration::from_millis(500)..Duration::from_secs(3)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_fetch_without_a_grant_is_refused_with_a_reason() {
    let cloud = Cloud::start().await;
    let agent = cloud.spawn(json!({ "image": "hostile", "config": { "attack": "fetch" } })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait_line("ready").await;
    terminal.keys("x").await;
    terminal.wait("refused (RefusalCode::NotGranted):").await;
    assert!(terminal.screen().contains("example.com"), "{}", terminal.screen());
    terminal.keys("y").await;
    terminal.wait_line("alive").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_host_takes_the_next_agent_when_one_goes() {
    const SLOTS: usize = 64;
    let cloud = Cloud::start().await;
    let agents = join_all((0..SLOTS).map(|_| cloud.spawn(json!({ "image": "hello" })))).await;
    let body = json!({ "image": "hello", "name": "the next" });
    let request = cloud.request(Method::POST, "/v1/agents/spawn").header("prefer", "wait=1").json(&body);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let next: Agent = answer.json().await.unwrap();
    assert_eq!(
        (next.status, next.status_reason),
        (Status::Pending, Some(StatusReason::InsufficientCapacity))
    );
    cloud.end(&agents[7]).await;
    cloud.wait_for(&next, |now| now.status == Status::Running).await;
    let mut terminal = cloud.terminal(&next).await;
    terminal.wait("I am the next").await;
    // Nobody else noticed.
    for agent in agents.iter().enumerate().filter(|(index, _)| *index != 7).map(|(_, agent)| agent) {
        assert_eq!(cloud.agent(agent).await.status, Status::Running);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_restart_keeps_everything() {
    let cloud = Cloud::start().await;
    let agent = cloud.spawn(json!({ "image": "hello", "name": "Ada" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.run("before").await;
    terminal.wait_line("You said: before").await;
    let (generation, offset) = terminal.position;
    let path = format!("/v1/agents/{}/files/notes/today.txt", agent.id);
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let written = cloud.request(Method::PUT, &path).body(bytes.clone()).send().await.unwrap();
    assert!(written.status().is_success(), "{written:?}");

    let cloud = cloud.restart().await;
    let again = cloud.wait_for(&agent, |now| now.status == Status::Running).await;
    assert_eq!((again.epoch, again.status_reason), (agent.epoch + 1, None));
    let read = cloud.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(read.status(), StatusCode::OK);
    assert_eq!(read.bytes().await.unwrap(), bytes);

    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait_line("You said: before").await;
    // It did not begin anew.
    assert_eq!(terminal.screen().matches("Hello! I am Ada.").count(), 1, "{}", terminal.screen());
    terminal.run("after").await;
    terminal.wait_line("You said: after").await;
    // Offsets went on, so a client that was there before is brought up to date.
    assert_eq!(terminal.position.0, generation);
    assert!(terminal.position.1 > offset);
    let mut back = cloud.socket(&agent, Role::Viewer).await;
    back.attach_at(wire::terminal::From::Position { generation, offset }, None).await;
    back.wait_line("You said: after").await;
}
