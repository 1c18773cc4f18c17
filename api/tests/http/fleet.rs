//! What hosts tell, and what becomes of agents when they stop telling.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use wire::{
    AgentId, Incarnation,
    agent::{Status, StatusReason},
    host::{Command, Lease, Redeem, Redeemed, Report, ReportEvent, Then},
    problem::Code,
};

use crate::{
    harness::{Cloud, agent_id, code, id},
    host::FakeHost,
};

fn ended(agent: &Value, epoch: u64) -> Report {
    let event = ReportEvent::Ended {
        status: Status::Failed,
        reason: StatusReason::GuestTrap,
        detail: "unreachable".to_owned(),
    };
    Report { agent: agent_id(agent), epoch, event }
}

#[tokio::test]
async fn operators_see_hosts_and_everybody_sees_images() {
    let (cloud, host) = Cloud::start().await;
    assert_eq!(host.beat(&cloud, 1).await, Lease::Renewed);
    let hosts = cloud.get("/v1/hosts").await;
    assert_eq!(hosts["data"][0]["id"], host.id.to_string());
    assert_eq!((&hosts["data"][0]["state"], &hosts["data"][0]["memory_mib"]), (&json!("active"), &json!(1)));
    assert!(hosts["data"][0]["lease_age_seconds"].as_f64().unwrap() < 10.0);
    let images = cloud.get("/v1/images").await;
    let images = images["data"].as_array().unwrap();
    let digest = images.iter().find(|image| image["name"] == "shell").unwrap()["digest"].as_str().unwrap();
    assert_eq!(cloud.get(&format!("/v1/images/{digest}")).await, cloud.get("/v1/images/shell").await);
}

#[tokio::test]
async fn only_a_host_can_speak_for_itself() {
    let (cloud, host) = Cloud::start().await;
    let other = FakeHost::start(&cloud).await;
    let beat = json!({ "incarnation": host.incarnation, "seq": 9, "agents": 0, "memory_bytes": 0, "draining": false });
    let forged = other.call(&cloud, &format!("hosts/{}/heartbeat", host.id), &beat).await;
    assert_eq!(code(forged).await, Code::ScopeMissing);
    let path = format!("/internal/v1/hosts/{}/heartbeat", host.id);
    let token = cloud.request(Method::POST, &path).json(&beat).send().await.unwrap();
    assert_eq!(code(token).await, Code::Unauthenticated);
}

#[tokio::test]
async fn leases_are_renewed_fenced_or_unknown() {
    let (cloud, mut host) = Cloud::start().await;
    assert_eq!(host.beat(&cloud, 1).await, Lease::Renewed);
    host.incarnation = Incarnation::new();
    assert_eq!(host.beat(&cloud, 2).await, Lease::Fenced);
    let stranger = FakeHost::start(&cloud).await;
    assert_eq!(stranger.beat(&cloud, 1).await, Lease::Unknown);
}

#[tokio::test]
async fn a_report_of_an_end_is_applied_once_and_only_for_its_epoch() {
    let (cloud, host) = Cloud::start().await;
    let agent = cloud.spawn().await;
    host.report(&cloud, ended(&agent, 7)).await;
    assert_eq!(cloud.get(&format!("/v1/agents/{}", id(&agent))).await["status"], "running");
    let other = FakeHost::start(&cloud).await;
    other.report(&cloud, ended(&agent, 1)).await;
    assert_eq!(cloud.get(&format!("/v1/agents/{}", id(&agent))).await["status"], "running");
    host.report(&cloud, ended(&agent, 1)).await;
    let after = cloud.get(&format!("/v1/agents/{}", id(&agent))).await;
    assert_eq!((&after["status"], &after["status_reason"]), (&json!("failed"), &json!("guest_trap")));
    assert_eq!(after["status_detail"], "unreachable");
    host.report(&cloud, ended(&agent, 1)).await;
    assert_eq!(cloud.get(&format!("/v1/agents/{}", id(&agent))).await["version"], after["version"]);
}

