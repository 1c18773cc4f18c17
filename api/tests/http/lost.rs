//! Hosts that are lost or drain, and agents that go on from their checkpoints.

use serde_json::json;
use wire::{
    Incarnation,
    host::{Command, Commit, CommitRefusal, RefusalCode, Reply, ReportEvent, ResumeCause, Then},
};

use crate::{
    harness::{Cloud, agent_id},
    host::{FakeHost, refused},
};

#[tokio::test]
async fn a_lost_host_loses_nothing_that_was_committed() {
    let (cloud, mut host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let first = host.commit(agent, 1, Then::Run {}).await;
    let second = host.commit(agent, 1, Then::Run {}).await;
    let other = FakeHost::start(&cloud).await;
    other.register(&cloud).await;
    host.incarnation = Incarnation::new();
    host.register(&cloud).await;
    let back = cloud.agent_once(&agent.to_string(), "running").await;
    assert_eq!((&back["epoch"], back.get("status_reason")), (&json!(2), None));
    let mut starts = host.starts_of(agent);
    starts.extend(other.starts_of(agent));
    let resume = starts[1].resume.clone().unwrap();
    assert_eq!((resume.checkpoint.id, resume.cause), (second, ResumeCause::Rollback));
    assert_eq!(resume.previous.map(|at| at.id), Some(first));
    // The placement that is over commits nothing any more.
    let late = Commit { agent, epoch: 1, taken: None, then: Then::Run {}, wake_at: None };
    assert_eq!(host.commit_as(late, Vec::new()).await.refused[0].why, CommitRefusal::Stale {});
}

#[tokio::test]
async fn an_agent_that_waits_after_a_loss_says_so_and_can_be_read() {
    let (cloud, mut host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    host.commit(agent, 1, Then::Run {}).await;
    host.incarnation = Incarnation::new();
    host.capacity = 0;
    host.register(&cloud).await;
    let row = cloud.agent_once(&agent.to_string(), "resuming").await;
    assert!(
        ["host_lost", "insufficient_capacity"].contains(&row["status_reason"].as_str().unwrap()),
        "{row}"
    );
    assert!(row["status_detail"].as_str().unwrap().contains("was lost"), "{row}");
    // Its owner may have it suspended instead.
    let answer = cloud.turn(&format!("/v1/agents/{agent}/suspend")).await;
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["status"], "suspended");
    host.capacity = 10;
    host.register(&cloud).await;
    assert_eq!(cloud.agent(agent).await["status"], "suspended");
    cloud.turn(&format!("/v1/agents/{agent}/resume")).await;
    let resume = host.starts_of(agent).remove(1).resume.unwrap();
    assert_eq!(resume.cause, ResumeCause::Rollback, "what came after the checkpoint is undone");
}

#[tokio::test]
async fn a_suspended_agent_only_loses_the_host_that_showed_its_screen() {
    let (cloud, mut host) = Cloud::start().await;
    let parked = agent_id(&cloud.cell().await);
    let kept = agent_id(&cloud.cell().await);
    for agent in [parked, kept] {
        let then = Then::Suspend { reason: wire::agent::StatusReason::IdleTimeout, parked: true };
        host.commit(agent, 1, then).await;
    }
    host.incarnation = Incarnation::new();
    let registered = host.register_parked(&cloud, Vec::new(), vec![(kept, 1)]).await;
    assert_eq!(registered.drop, []);
    let row = cloud.agent(parked).await;
    assert_eq!((&row["status"], row.get("host")), (&json!("suspended"), None));
    assert_eq!(cloud.agent(kept).await["host"], host.id.to_string());
    let registered = host.register_parked(&cloud, Vec::new(), vec![(parked, 1), (kept, 1)]).await;
    assert_eq!(registered.drop, [parked], "nobody is sent there any more");
}

#[tokio::test]
async fn a_drain_moves_an_agent_at_once() {
    let (cloud, host) = Cloud::start().await;
    let other = FakeHost::start(&cloud).await;
    let agent = agent_id(&cloud.cell().await);
    other.register(&cloud).await;
    let checkpoint = host.commit(agent, 1, Then::Release {}).await;
    let there = cloud.agent_once(&agent.to_string(), "running").await;
    assert_eq!((&there["host"], &there["epoch"]), (&json!(other.id.to_string()), &json!(2)));
    let resume = other.starts_of(agent).remove(0).resume.unwrap();
    assert_eq!((resume.checkpoint.id, resume.cause), (checkpoint, ResumeCause::Migrate));
    // What drains gets nothing new.
    assert_eq!(cloud.spawn().await["host"], other.id.to_string());
}

#[tokio::test]
async fn an_agent_that_did_not_come_to_rest_is_rolled_back_elsewhere() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    host.commit(agent, 1, Then::Run {}).await;
    let other = FakeHost::start(&cloud).await;
    other.register(&cloud).await;
    host.tell(&cloud, agent, 1, ReportEvent::Released {}).await;
    cloud.agent_once(&agent.to_string(), "running").await;
    let resume = other.starts_of(agent).remove(0).resume.unwrap();
    assert_eq!(resume.cause, ResumeCause::Rollback);
}

