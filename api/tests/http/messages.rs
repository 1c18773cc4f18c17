//! Messages, webhooks, and what hosts read and send.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use wire::{
    AgentId,
    egress::MAX_BODY_BYTES,
    host::{Command, Then},
    message::{Complete, Delivered, Delivery, MAX_MESSAGE_BYTES, Message, Outcome, Send, Sender},
    problem::Code,
};

use crate::{
    harness::{Cloud, agent_id, code, problem},
    host::FakeHost,
};

async fn send(cloud: &Cloud, agent: AgentId, body: &str, key: Option<&str>) -> Response {
    let request = cloud.request(Method::POST, &format!("/v1/agents/{agent}/messages"));
    let request = request.header("content-type", "text/plain").body(body.to_owned());
    key.into_iter().fold(request, |request, key| request.header("idempotency-key", key)).send().await.unwrap()
}

async fn inbox(cloud: &Cloud, host: &FakeHost, agent: AgentId, epoch: u64, after: u64) -> Vec<Delivery> {
    let answer = host.get(cloud, &format!("agents/{agent}/inbox?epoch={epoch}&after={after}")).await;
    answer.error_for_status().unwrap().json().await.unwrap()
}

fn message(delivery: &Delivery) -> &Message {
    match &delivery.what {
        Delivered::Message { message } => message,
        Delivered::Completion { .. } => panic!("a completion"),
    }
}

fn outcome(delivery: &Delivery) -> &Outcome {
    match &delivery.what {
        Delivered::Completion { outcome, .. } => outcome,
        Delivered::Message { .. } => panic!("a message"),
    }
}

#[tokio::test]
async fn messages_are_delivered_in_order_and_each_key_once() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let first = send(&cloud, agent, "one", Some("k")).await;
    assert_eq!(first.status(), StatusCode::ACCEPTED);
    let first: Value = first.json().await.unwrap();
    let again = send(&cloud, agent, "one", Some("k")).await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    assert_eq!(code(send(&cloud, agent, "other", Some("k")).await).await, Code::IdempotencyKeyReused);
    send(&cloud, agent, "two", None).await;
    let got = inbox(&cloud, &host, agent, 1, 0).await;
    let bodies: Vec<_> = got.iter().map(|delivery| message(delivery).body.as_slice()).collect();
    assert_eq!(bodies, [&b"one"[..], b"two"]);
    assert_eq!(
        (&message(&got[0]).sender, message(&got[0]).content_type.as_str()),
        (&Sender::Api {}, "text/plain")
    );
    assert_eq!(json!(message(&got[0]).id), first["message_id"]);
    assert_eq!(inbox(&cloud, &host, agent, 1, got[0].seq).await.len(), 1);
    host.told("a nudge", |c| matches!(c, Command::Nudge { agent: of, epoch: 1 } if *of == agent)).await;
}

#[tokio::test]
async fn a_message_wakes_a_suspended_agent() {
    let (cloud, host) = Cloud::start().await;
    let agent = cloud.suspended().await;
    send(&cloud, agent, "hello", None).await;
    let back = cloud.agent_once(&agent.to_string(), "running").await;
    assert_eq!((&back["epoch"], &back["desired_status"]), (&json!(2), &json!("running")));
    assert_eq!(inbox(&cloud, &host, agent, 2, 0).await.len(), 1);
}

#[tokio::test]
async fn a_message_that_came_while_an_agent_came_to_rest_wakes_it_too() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    send(&cloud, agent, "hello", None).await;
    host.told("a nudge", |c| matches!(c, Command::Nudge { .. })).await;
    // The checkpoint does not cover it.
    let reason = wire::agent::StatusReason::IdleTimeout;
    host.commit(agent, 1, Then::Suspend { reason, parked: false }).await;
    assert_eq!(cloud.agent_once(&agent.to_string(), "running").await["epoch"], 2);
}