#[tokio::test]
async fn an_end_that_overtakes_the_record_of_its_start_is_not_lost() {
    let (cloud, host) = Cloud::start().await;
    host.hold(true);
    let request = cloud.request(Method::POST, "/v1/agents/spawn").json(&json!({ "image": "shell" }));
    let agent: Value = request.send().await.unwrap().json().await.unwrap();
    cloud.agent_once(&id(&agent), "starting").await;
    tokio::join!(host.report(&cloud, ended(&agent, 1)), async { host.hold(false) });
    let after = cloud.get(&format!("/v1/agents/{}", id(&agent))).await;
    assert_eq!((&after["status"], &after["status_reason"]), (&json!("failed"), &json!("guest_trap")));
    assert!(after["started_at"].is_string(), "it did run");
}

#[tokio::test]
async fn a_planned_stop_of_everything_brings_agents_back_with_their_workspace() {
    let (cloud, mut host) = Cloud::start().await;
    let agent = cloud.spawn().await;
    let released = |epoch| Report { agent: agent_id(&agent), epoch, event: ReportEvent::Released {} };
    host.report(&cloud, released(1)).await;
    let waiting = cloud.get(&format!("/v1/agents/{}", id(&agent))).await;
    assert_eq!((&waiting["status"], &waiting["status_reason"]), (&json!("pending"), &json!("host_drain")));
    assert_eq!(waiting.get("host"), None);

    // Across a restart of the API, for as long as no host is there.
    let data = cloud.stop().await;
    let cloud = Cloud::open(data, |_| {}).await;
    host.incarnation = Incarnation::new();
    host.register(&cloud).await;
    let back = cloud.agent_once(&id(&agent), "running").await;
    assert_eq!((&back["epoch"], back.get("status_reason")), (&json!(2), None));
    let starts: Vec<_> = host
        .seen()
        .commands
        .iter()
        .filter_map(|c| if let Command::Start(start) = c { Some((start.epoch, start.restart)) } else { None })
        .collect();
    assert_eq!(starts, [(1, false), (2, true)]);
}

#[tokio::test]
async fn what_a_host_gave_up_goes_on_elsewhere() {
    let (cloud, host) = Cloud::start().await;
    let (agent, deleted) = (cloud.spawn().await, cloud.spawn().await);
    for one in [&agent, &deleted] {
        let released = Report { agent: agent_id(one), epoch: 1, event: ReportEvent::Released {} };
        host.report(&cloud, released.clone()).await;
        // Said again, as a host does whose answer was lost: the row is as it was.
        let before = cloud.get(&format!("/v1/agents/{}", id(one))).await;
        host.report(&cloud, released).await;
        assert_eq!(cloud.get(&format!("/v1/agents/{}", id(one))).await["version"], before["version"]);
    }
    let path = format!("/v1/agents/{}", id(&deleted));
    cloud.request(Method::DELETE, &path).send().await.unwrap();
    cloud.agent_once(&id(&deleted), "terminated").await;
    host.told(
        "the workspace was not removed",
        |c: &Command| matches!(c, Command::Stop { agent, purge: true, .. } if *agent == agent_id(&deleted)),
    )
    .await;

    let other = FakeHost::start(&cloud).await;
    other.register(&cloud).await;
    let back = cloud.agent_once(&id(&agent), "running").await;
    assert_eq!((&back["host"], &back["epoch"]), (&json!(other.id.to_string()), &json!(2)));
}

#[tokio::test]
async fn agents_outlive_a_host_that_falls_silent() {
    let cloud = Cloud::bare(|config| config.lease = Duration::from_millis(300)).await;
    let host = FakeHost::start(&cloud).await;
    host.register(&cloud).await;
    let agent = cloud.spawn().await;
    let lost = cloud.agent_once(&id(&agent), "pending").await;
    assert_eq!(lost["status_reason"], "host_lost");
    assert_eq!(cloud.get("/v1/hosts").await["data"][0]["state"], "dead");
    assert_eq!(host.beat(&cloud, 1).await, Lease::Fenced);
}

#[tokio::test]
async fn a_host_that_comes_back_without_its_agents_begins_them_anew() {
    let (cloud, mut host) = Cloud::start().await;
    let (gone, kept) = (cloud.spawn().await, cloud.spawn().await);
    let stranger = AgentId::new();
    host.incarnation = Incarnation::new();
    let registered = host.register_with(&cloud, vec![(agent_id(&kept), 1), (stranger, 4)]).await;
    assert_eq!(registered.drop, [stranger], "what is nobody's is to be ended");
    let gone = cloud.agent_once(&id(&gone), "running").await;
    assert_eq!(gone["epoch"], 2);
    let starts = host.starts_of(agent_id(&gone));
    assert_eq!((starts[1].restart, &starts[1].resume), (true, &None));
    let kept = cloud.get(&format!("/v1/agents/{}", id(&kept))).await;
    assert_eq!((&kept["status"], &kept["epoch"]), (&json!("running"), &json!(1)));
}

