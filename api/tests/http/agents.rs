//! Spawning, reading, listing and deleting.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wire::{
    host::{Command, RefusalCode, Reply},
    problem::Code,
};

use crate::{
    harness::{Cloud, code, id, problem},
    host::{FakeHost, image, refused},
};

#[tokio::test]
async fn a_spawn_that_waits_answers_a_running_agent_and_a_ticket() {
    let (cloud, host) = Cloud::start().await;
    let body = json!({
        "image": "shell", "name": "mine", "config": { "a": [1] }, "env": { "A": "b" },
        "limits": { "memory_mib": 32 }, "metadata": { "team": "blue" }, "max_lifetime_seconds": 60,
    });
    let answer = cloud.spawn_with(body).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let spawned: Value = answer.json().await.unwrap();
    assert_eq!(location, format!("/v1/agents/{}", id(&spawned)));
    assert_eq!(spawned["status"], "running");
    assert_eq!(spawned["epoch"], 1);
    assert_eq!(spawned["image_digest"], image().digest.as_str());
    assert_eq!(spawned["host"], host.id.to_string());
    assert_eq!(spawned["terminal_url"], format!("{}/agents/{}/terminal", cloud.url, id(&spawned)));
    assert!(spawned["started_at"].is_string() && spawned["expires_at"].is_string());
    assert_eq!(spawned["ticket"]["protocols"][0], "openclaw.terminal.v1");
    let agent = cloud.get(&location).await;
    assert_eq!(agent["limits"]["memory_mib"], 32);
    assert_eq!(agent["limits"]["disk_mib"], 256, "absent limits take the default");

    let [Command::Start(start)] = &host.seen().commands[..] else { panic!("one start") };
    assert_eq!((start.epoch, start.restart), (1, false));
    assert_eq!((start.name.as_str(), start.config.as_str()), ("mine", r#"{"a":[1]}"#));
    assert_eq!(start.env["A"], "b");
}

#[tokio::test]
async fn a_spawn_that_does_not_wait_answers_at_once() {
    let (cloud, host) = Cloud::start().await;
    host.hold(true);
    let request = cloud.request(Method::POST, "/agents/spawn").json(&json!({ "image": "shell" }));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let spawned: Value = answer.json().await.unwrap();
    assert_eq!(spawned["status"], "pending");
    assert!(spawned.get("ticket").is_none());
    assert!(spawned["name"].as_str().unwrap().starts_with("shell-"));
    host.hold(false);
    cloud.agent_once(&id(&spawned), "running").await;
}

#[tokio::test]
async fn a_wait_that_is_too_short_answers_202_and_the_start_goes_on() {
    let (cloud, host) = Cloud::start().await;
    host.hold(true);
    let request = cloud.request(Method::POST, "/v1/agents/spawn").header("prefer", "wait=1");
    let answer = request.json(&json!({ "image": "shell" })).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let spawned: Value = answer.json().await.unwrap();
    assert_eq!(spawned["status"], "starting");
    host.hold(false);
    cloud.agent_once(&id(&spawned), "running").await;
}

#[tokio::test]
async fn the_same_key_and_body_give_the_same_agent() {
    let (cloud, host) = Cloud::start().await;
    let spawn = async |image: &str| {
        let request = cloud.request(Method::POST, "/v1/agents/spawn").header("prefer", "wait=10");
        request.header("idempotency-key", "k-1").json(&json!({ "image": image })).send().await.unwrap()
    };
    let first = spawn("shell").await;
    assert!(!first.headers().contains_key("idempotency-replayed"));
    let again = spawn("shell").await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(again.status(), StatusCode::CREATED);
    let (first, again): (Value, Value) = (first.json().await.unwrap(), again.json().await.unwrap());
    assert_eq!(id(&first), id(&again));
    assert_eq!(host.seen().commands.len(), 1);
    let other = spawn(image().digest.as_str()).await;
    assert_eq!(code(other).await, Code::IdempotencyKeyReused);
}

#[tokio::test]
async fn a_spawn_names_every_mistake_and_makes_nothing() {
    let (cloud, host) = Cloud::start().await;
    let table = [
        (json!({}), "/image"),
        (json!({ "image": "nope" }), "/image"),
        (json!({ "image": format!("sha256:{}", "0".repeat(64)) }), "/image"),
        (json!({ "image": "shell", "name": "n".repeat(10_000) }), "/name"),
        (json!({ "image": "shell", "name": "" }), "/name"),
        (json!({ "image": "shell", "name": "a\u{7}" }), "/name"),
        (json!({ "image": "shell", "name": 1 }), "/name"),
        (json!({ "image": "shell", "colour": "red" }), "/colour"),
        (json!({ "image": "shell", "limits": { "memory_mib": 1025 } }), "/limits/memory_mib"),
        (json!({ "image": "shell", "limits": { "memory_mib": "64" } }), "/limits/memory_mib"),
        (json!({ "image": "shell", "limits": { "fuel_per_second": 1 } }), "/limits/fuel_per_second"),
        (json!({ "image": "shell", "env": { "A=B": "" } }), "/env/A=B"),
        (json!({ "image": "shell", "metadata": { "k": 1 } }), "/metadata/k"),
        (json!({ "image": "shell", "max_lifetime_seconds": 0 }), "/max_lifetime_seconds"),
    ];
    for (body, pointer) in table {
        let problem = problem(cloud.spawn_with(body.clone()).await).await;
        assert_eq!(problem.code, Code::Validation, "{body}");
        let pointers: Vec<_> = problem.errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, [pointer], "{body}");
    }
    assert_eq!(cloud.get("/v1/agents").await["data"], json!([]));
    assert!(host.seen().commands.is_empty());
}

#[tokio::test]
async fn a_start_that_fails_in_the_guest_is_the_agents_failure() {
    let (cloud, host) = Cloud::start().await;
    for (refusal, reason) in [
        (RefusalCode::Trap, "guest_trap"),
        (RefusalCode::Fault, "guest_trap"),
        (RefusalCode::OutOfMemory, "out_of_memory"),
        (RefusalCode::Timeout, "init_timeout"),
    ] {
        host.seen().starts.push_back(refused(refusal));
        let answer = cloud.spawn_with(json!({ "image": "shell" })).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "a guest's fault is no fault of ours");
        let agent: Value = answer.json().await.unwrap();
        assert_eq!((&agent["status"], &agent["status_reason"]), (&json!("failed"), &json!(reason)));
        assert_eq!(agent["status_detail"], format!("scripted {refusal:?}"));
        assert!(agent.get("host").is_none());
    }
}

