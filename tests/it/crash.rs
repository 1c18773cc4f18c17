//! Everything is killed again and again under load; what was acknowledged is there once, and in its order.
//!
//! The oracle: the machine agent prints every message it handles and the sum it keeps. A message counts once it was
//! answered 202, a file once it was answered 200, typed bytes once they are `durable`.

use cloud_tests::Cloud;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use reqwest::{Method, StatusCode};
use serde_json::json;
use wire::{
    agent::{Agent, Status},
    terminal::ServerControl,
};

/// Kills of the whole cloud.
const KILLS: u32 = 25;
const SEED: u64 = 0x0c1a_3d0e;

/// Sends a message until it was acknowledged: with its key it is one message, however often it is sent.
async fn send(cloud: &Cloud, agent: &Agent, number: u64) -> bool {
    let path = format!("/v1/agents/{}/messages", agent.id);
    let request = cloud.request(Method::POST, &path).header("idempotency-key", format!("m{number}"));
    let answer = request.body(format!("m{number}")).send().await;
    answer.is_ok_and(|answer| answer.status() == StatusCode::ACCEPTED)
}

async fn put(cloud: &Cloud, agent: &Agent, number: u64) -> bool {
    let path = format!("/v1/agents/{}/files/f{}", agent.id, number % 5);
    let answer = cloud.request(Method::PUT, &path).body(format!("{number}")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_done_twice() {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut cloud = Cloud::start().await;
    let agent = cloud.spawn(json!({ "image": "machine" })).await;
    let (mut messages, mut files, mut typed) = (0_u64, [None; 5], 0_u64);
    let mut applied = 0;
    for kill in 0..KILLS {
        cloud.wait_for(&agent, |now| now.status == Status::Running).await;
        for _ in 0..random.random_range(0..4) {
            // What is not acknowledged is sent again, under the same key.
            while !send(&cloud, &agent, messages).await {}
            messages += 1;
        }
        if random.random_bool(0.3) {
            let number = u64::from(kill);
            if put(&cloud, &agent, number).await {
                files[usize::try_from(number % 5).unwrap()] = Some(number);
            }
        }
        if random.random_bool(0.4) {
            // A client that keeps its bytes until they are durable; it waits for that or is cut off.
            let mut terminal = cloud.socket(&agent, wire::access::Role::Operator).await;
            let session = format!("typist-{kill}");
            terminal.attach_at(wire::terminal::From::SNAPSHOT, Some(&session)).await;
            terminal.keys("add 1\r").await;
            if random.random_bool(0.5) {
                let durable = terminal.wait_control(|control| match control {
                    ServerControl::InputAck { durable, .. } if *durable == 6 => Some(()),
                    _ => None,
                });
                durable.await;
                typed += 1;
            } else {
                applied += 1;
            }
        }
        if random.random_bool(0.2) {
            let path = format!("/v1/agents/{}/suspend", agent.id);
            cloud.call(Method::POST, &path, &json!(null)).await;
            cloud.wait_for(&agent, |now| now.status == Status::Suspended).await;
            let path = format!("/v1/agents/{}/resume", agent.id);
            cloud.call(Method::POST, &path, &json!(null)).await;
        }
        cloud = cloud.crash().await;
    }
    cloud.wait_for(&agent, |now| now.status == Status::Running).await;
    while !send(&cloud, &agent, messages).await {}
    let mut terminal = cloud.terminal(&agent).await;
    let last = format!("message m{messages}");
    terminal.wait_line(&last).await;
    terminal.run("size").await;
    terminal.run("add 0").await;
    // All that was ever printed is still kept: read from its begin.
    let mut history = cloud.socket(&agent, wire::access::Role::Viewer).await;
    let begin = wire::terminal::From::Position { generation: terminal.position.0, offset: 0 };
    history.attach_at(begin, None).await;
    let printed = |now: &cloud_tests::Terminal| String::from_utf8_lossy(&now.data).into_owned();
    history
        .wait_for("its last answer", |now| {
            let text = printed(now);
            text.split_once(&last).is_some_and(|(_, rest)| rest.contains("size ") && rest.contains("sum "))
        })
        .await;
    let text = printed(&history);
    let handled: Vec<u64> = text
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("message m"))
        .map(|number| number.parse().unwrap())
        .collect();
    let wanted: Vec<u64> = (0..=messages).collect();
    assert_eq!(handled, wanted, "seed {SEED:#x}");
    let sum: u64 =
        text.lines().rev().find_map(|line| line.trim_end().strip_prefix("sum ")).unwrap().parse().unwrap();
    assert!((typed..=typed + applied).contains(&sum), "{sum}, {typed} durable of {}", typed + applied);
    for (number, file) in files.iter().enumerate() {
        if let Some(written) = file {
            let path = format!("/v1/agents/{}/files/f{number}", agent.id);
            let read = cloud.request(Method::GET, &path).send().await.unwrap().text().await.unwrap();
            // A later write that was not acknowledged may have been done.
            assert!(
                read.parse::<u64>().unwrap() >= *written,
                "f{number} holds {read}, {written} was acknowledged"
            );
        }
    }
}
