//! Hosts that are lost or drain, and agents that go on from their checkpoints.

use std::sync::Arc;

use api::{
    domain::agent::{Expect, Patch},
    store::{Store as _, Written, sqlite::SqliteStore},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tempfile::TempDir;
use wire::{
    AgentId, Incarnation,
    agent::{DesiredStatus, Status},
    host::{Command, Commit, CommitRefusal, RefusalCode, Reply, ReportEvent, ResumeCause, Then},
};

use crate::{
    harness::{Cloud, LONG, agent_id},
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
    let late = Commit { agent, epoch: 1, taken: None, then: Then::Run {}, wake_at: None, undone: false };
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
    for _ in 0..2 {
        host.seen().starts.push_back(refused(RefusalCode::StoreUnavailable));
    }
    let back = cloud.turn(&format!("/v1/agents/{agent}/resume")).await;
    assert_eq!(back.json::<serde_json::Value>().await.unwrap()["status"], "running");
    assert_eq!(host.starts_of(agent).len(), 4);
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

/// Changes a row as a process may have left it that ended right then; its version.
async fn leave(data: &Arc<TempDir>, agent: AgentId, patch: Patch) -> u64 {
    let store = SqliteStore::open(&data.path().join("claw.db")).unwrap();
    let now = Timestamp::now();
    match store.update_agent(agent, Expect::default(), patch, now).await.unwrap() {
        Written::Done(agent) => agent.version,
        other => panic!("{other:?}"),
    }
}

fn overdue() -> Option<Option<Timestamp>> {
    Some(Some(Timestamp::now() - SignedDuration::from_secs(1)))
}

#[tokio::test]
async fn an_agent_that_waits_for_its_turn_is_not_given_up() {
    let (cloud, host) = Cloud::start().await;
    let agent = cloud.suspended().await;
    let data = cloud.stop().await;
    let patch = Patch {
        status: Some(Status::Resuming),
        desired: Some(DesiredStatus::Running),
        deadline: overdue(),
        ..Patch::default()
    };
    let left = leave(&data, agent, patch).await;
    let cloud = Cloud::open(data, |_| {}).await;
    let swept = async {
        loop {
            let now = cloud.agent(agent).await;
            if now["version"].as_u64() > Some(left) {
                return now;
            }
        }
    };
    let swept = tokio::time::timeout(LONG, swept).await.expect("the sweeper does not look at it");
    assert_eq!((&swept["status"], &swept["desired_status"]), (&json!("resuming"), &json!("running")));
    host.register(&cloud).await;
    cloud.agent_once(&agent.to_string(), "running").await;
}

#[tokio::test]
async fn a_suspend_whose_answer_never_comes_ends_at_the_last_checkpoint() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let last = host.commit(agent, 1, Then::Run {}).await;
    let data = cloud.stop().await;
    let patch = Patch {
        status: Some(Status::Suspending),
        desired: Some(DesiredStatus::Suspended),
        deadline: overdue(),
        ..Patch::default()
    };
    leave(&data, agent, patch).await;
    let cloud = Cloud::open(data, |_| {}).await;
    let row = cloud.agent_once(&agent.to_string(), "suspended").await;
    assert_eq!((&row["checkpoint"], row.get("host")), (&json!(last), None));
    host.register_with(&cloud, vec![(agent, 1)]).await;
    cloud.turn(&format!("/v1/agents/{agent}/resume")).await;
    let resume = host.starts_of(agent).remove(1).resume.unwrap();
    assert_eq!(resume.cause, ResumeCause::Rollback);
}

#[tokio::test]
async fn a_suspend_goes_on_when_the_api_comes_back() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let data = cloud.stop().await;
    let patch = Patch {
        status: Some(Status::Suspending),
        desired: Some(DesiredStatus::Suspended),
        ..Patch::default()
    };
    leave(&data, agent, patch).await;
    let cloud = Cloud::open(data, |_| {}).await;
    let registered = host.register_with(&cloud, vec![(agent, 1)]).await;
    assert_eq!(registered.drop, []);
    cloud.agent_once(&agent.to_string(), "suspended").await;
    host.told("it is asked again", |command| matches!(command, Command::Suspend { epoch: 1, .. })).await;
}

#[tokio::test]
async fn many_agents_of_a_lost_host_are_all_back() {
    let (cloud, mut host) = Cloud::start().await;
    let mut agents = Vec::new();
    for _ in 0..80 {
        let agent = agent_id(&cloud.cell().await);
        host.commit(agent, 1, Then::Run {}).await;
        agents.push(agent);
    }
    host.incarnation = Incarnation::new();
    host.register(&cloud).await;
    for agent in agents {
        let back = cloud.agent_once(&agent.to_string(), "running").await;
        assert_eq!(back["epoch"], 2);
    }
}
