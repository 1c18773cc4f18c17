//! What hosts keep of agents, when it is removed, and when an agent waits for a host.

use api::store::{Store as _, sqlite::SqliteStore};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wire::{
    Incarnation,
    agent::{Status, StatusReason},
    host::{Command, RefusalCode, Report, ReportEvent},
};

use crate::{
    harness::{Cloud, LONG, agent_id, id},
    host::{FakeHost, cell, image, refused},
};

fn ended(agent: &Value, epoch: u64) -> Report {
    let event = ReportEvent::Ended {
        status: Status::Failed,
        reason: StatusReason::GuestTrap,
        detail: "unreachable".to_owned(),
    };
    Report { agent: agent_id(agent), epoch, event }
}

fn released(agent: &Value) -> Report {
    Report { agent: agent_id(agent), epoch: 1, event: ReportEvent::Released {} }
}

/// Whether a host was told to remove an agent's workspace.
async fn purged(host: &FakeHost, agent: &Value) {
    let purge =
        |c: &Command| matches!(c, Command::Stop { agent: of, purge: true, .. } if *of == agent_id(agent));
    let told = async {
        while !host.seen().commands.iter().any(purge) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, told).await.expect("the workspace was not removed");
}

#[tokio::test]
async fn an_agent_that_ends_leaves_no_workspace_behind() {
    let (cloud, mut host) = Cloud::start().await;
    let (ended_itself, restarted) = (cloud.spawn().await, cloud.spawn().await);
    let answer = cloud.spawn_with(json!({ "image": "shell", "on_drain": "finish" })).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let lost: Value = answer.json().await.unwrap();
    host.report(&cloud, ended(&ended_itself, 1)).await;
    purged(&host, &ended_itself).await;

    host.report(&cloud, released(&restarted)).await;
    host.seen().starts.push_back(refused(RefusalCode::Trap));
    host.incarnation = Incarnation::new();
    host.register(&cloud).await;
    purged(&host, &lost).await;
    let lost = cloud.agent_once(&id(&lost), "failed").await;
    assert_eq!(lost["status_reason"], "host_lost");
    cloud.agent_once(&id(&restarted), "failed").await;
    purged(&host, &restarted).await;
}

#[tokio::test]
async fn an_agent_that_ran_waits_until_a_host_has_its_image() {
    let (cloud, mut host) = Cloud::start().await;
    let agent = cloud.spawn().await;
    host.report(&cloud, released(&agent)).await;
    host.incarnation = Incarnation::new();
    let had = std::mem::take(&mut host.images);
    host.register(&cloud).await;
    let says = async {
        loop {
            let agent = cloud.get(&format!("/v1/agents/{}", id(&agent))).await;
            if agent["status_detail"].as_str().is_some_and(|detail| detail.starts_with("no host")) {
                return agent;
            }
        }
    };
    let waiting = tokio::time::timeout(LONG, says).await.expect("it does not say why it waits");
    assert_eq!(
        (&waiting["status"], &waiting["status_reason"]),
        (&json!("pending"), &json!("insufficient_capacity"))
    );
    assert_eq!(waiting["status_detail"], format!("no host has image {}", image().digest));

    host.images = had;
    host.incarnation = Incarnation::new();
    host.register(&cloud).await;
    let back = cloud.agent_once(&id(&agent), "running").await;
    assert_eq!((&back["host"], back.get("status_detail")), (&json!(host.id.to_string()), None));
}

#[tokio::test]
async fn a_host_that_registers_during_a_start_does_not_answer_for_it() {
    let (cloud, host) = Cloud::start().await;
    host.hold(true);
    host.seen().starts.push_back(refused(RefusalCode::Trap));
    let request = cloud.request(Method::POST, "/v1/agents/spawn").json(&json!({ "image": "shell" }));
    let agent: Value = request.send().await.unwrap().json().await.unwrap();
    let agent = cloud.agent_once(&id(&agent), "starting").await;
    let registered = host.register_with(&cloud, vec![(agent_id(&agent), 1)]).await;
    assert_eq!(registered.drop, []);
    assert_eq!(cloud.get(&format!("/v1/agents/{}", id(&agent))).await["status"], "starting");
    host.hold(false);
    cloud.agent_once(&id(&agent), "failed").await;
}

#[tokio::test]
async fn what_a_dead_host_had_is_settled_even_by_the_next_process() {
    let (cloud, host) = Cloud::start().await;
    let agent = cloud.spawn().await;
    let data = cloud.stop().await;
    {
        // As if the process had ended right after it declared the host dead.
        let store = SqliteStore::open(&data.path().join("claw.db")).unwrap();
        let row = store.hosts().await.unwrap().remove(0);
        assert!(store.bury_host(host.id, row.incarnation, row.seq).await.unwrap());
    }
    let cloud = Cloud::open(data, |_| {}).await;
    let lost = cloud.agent_once(&id(&agent), "pending").await;
    assert_eq!((&lost["status_reason"], lost.get("host")), (&json!("host_lost"), None));
}

#[tokio::test]
async fn agents_that_wait_for_their_image_keep_nobody_from_a_turn() {
    let (cloud, host) = Cloud::start().await;
    // More than are placed at the same time.
    let mut agents = Vec::new();
    for _ in 0..40 {
        agents.push(cloud.spawn().await);
    }
    for agent in &agents {
        host.report(&cloud, released(agent)).await;
    }
    let mut other = FakeHost::start(&cloud).await;
    other.capacity = 0;
    other.images = vec![cell()];
    other.register(&cloud).await;
    let request = cloud.request(Method::POST, "/v1/agents/spawn").json(&json!({ "image": "cell" }));
    let agent: Value = request.send().await.unwrap().json().await.unwrap();
    other.capacity = 1;
    other.register(&cloud).await;
    assert_eq!(cloud.agent_once(&id(&agent), "running").await["host"], other.id.to_string());
}