#[tokio::test]
async fn a_damaged_checkpoint_is_said_and_the_one_before_is_used() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let first = host.commit(agent, 1, Then::Run {}).await;
    host.commit(agent, 1, Then::Suspend { reason: wire::agent::StatusReason::IdleTimeout, parked: false })
        .await;
    let problem = Some("its hash is another".to_owned());
    host.seen().starts.push_back(Reply::Started { checkpoint: Some(first), problem });
    cloud.turn(&format!("/v1/agents/{agent}/resume")).await;
    let row = cloud.agent(agent).await;
    assert_eq!((&row["status"], &row["checkpoint"]), (&json!("running"), &json!(first.to_string())));
    assert!(row["status_detail"].as_str().unwrap().contains("its hash is another"), "{row}");
}

#[tokio::test]
async fn checkpoints_that_cannot_be_read_at_all_are_the_end_and_no_loop() {
    let (cloud, host) = Cloud::start().await;
    let agent = cloud.suspended().await;
    host.seen().starts.push_back(refused(RefusalCode::BadCheckpoint));
    cloud.turn(&format!("/v1/agents/{agent}/resume")).await;
    let row = cloud.agent_once(&agent.to_string(), "failed").await;
    assert!(row["status_detail"].as_str().unwrap().contains("scripted BadCheckpoint"), "{row}");
    assert_eq!(host.starts_of(agent).len(), 2);
}

#[tokio::test]
async fn an_object_store_that_is_away_is_waited_for() {
    let (cloud, host) = Cloud::start().await;
    let agent = cloud.suspended().await;
    for _ in 0..4 {
        host.seen().starts.push_back(refused(RefusalCode::StoreUnavailable));
    }
    let back = cloud.turn(&format!("/v1/agents/{agent}/resume")).await;
    assert_eq!(back.json::<serde_json::Value>().await.unwrap()["status"], "running");
    assert_eq!(host.starts_of(agent).len(), 6);
}

#[tokio::test]
async fn a_resume_elsewhere_sends_the_sockets_of_the_park_away() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let then = Then::Suspend { reason: wire::agent::StatusReason::IdleTimeout, parked: true };
    host.commit(agent, 1, then).await;
    let other = FakeHost::start(&cloud).await;
    other.register(&cloud).await;
    host.seen().starts.push_back(refused(RefusalCode::Full));
    let back = cloud.turn(&format!("/v1/agents/{agent}/resume")).await;
    assert_eq!(back.json::<serde_json::Value>().await.unwrap()["host"], other.id.to_string());
    host.told("an unpark", |command| matches!(command, Command::Unpark { agent: of, .. } if *of == agent))
        .await;
}