#[tokio::test]
async fn a_message_has_bounds_and_needs_a_right() {
    let (cloud, _host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let large = "m".repeat(MAX_MESSAGE_BYTES + 1);
    assert_eq!(code(send(&cloud, agent, &large, None).await).await, Code::TooLarge);
    let path = format!("/v1/agents/{agent}/messages");
    let long =
        cloud.request(Method::POST, &path).header("content-type", "t".repeat(129)).send().await.unwrap();
    assert_eq!(code(long).await, Code::Validation);
    let reader = cloud.token(&["agents:read"]).await;
    let answer = cloud.plain(Method::POST, &path).bearer_auth(reader).body("m").send().await.unwrap();
    assert_eq!(code(answer).await, Code::ScopeMissing);
    assert_eq!(code(send(&cloud, AgentId::new(), "m", None).await).await, Code::NotFound);
    cloud.request(Method::DELETE, &format!("/v1/agents/{agent}")).send().await.unwrap();
    cloud.agent_once(&agent.to_string(), "terminated").await;
    assert_eq!(code(send(&cloud, agent, "m", None).await).await, Code::AgentTerminated);
}

#[tokio::test]
async fn an_inbox_that_is_full_says_so() {
    let (cloud, _host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let large = "m".repeat(MAX_MESSAGE_BYTES);
    let full = loop {
        let answer = send(&cloud, agent, &large, None).await;
        if answer.status() != StatusCode::ACCEPTED {
            break answer;
        }
    };
    assert_eq!(problem(full).await.code, Code::QuotaExceeded);
}

#[tokio::test]
async fn a_webhook_is_an_address_that_becomes_messages() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let path = format!("/v1/agents/{agent}/hooks");
    let made = cloud.post(&path, json!({ "name": "ci" })).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let made: Value = made.json().await.unwrap();
    let url = made["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&format!("{}/v1/hooks/", cloud.url)), "{url}");
    assert_eq!(problem(cloud.post(&path, json!({ "name": "ci" })).await).await.errors[0].pointer, "/name");
    assert_eq!(code(cloud.post(&path, json!({ "name": "a/b" })).await).await, Code::Validation);
    let listed = cloud.get(&path).await;
    assert_eq!((&listed["data"][0]["name"], listed["data"][0].get("url")), (&json!("ci"), None));

    let call = async |url: &str| {
        cloud.client.post(url).header("content-type", "application/json").body("{}").send().await.unwrap()
    };
    assert_eq!(call(&url).await.status(), StatusCode::ACCEPTED);
    let got = inbox(&cloud, &host, agent, 1, 0).await;
    assert_eq!(message(&got[0]).sender, Sender::Webhook { name: "ci".to_owned() });
    let large = cloud.client.post(&url).body("m".repeat(MAX_MESSAGE_BYTES + 1)).send().await.unwrap();
    assert_eq!(code(large).await, Code::TooLarge);

    let removed = cloud.request(Method::DELETE, &format!("{path}/ci")).send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    let again = cloud.request(Method::DELETE, &format!("{path}/ci")).send().await.unwrap();
    assert_eq!(code(again).await, Code::NotFound);
    // What it was, what it never was and what it cannot be look the same.
    let strange = format!("{}/v1/hooks/{}", cloud.url, "0".repeat(64));
    for url in [&url, &strange, &format!("{}/v1/hooks/x", cloud.url)] {
        let problem = problem(call(url).await).await;
        assert_eq!((problem.code, problem.detail), (Code::NotFound, None));
    }
}

#[tokio::test]
async fn an_inbox_is_for_the_host_that_has_the_agent() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let other = FakeHost::start(&cloud).await;
    other.register(&cloud).await;
    let path = format!("agents/{agent}/inbox?epoch=1&after=0");
    assert_eq!(code(other.get(&cloud, &path).await).await, Code::EpochChanged);
    let stale = host.get(&cloud, &format!("agents/{agent}/inbox?epoch=2&after=0")).await;
    assert_eq!(code(stale).await, Code::EpochChanged);
    let unknown = format!("agents/{}/inbox?epoch=1&after=0", AgentId::new());
    assert_eq!(code(host.get(&cloud, &unknown).await).await, Code::NotFound);
    let token = cloud.request(Method::GET, &format!("/internal/v1/{path}")).send().await.unwrap();
    assert_eq!(code(token).await, Code::Unauthenticated);
}

fn to(recipient: impl ToString, op: u64) -> Send {
    Send {
        epoch: 1,
        timeline: 1,
        op,
        to: recipient.to_string(),
        content_type: "text/plain".to_owned(),
        body: b"hi".to_vec(),
    }
}

#[tokio::test]
async fn agents_send_to_whom_they_may_and_once() {
    let (cloud, host) = Cloud::start().await;
    let (friend, stranger) = (agent_id(&cloud.cell().await), agent_id(&cloud.cell().await));
    let gone = AgentId::new();
    let spec = json!({ "image": "cell", "send_to": [friend, gone] });
    let agent = agent_id(&cloud.spawn_with(spec).await.json().await.unwrap());
    let path = format!("agents/{agent}/send");
    for (send, expected) in [
        (to(friend, 1), None),
        // Again it is the same one.
        (to(friend, 1), None),
        (to(stranger, 2), Some("the agent may not send to that agent")),
        (to(gone, 3), Some("no such agent")),
        (to("nobody", 4), Some("no such agent")),
    ] {
        let op = send.op;
        assert_eq!(host.call(&cloud, &path, &send).await.status(), StatusCode::NO_CONTENT);
        let got = inbox(&cloud, &host, agent, 1, 0).await;
        match (outcome(got.last().unwrap()), expected) {
            (Outcome::Sent { .. }, None) => {}
            (Outcome::Failed { reason, retryable: false, .. }, Some(expected)) => {
                assert_eq!(reason, expected)
            }
            (other, _) => panic!("{op}: {other:?}"),
        }
    }
    assert_eq!(inbox(&cloud, &host, agent, 1, 0).await.len(), 4);
    let got = inbox(&cloud, &host, friend, 1, 0).await;
    assert_eq!(got.len(), 1);
    assert_eq!(message(&got[0]).sender, Sender::Agent { id: agent });
    assert_eq!(inbox(&cloud, &host, stranger, 1, 0).await, []);
    let stale = Send { epoch: 2, ..to(friend, 9) };
    assert_eq!(code(host.call(&cloud, &path, &stale).await).await, Code::EpochChanged);
    let other = FakeHost::start(&cloud).await;
    assert_eq!(code(other.call(&cloud, &path, &to(friend, 9)).await).await, Code::EpochChanged);
}

#[tokio::test]
async fn what_a_checkpoint_holds_leaves_after_the_agent_is_suspended_and_its_result_wakes_it() {
    let (cloud, host) = Cloud::start().await;
    let friend = agent_id(&cloud.cell().await);
    let spec = json!({ "image": "cell", "send_to": ["tenant"] });
    let agent = agent_id(&cloud.spawn_with(spec).await.json().await.unwrap());
    let reason = wire::agent::StatusReason::IdleTimeout;
    host.commit(agent, 1, Then::Suspend { reason, parked: false }).await;
    let sent = host.call(&cloud, &format!("agents/{agent}/send"), &to(friend, 1)).await;
    assert_eq!(sent.status(), StatusCode::NO_CONTENT);
    assert_eq!(inbox(&cloud, &host, friend, 1, 0).await.len(), 1);
    assert_eq!(cloud.agent_once(&agent.to_string(), "running").await["epoch"], 2);
}

#[tokio::test]
async fn an_answer_that_comes_when_its_agent_is_suspended_wakes_it() {
    let (cloud, host) = Cloud::start().await;
    let spec = json!({ "image": "cell", "egress": [{ "host": "api.example.com", "methods": ["POST"] }] });
    let spawned: Value = cloud.spawn_with(spec).await.json().await.unwrap();
    let rule = json!([{ "scheme": "https", "host": "api.example.com", "methods": ["POST"] }]);
    assert_eq!(spawned["egress"], rule);
    let agent = agent_id(&spawned);
    assert_eq!(host.starts_of(agent).remove(0).egress.len(), 1);
    let reason = wire::agent::StatusReason::IdleTimeout;
    host.commit(agent, 1, Then::Suspend { reason, parked: false }).await;
    let path = format!("agents/{agent}/completions");
    let fetched = |body| Outcome::Fetched { status: 200, headers: vec![], body };
    let complete = |outcome| Complete { epoch: 1, timeline: 1, op: 3, outcome };
    let over = complete(fetched(vec![0; MAX_BODY_BYTES + 1]));
    assert_eq!(code(host.call(&cloud, &path, &over).await).await, Code::TooLarge);
    let other_life = Complete { timeline: 2, ..complete(fetched(vec![])) };
    assert_eq!(code(host.call(&cloud, &path, &other_life).await).await, Code::EpochChanged);
    let said = host.call(&cloud, &path, &complete(fetched(b"hi".to_vec()))).await;
    assert_eq!(said.status(), StatusCode::NO_CONTENT);
    assert_eq!(cloud.agent_once(&agent.to_string(), "running").await["epoch"], 2);
    // What is said first counts, and another host may say it.
    let other = FakeHost::start(&cloud).await;
    let unknown = complete(Outcome::Unknown { reason: "lost".to_owned() });
    assert_eq!(other.call(&cloud, &path, &unknown).await.status(), StatusCode::NO_CONTENT);
    let got = inbox(&cloud, &host, agent, 2, 0).await;
    assert_eq!(
        got.iter().map(|got| self::outcome(got).clone()).collect::<Vec<_>>(),
        [fetched(b"hi".to_vec())]
    );
}
