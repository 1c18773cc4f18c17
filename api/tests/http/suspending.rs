//! Suspend and resume, what wakes an agent, and what does not.

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wire::{
    agent::StatusReason,
    checkpoint::CheckpointKind,
    host::{Command, Commit, RefusalCode, Reply, ReportEvent, ResumeCause, Then},
    problem::Code,
};

use crate::{
    harness::{Cloud, agent_id, code, problem},
    host::{cell, refused, taken},
};

#[tokio::test]
async fn an_agent_is_suspended_and_resumed_from_its_checkpoint() {
    let (cloud, host) = Cloud::start().await;
    let agent = cloud.suspended().await;
    let row = cloud.agent(agent).await;
    assert_eq!(
        (&row["desired_status"], &row["status_reason"]),
        (&json!("suspended"), &json!("user_request"))
    );
    assert_eq!((row.get("host"), &row["suspendable"]), (None, &json!(true)));
    let checkpoint = row["checkpoint"].as_str().unwrap().to_owned();
    host.told("it is suspended with a grace", |command| {
        matches!(command, Command::Suspend { grace_ms: 10_000, reason: StatusReason::UserRequest, .. })
    })
    .await;
    // Again there is nothing to do.
    let again = cloud.turn(&format!("/v1/agents/{agent}/suspend")).await;
    assert_eq!(again.status(), StatusCode::OK);

    let back = cloud.turn(&format!("/v1/agents/{agent}/resume")).await;
    assert_eq!(
        (back.status(), &back.headers()["preference-applied"]),
        (StatusCode::ACCEPTED, &"wait".parse().unwrap())
    );
    let back: Value = back.json().await.unwrap();
    assert_eq!(
        (&back["status"], &back["epoch"], &back["desired_status"]),
        (&json!("running"), &json!(2), &json!("running"))
    );
    let start = host.starts_of(agent).remove(1);
    let resume = start.resume.unwrap();
    assert_eq!((resume.checkpoint.id.to_string(), resume.cause), (checkpoint, ResumeCause::Suspend));
    assert_eq!((resume.previous, start.timeline), (None, 1));
    let again = cloud.turn(&format!("/v1/agents/{agent}/resume")).await;
    assert_eq!(again.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_suspend_that_is_refused_says_why_and_the_agent_goes_on() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let path = format!("/v1/agents/{agent}/suspend");
    for (refusal, expected) in [
        (RefusalCode::StoreUnavailable, Code::Unavailable),
        (RefusalCode::NotSuspendable, Code::InvalidState),
        (RefusalCode::Timeout, Code::InvalidState),
    ] {
        host.seen().answers.push_back(refused(refusal));
        let problem = problem(cloud.turn(&path).await).await;
        assert_eq!(problem.code, expected);
        assert!(problem.detail.unwrap().contains("scripted"), "{refusal:?}");
        let row = cloud.agent(agent).await;
        assert_eq!((&row["status"], &row["desired_status"]), (&json!("running"), &json!("running")));
        assert!(row["status_detail"].as_str().unwrap().starts_with("it was not suspended"), "{row}");
    }
    // Without waiting the row says it.
    host.seen().answers.push_back(refused(RefusalCode::StoreUnavailable));
    let answer = cloud.request(Method::POST, &path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    cloud.agent_once(&agent.to_string(), "running").await;
}

#[tokio::test]
async fn clients_see_when_an_event_was_rolled_back() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let last = host.commit(agent, 1, Then::Run {}).await;
    host.seen().answers.push_back(Reply::Suspended { rolled_back: true });
    let row: Value = cloud.turn(&format!("/v1/agents/{agent}/suspend")).await.json().await.unwrap();
    assert_eq!((&row["status"], &row["checkpoint"]), (&json!("suspended"), &json!(last)));
    assert!(row["status_detail"].as_str().unwrap().contains("did not come to rest within 10 s"), "{row}");
    cloud.turn(&format!("/v1/agents/{agent}/resume")).await;
    let resume = host.starts_of(agent).remove(1).resume.unwrap();
    assert_eq!(resume.cause, ResumeCause::Rollback, "its sockets saw what is undone");
    assert_eq!(cloud.agent(agent).await.get("status_detail"), None);
}

#[tokio::test]
async fn a_suspended_agent_is_deleted_like_any_other() {
    let (cloud, host) = Cloud::start().await;
    let (nowhere, parked) = (cloud.suspended().await, agent_id(&cloud.cell().await));
    host.commit(parked, 1, Then::Suspend { reason: StatusReason::IdleTimeout, parked: true }).await;
    for agent in [nowhere, parked] {
        cloud.request(Method::DELETE, &format!("/v1/agents/{agent}")).send().await.unwrap();
        let row = cloud.agent_once(&agent.to_string(), "terminated").await;
        assert_eq!((row.get("checkpoint"), row.get("host")), (None, None));
    }
    host.told(
        "the end of the park",
        |command| matches!(command, Command::Stop { agent, purge: true, .. } if *agent == parked),
    )
    .await;
}

#[tokio::test]
async fn an_agent_that_ends_right_after_it_came_back_ended_by_itself() {
    let (cloud, host) = Cloud::start().await;
    let agent = cloud.suspended().await;
    host.hold(true);
    cloud.request(Method::POST, &format!("/v1/agents/{agent}/resume")).send().await.unwrap();
    host.told(
        "a start",
        |command| matches!(command, Command::Start(start) if start.agent == agent && start.epoch == 2),
    )
    .await;
    let event = ReportEvent::Ended {
        status: wire::agent::Status::Terminated,
        reason: StatusReason::UserRequest,
        detail: "it exited".to_owned(),
    };
    tokio::join!(host.tell(&cloud, agent, 2, event), async { host.hold(false) });
    assert_eq!(cloud.agent(agent).await["status"], "terminated");
}

#[tokio::test]
async fn what_cannot_be_suspended_is_refused_and_ended_agents_too() {
    let (cloud, _host) = Cloud::start().await;
    let fixed = agent_id(&cloud.spawn().await);
    assert_eq!(code(cloud.turn(&format!("/v1/agents/{fixed}/suspend")).await).await, Code::InvalidState);
    let idle = cloud.spawn_with(json!({ "image": "shell", "idle_timeout_seconds": 5 })).await;
    assert_eq!(problem(idle).await.errors[0].pointer, "/idle_timeout_seconds");
    cloud.request(Method::DELETE, &format!("/v1/agents/{fixed}")).send().await.unwrap();
    cloud.agent_once(&fixed.to_string(), "terminated").await;
    for verb in ["suspend", "resume"] {
        let answer = cloud.turn(&format!("/v1/agents/{fixed}/{verb}")).await;
        assert_eq!(code(answer).await, Code::AgentTerminated);
        let stranger = cloud.turn(&format!("/v1/agents/{}/{verb}", wire::AgentId::new())).await;
        assert_eq!(code(stranger).await, Code::NotFound);
    }
    let reader = cloud.token(&["agents:read"]).await;
    let path = format!("/v1/agents/{}/suspend", agent_id(&cloud.cell().await));
    let answer = cloud.plain(Method::POST, &path).bearer_auth(reader).send().await.unwrap();
    assert_eq!(code(answer).await, Code::ScopeMissing);
}

#[tokio::test]
async fn an_idle_agent_is_suspended_by_its_host_and_woken_by_a_key() {
    let (cloud, host) = Cloud::start().await;
    let spec = json!({ "image": "cell", "idle_timeout_seconds": 60, "send_to": ["tenant"] });
    let agent: Value = cloud.spawn_with(spec).await.json().await.unwrap();
    assert_eq!((&agent["idle_timeout_seconds"], &agent["send_to"]), (&json!(60), &json!(["tenant"])));
    let agent = agent_id(&agent);
    let start = host.starts_of(agent).remove(0);
    assert_eq!((start.idle_timeout_seconds, start.send_to.len()), (Some(60), 1));
    host.commit(agent, 1, Then::Suspend { reason: StatusReason::IdleTimeout, parked: true }).await;
    let row = cloud.agent(agent).await;
    assert_eq!((&row["status"], &row["status_reason"]), (&json!("suspended"), &json!("idle_timeout")));
    assert_eq!((&row["desired_status"], &row["host"]), (&json!("running"), &json!(host.id.to_string())));
    // A key press of another placement is nobody's.
    host.tell(&cloud, agent, 7, ReportEvent::Wanted {}).await;
    assert_eq!(cloud.agent(agent).await["status"], "suspended");
    host.tell(&cloud, agent, 1, ReportEvent::Wanted {}).await;
    let back = cloud.agent_once(&agent.to_string(), "running").await;
    assert_eq!((&back["epoch"], &back["host"]), (&json!(2), &json!(host.id.to_string())));
}

#[tokio::test]
async fn the_last_socket_that_goes_leaves_a_suspended_agent_on_no_host() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    host.commit(agent, 1, Then::Suspend { reason: StatusReason::IdleTimeout, parked: true }).await;
    host.tell(&cloud, agent, 1, ReportEvent::Unparked {}).await;
    let row = cloud.agent(agent).await;
    assert_eq!((&row["status"], row.get("host")), (&json!("suspended"), None));
}