#[tokio::test]
async fn a_full_host_is_left_for_another() {
    let (cloud, full) = Cloud::start().await;
    full.seen().starts.extend(std::iter::repeat_n(refused(RefusalCode::Full), 10));
    let answer = cloud.spawn_with(json!({ "image": "shell" }));
    let other = FakeHost::start(&cloud).await;
    let (answer, _) = tokio::join!(answer, other.register(&cloud));
    let agent: Value = answer.json().await.unwrap();
    assert_eq!((&agent["status"], &agent["host"]), (&json!("running"), &json!(other.id.to_string())));
    assert!(agent["epoch"].as_u64().unwrap() >= 1);
}

#[tokio::test]
async fn without_room_an_agent_waits_and_says_why() {
    let (cloud, mut host) = Cloud::start().await;
    host.capacity = 0;
    host.register(&cloud).await;
    let request = cloud.request(Method::POST, "/v1/agents/spawn").header("prefer", "wait=1");
    let answer = request.json(&json!({ "image": "shell" })).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let agent: Value = answer.json().await.unwrap();
    assert_eq!(
        (&agent["status"], &agent["status_reason"]),
        (&json!("pending"), &json!("insufficient_capacity"))
    );
    host.capacity = 1;
    host.register(&cloud).await;
    cloud.agent_once(&id(&agent), "running").await;
}

#[tokio::test]
async fn without_any_host_a_spawn_is_told_to_come_back() {
    let cloud = Cloud::bare(|_| {}).await;
    let problem = problem(cloud.spawn_with(json!({ "image": "shell" })).await).await;
    assert_eq!((problem.code, problem.status, problem.retryable), (Code::InsufficientCapacity, 503, true));
}