#[tokio::test]
async fn an_api_that_restarts_believes_its_hosts_until_a_lease_has_passed() {
    let (cloud, host) = Cloud::start().await;
    let agent = cloud.spawn().await;
    let data = cloud.stop().await;
    let cloud = Cloud::open(data, |_| {}).await;
    assert_eq!(cloud.get(&format!("/v1/agents/{}", id(&agent))).await["status"], "running");
    assert_eq!(host.beat(&cloud, 1).await, Lease::Unknown, "it is to say what it has");
    host.register_with(&cloud, vec![(agent_id(&agent), 1)]).await;
    assert_eq!(host.beat(&cloud, 2).await, Lease::Renewed);
    assert_eq!(cloud.get(&format!("/v1/agents/{}", id(&agent))).await["status"], "running");
    // A spawn before any host has registered anew waits for it instead of being refused.
    let more = cloud.spawn().await;
    assert_eq!(more["host"], host.id.to_string());
}

#[tokio::test]
async fn a_ticket_given_to_a_host_is_redeemed_once_by_the_right_one() {
    let cloud = Cloud::bare(|config| config.direct_hosts = true).await;
    let host = FakeHost::start(&cloud).await;
    host.register(&cloud).await;
    let agent = cloud.spawn().await;
    let ticket = agent["ticket"]["ticket"].as_str().unwrap().to_owned();
    let url = agent["ticket"]["url"].as_str().unwrap();
    assert!(
        url.ends_with(&format!("/wire/v1/agents/{}/socket", id(&agent))) && !url.starts_with(&cloud.url),
        "{url}"
    );
    let other = FakeHost::start(&cloud).await;
    let from = |host: &FakeHost, origin: Option<&str>| Redeem {
        ticket: ticket.clone(),
        host: host.id,
        origin: origin.map(str::to_owned),
    };
    let redeem = |host: &FakeHost| from(host, Some(&cloud.url));
    let slash = format!("{}/", cloud.url);
    for origin in [Some("https://example.com"), Some("null"), Some(""), Some(slash.as_str()), None] {
        let answer = host.call(&cloud, "tickets/redeem", &from(&host, origin)).await;
        assert_eq!(code(answer).await, Code::OriginDenied, "{origin:?}");
    }
    assert_eq!(code(other.call(&cloud, "tickets/redeem", &redeem(&other)).await).await, Code::EpochChanged);
    let redeemed: Redeemed = host.call(&cloud, "tickets/redeem", &redeem(&host)).await.json().await.unwrap();
    assert_eq!((redeemed.agent, redeemed.epoch), (agent_id(&agent), 1));
    assert_eq!(code(host.call(&cloud, "tickets/redeem", &redeem(&host)).await).await, Code::Unauthenticated);
}

#[tokio::test]
async fn a_ticket_that_wakes_does_so_at_a_host_that_is_reached_directly() {
    let cloud = Cloud::bare(|config| config.direct_hosts = true).await;
    let host = FakeHost::start(&cloud).await;
    host.register(&cloud).await;
    let agent = agent_id(&cloud.cell().await);
    let reason = StatusReason::IdleTimeout;
    host.commit(agent, 1, Then::Suspend { reason, parked: true }).await;
    for (wake, status) in [(false, "suspended"), (true, "running")] {
        let made = cloud.post(&format!("/v1/agents/{agent}/tickets"), json!({ "wake": wake })).await;
        let ticket: Value = made.json().await.unwrap();
        let ticket = ticket["ticket"].as_str().unwrap().to_owned();
        let redeem = Redeem { ticket, host: host.id, origin: Some(cloud.url.clone()) };
        let redeemed = host.call(&cloud, "tickets/redeem", &redeem).await;
        assert_eq!(redeemed.json::<Redeemed>().await.unwrap().epoch, 1);
        cloud.agent_once(&agent.to_string(), status).await;
    }
}