#[tokio::test]
async fn a_timer_wakes_an_agent_in_time() {
    let (cloud, host) = Cloud::start().await;
    let (soon, later) = (agent_id(&cloud.cell().await), agent_id(&cloud.cell().await));
    let now = Timestamp::now();
    for (agent, seconds) in [(soon, 0), (later, 3600)] {
        let (taken, pack) = taken(CheckpointKind::Automatic, None, cell().digest);
        let wake_at = now + SignedDuration::from_secs(seconds);
        let then = Then::Suspend { reason: StatusReason::IdleTimeout, parked: false };
        let commit =
            Commit { agent, epoch: 1, taken: Some(taken), then, wake_at: Some(wake_at), undone: false };
        assert_eq!(host.commit_as(commit, vec![pack]).await.refused, []);
    }
    cloud.agent_once(&soon.to_string(), "running").await;
    let row = cloud.agent(later).await;
    assert_eq!((&row["status"], row["wakes_at"].is_string()), (&json!("suspended"), true));
}

#[tokio::test]
async fn a_resume_of_one_that_is_being_suspended_comes_after_it() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let path = format!("/v1/agents/{agent}");
    // The host says that it did, and its commit comes later.
    host.seen().answers.push_back(Reply::Suspended { rolled_back: false });
    cloud.request(Method::POST, &format!("{path}/suspend")).send().await.unwrap();
    cloud.agent_once(&agent.to_string(), "suspending").await;
    let answer = cloud.request(Method::POST, &format!("{path}/resume")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    host.commit(agent, 1, Then::Suspend { reason: StatusReason::UserRequest, parked: false }).await;
    let back = cloud.agent_once(&agent.to_string(), "running").await;
    assert_eq!(back["epoch"], 2);
}