#[tokio::test]
async fn a_list_is_paged_and_filtered() {
    let (cloud, _host) = Cloud::start().await;
    let mut ids = Vec::new();
    for team in ["blue", "red", "blue"] {
        let body = json!({ "image": "shell", "name": team, "metadata": { "team": team } });
        ids.push(id(&cloud.spawn_with(body).await.json().await.unwrap()));
    }
    ids.reverse();
    let page = cloud.get("/v1/agents?limit=2").await;
    let listed = |page: &Value| page["data"].as_array().unwrap().iter().map(id).collect::<Vec<_>>();
    assert_eq!(listed(&page), ids[..2]);
    let next =
        cloud.get(&format!("/v1/agents?limit=2&cursor={}", page["next_cursor"].as_str().unwrap())).await;
    assert_eq!(listed(&next), ids[2..]);
    assert!(next.get("next_cursor").is_none());
    assert_eq!(listed(&cloud.get("/v1/agents?metadata.team=blue").await), [&*ids[0], &*ids[2]]);
    assert_eq!(listed(&cloud.get("/v1/agents?name=red&status=running,failed").await), [&*ids[1]]);
    assert_eq!(listed(&cloud.get("/v1/agents?status=failed").await), [""; 0]);
    let wrong = cloud.request(Method::GET, "/v1/agents?limit=0").send().await.unwrap();
    assert_eq!(code(wrong).await, Code::Validation);
}

#[tokio::test]
async fn an_agent_has_a_version_and_a_long_poll() {
    let (cloud, host) = Cloud::start().await;
    host.hold(true);
    let body = json!({ "image": "shell" });
    let request = cloud.request(Method::POST, "/v1/agents/spawn").json(&body);
    let agent: Value = request.send().await.unwrap().json().await.unwrap();
    let path = format!("/v1/agents/{}", id(&agent));
    let waiting = cloud.request(Method::GET, &format!("{path}?wait_for=running&timeout_seconds=15")).send();
    let (answer, ()) = tokio::join!(waiting, async { host.hold(false) });
    let answer = answer.unwrap();
    let tag = answer.headers()["etag"].clone();
    let agent: Value = answer.json().await.unwrap();
    assert_eq!(agent["status"], "running");
    assert_eq!(tag, format!("\"{}\"", agent["version"]));
    let again = cloud.request(Method::GET, &path).header("if-none-match", tag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    for query in ["timeout_seconds=0", "timeout_seconds=61", "wait_for=sleeping", "wait=1"] {
        let answer = cloud.request(Method::GET, &format!("{path}?{query}")).send().await.unwrap();
        assert_eq!(code(answer).await, Code::Validation, "{query}");
    }
}

#[tokio::test]
async fn a_delete_ends_the_agent_on_its_host_and_can_be_repeated() {
    let (cloud, host) = Cloud::start().await;
    let agent = cloud.spawn().await;
    let path = format!("/v1/agents/{}", id(&agent));
    let answer = cloud.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let ended = cloud.agent_once(&id(&agent), "terminated").await;
    assert_eq!(
        (&ended["status_reason"], &ended["desired_status"]),
        (&json!("user_request"), &json!("terminated"))
    );
    assert!(ended.get("host").is_none());
    let again = cloud.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NO_CONTENT);
    let stops = host
        .seen()
        .commands
        .iter()
        .filter(|c| matches!(c, Command::Stop { purge: true, epoch: 1, .. }))
        .count();
    assert_eq!(stops, 1);
    let ticket = cloud.request(Method::POST, &format!("{path}/tickets")).send().await.unwrap();
    assert_eq!(code(ticket).await, Code::AgentTerminated);
}

#[tokio::test]
async fn an_agent_deleted_while_it_starts_does_not_run_on() {
    let (cloud, host) = Cloud::start().await;
    host.hold(true);
    host.seen().starts.push_back(Reply::Started { checkpoint: None, problem: None });
    let request = cloud.request(Method::POST, "/v1/agents/spawn").json(&json!({ "image": "shell" }));
    let agent: Value = request.send().await.unwrap().json().await.unwrap();
    cloud.agent_once(&id(&agent), "starting").await;
    cloud.request(Method::DELETE, &format!("/v1/agents/{}", id(&agent))).send().await.unwrap();
    host.hold(false);
    cloud.agent_once(&id(&agent), "terminated").await;
    assert!(host.seen().commands.iter().any(|c| matches!(c, Command::Stop { .. })));
}

#[tokio::test]
async fn an_agent_ends_when_its_lifetime_does() {
    let (cloud, _host) = Cloud::start().await;
    let answer = cloud.spawn_with(json!({ "image": "shell", "max_lifetime_seconds": 1 })).await;
    let agent: Value = answer.json().await.unwrap();
    let ended = cloud.agent_once(&id(&agent), "terminated").await;
    assert_eq!(ended["status_reason"], "max_lifetime");
}
