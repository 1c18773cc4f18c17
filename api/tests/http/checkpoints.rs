//! Checkpoints on request, restoring, forks and upgrades.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wire::{
    AgentId, Digest,
    checkpoint::CheckpointKind,
    host::{Command, RefusalCode, ResumeCause, Then},
    image::Image,
    problem::Code,
};

use crate::{
    harness::{Cloud, agent_id, code, problem},
    host::{FakeHost, cell, refused},
};

async fn checkpoint(cloud: &Cloud, agent: AgentId, note: &str) -> Value {
    let answer = cloud.post(&format!("/v1/agents/{agent}/checkpoints"), json!({ "note": note })).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    answer.json().await.unwrap()
}

async fn delete(cloud: &Cloud, checkpoint: &Value) -> reqwest::Response {
    let path = format!("/v1/checkpoints/{}", checkpoint["id"].as_str().unwrap());
    cloud.request(Method::DELETE, &path).send().await.unwrap()
}

#[tokio::test]
async fn a_checkpoint_is_kept_until_it_is_deleted() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let kept = checkpoint(&cloud, agent, "before lunch").await;
    assert_eq!((&kept["kind"], &kept["note"]), (&json!("requested"), &json!("before lunch")));
    assert_eq!((&kept["agent"], &kept["epoch"]), (&json!(agent), &json!(1)));
    host.told("a checkpoint", |command| {
        matches!(command, Command::Checkpoint { kind: CheckpointKind::Requested, grace_ms: 10_000, .. })
    })
    .await;
    assert_eq!(code(delete(&cloud, &kept).await).await, Code::InvalidState, "the agent would go on from it");
    for _ in 0..3 {
        host.commit(agent, 1, Then::Run {}).await;
    }
    let path = format!("/v1/agents/{agent}/checkpoints");
    let all = cloud.get(&path).await;
    let kinds: Vec<_> = all["data"].as_array().unwrap().iter().map(|c| c["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["automatic", "automatic", "requested"]);
    let first = cloud.get(&format!("{path}?limit=2")).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = cloud.get(&format!("{path}?limit=2&cursor={cursor}")).await;
    assert_eq!((&second["data"][0], second.get("next_cursor")), (&all["data"][2], None));
    assert_eq!(delete(&cloud, &kept).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(code(delete(&cloud, &kept).await).await, Code::NotFound);
    let wrong = cloud.request(Method::GET, &format!("{path}?limit=0&cursor=")).send().await.unwrap();
    assert_eq!(code(wrong).await, Code::Validation);
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_taken_says_why() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let path = format!("/v1/agents/{agent}/checkpoints");
    for (refusal, expected) in [
        (RefusalCode::StoreUnavailable, Code::Unavailable),
        (RefusalCode::Timeout, Code::InvalidState),
        (RefusalCode::StaleEpoch, Code::EpochChanged),
    ] {
        host.seen().answers.push_back(refused(refusal));
        assert_eq!(code(cloud.post(&path, json!({})).await).await, expected);
    }
    let long = json!({ "note": "n".repeat(257) });
    assert_eq!(problem(cloud.post(&path, long).await).await.errors[0].pointer, "/note");
    cloud.turn(&format!("/v1/agents/{agent}/suspend")).await;
    assert_eq!(code(cloud.post(&path, json!({})).await).await, Code::InvalidState);
    let fixed = agent_id(&cloud.spawn().await);
    let answer = cloud.post(&format!("/v1/agents/{fixed}/checkpoints"), json!({})).await;
    assert_eq!(code(answer).await, Code::InvalidState);
}

#[tokio::test]
async fn an_agent_goes_back_to_one_of_its_checkpoints() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    let kept = checkpoint(&cloud, agent, "good").await;
    host.commit(agent, 1, Then::Run {}).await;
    let path = format!("/v1/agents/{agent}/restore");
    let answer = cloud.post(&path, json!({ "checkpoint": kept["id"] })).await;
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], "resuming");
    let back = cloud.agent_once(&agent.to_string(), "running").await;
    assert_eq!((&back["epoch"], &back["checkpoint"]), (&json!(2), &kept["id"]));
    host.told("the past life ends first", |command| {
        matches!(command, Command::Stop { agent: of, epoch: 1, grace_ms: 0, purge: false, .. } if *of == agent)
    })
    .await;
    let start = host.starts_of(agent).remove(1);
    let resume = start.resume.unwrap();
    assert_eq!((json!(resume.checkpoint.id), resume.cause), (kept["id"].clone(), ResumeCause::Restore));
    assert_eq!((start.timeline, resume.previous), (2, None));

    // A suspended one goes back too, and comes up.
    cloud.turn(&format!("/v1/agents/{agent}/suspend")).await;
    cloud.post(&path, json!({ "checkpoint": kept["id"] })).await;
    cloud.agent_once(&agent.to_string(), "running").await;
    assert_eq!(host.starts_of(agent).pop().unwrap().timeline, 3);

    let other = agent_id(&cloud.cell().await);
    let foreign =
        cloud.post(&format!("/v1/agents/{other}/restore"), json!({ "checkpoint": kept["id"] })).await;
    assert_eq!(problem(foreign).await.errors[0].pointer, "/checkpoint");
}

#[tokio::test]
async fn forks_begin_where_their_parent_is_and_leave_it_alone() {
    let (cloud, host) = Cloud::start().await;
    let spec = json!({
        "image": "cell", "name": "parent", "metadata": { "team": "blue" }, "idle_timeout_seconds": 60,
        "send_to": ["tenant"], "env": { "A": "b" },
    });
    let parent: Value = cloud.spawn_with(spec).await.json().await.unwrap();
    let parent = agent_id(&parent);
    let answer = cloud.post(&format!("/v1/agents/{parent}/forks"), json!({ "count": 3 })).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let forks: Value = answer.json().await.unwrap();
    assert_eq!(forks["results"].as_array().unwrap().len(), 3);
    for (number, result) in forks["results"].as_array().unwrap().iter().enumerate() {
        let fork = &result["agent"];
        assert_eq!(
            (&result["result"], &fork["name"]),
            (&json!("agent"), &json!(format!("parent-{}", number + 1)))
        );
        assert_eq!(fork["parent"], json!({ "agent": parent, "checkpoint": forks["checkpoint"] }));
        assert_eq!((&fork["metadata"]["team"], &fork["send_to"]), (&json!("blue"), &json!(["tenant"])));
        let fork = agent_id(fork);
        cloud.agent_once(&fork.to_string(), "running").await;
        let start = host.starts_of(fork).remove(0);
        let resume = start.resume.unwrap();
        assert_eq!(
            (json!(resume.checkpoint.id), resume.cause),
            (forks["checkpoint"].clone(), ResumeCause::Fork)
        );
        assert_eq!((start.env["A"].as_str(), start.idle_timeout_seconds), ("b", Some(60)));
    }
    let row = cloud.agent(parent).await;
    assert_eq!((&row["status"], &row["epoch"]), (&json!("running"), &json!(1)));

    // A suspended one is forked as it is, and stays so.
    cloud.turn(&format!("/v1/agents/{parent}/suspend")).await;
    for from in ["now", "latest"] {
        let answer = cloud.post(&format!("/v1/agents/{parent}/forks"), json!({ "from": from })).await;
        let fork: Value = answer.json().await.unwrap();
        assert_eq!(fork["checkpoint"], cloud.agent(parent).await["checkpoint"]);
    }
    assert_eq!(cloud.agent(parent).await["status"], "suspended");
}

#[tokio::test]
async fn forks_asked_for_again_are_the_same_forks() {
    let (cloud, _host) = Cloud::start().await;
    let parent = agent_id(&cloud.cell().await);
    let fork = async |key: &str, count: u32| {
        let request = cloud.request(Method::POST, &format!("/v1/agents/{parent}/forks"));
        request.header("idempotency-key", key).json(&json!({ "count": count })).send().await.unwrap()
    };
    let ids = |forks: &Value| -> Vec<String> {
        let results = forks["results"].as_array().unwrap().iter();
        results.map(|result| result["agent"]["id"].as_str().unwrap().to_owned()).collect()
    };
    let first: Value = fork("k", 3).await.json().await.unwrap();
    let again: Value = fork("k", 3).await.json().await.unwrap();
    assert_eq!((ids(&again).len(), ids(&again)), (3, ids(&first)));
    assert_eq!(again["checkpoint"], first["checkpoint"]);
    let count = async || cloud.get("/v1/agents").await["data"].as_array().unwrap().len();
    assert_eq!(count().await, 4);
    assert_eq!(code(fork("k", 4).await).await, Code::IdempotencyKeyReused);
    assert_eq!(count().await, 4, "nothing was made");
    let other: Value = fork("other", 3).await.json().await.unwrap();
    assert!(ids(&other).iter().all(|id| !ids(&first).contains(id)));
}

#[tokio::test]
async fn a_fork_can_only_be_narrower() {
    let (cloud, host) = Cloud::start().await;
    let friend = AgentId::new();
    let spec = json!({
        "image": "cell", "idle_timeout_seconds": 60, "max_lifetime_seconds": 3600, "send_to": [friend],
        "egress": [{ "host": "*.example.com", "methods": ["GET", "POST"] }],
        "limits": { "memory_mib": 32, "wall_seconds": 10 },
    });
    let parent: Value = cloud.spawn_with(spec).await.json().await.unwrap();
    let path = format!("/v1/agents/{}/forks", agent_id(&parent));
    let wider = json!({
        "count": 101, "name": "", "idle_timeout_seconds": 61, "max_lifetime_seconds": 3601,
        "egress": [{ "host": "a.example.com" }, { "host": "a.example.com", "methods": ["POST"] }, { "host": "example.com" }],
        "send_to": [friend, "tenant"], "limits": { "memory_mib": 33, "wall_seconds": 0 },
    });
    let problem = problem(cloud.post(&path, wider).await).await;
    let mut pointers: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
    pointers.sort_unstable();
    let expected = [
        "/count",
        "/egress/0",
        "/egress/2",
        "/idle_timeout_seconds",
        "/limits/memory_mib",
        "/limits/wall_seconds",
        "/max_lifetime_seconds",
        "/name",
        "/send_to/1",
    ];
    assert_eq!(pointers, expected);
    assert!(!host.seen().commands.iter().any(|c| matches!(c, Command::Checkpoint { .. })));
    let narrower = json!({
        "idle_timeout_seconds": 5, "max_lifetime_seconds": 10, "send_to": [], "name": "small",
        "egress": [{ "host": "*.b.example.com", "methods": ["POST"] }],
        "limits": { "memory_mib": 16, "wall_seconds": 1 }, "metadata": {},
    });
    let forks: Value = cloud.post(&path, narrower).await.json().await.unwrap();
    let fork = &forks["results"][0]["agent"];
    assert_eq!(
        (&fork["name"], &fork["send_to"], &fork["limits"]["memory_mib"], &fork["egress"][0]["host"]),
        (&json!("small"), &json!([]), &json!(16), &json!("*.b.example.com"))
    );
    let untouched: Value = cloud.post(&path, json!({})).await.json().await.unwrap();
    assert_eq!(untouched["results"][0]["agent"]["expires_at"], parent["expires_at"]);
    assert_eq!(untouched["results"][0]["agent"]["egress"], parent["egress"]);
}

#[tokio::test]
async fn forks_beyond_the_quota_are_problems_of_their_own() {
    let cloud = Cloud::bare(|config| config.max_agents = 3).await;
    let host = FakeHost::start(&cloud).await;
    host.register(&cloud).await;
    let parent = agent_id(&cloud.cell().await);
    let forks: Value =
        cloud.post(&format!("/v1/agents/{parent}/forks"), json!({ "count": 4 })).await.json().await.unwrap();
    let results = forks["results"].as_array().unwrap();
    let made = results.iter().filter(|result| result["result"] == "agent").count();
    assert_eq!((results.len(), made), (4, 2));
    let problem = results.iter().find(|result| result["result"] == "problem").unwrap();
    assert_eq!(
        (&problem["problem"]["code"], &problem["problem"]["status"]),
        (&json!("quota_exceeded"), &json!(429))
    );
}

#[tokio::test]
async fn forks_come_from_a_checkpoint_of_the_agent_and_of_nobody_else() {
    let (cloud, host) = Cloud::start().await;
    let (agent, other) = (agent_id(&cloud.cell().await), agent_id(&cloud.cell().await));
    let path = format!("/v1/agents/{agent}/forks");
    let none = cloud.post(&path, json!({ "from": "latest" })).await;
    assert_eq!(code(none).await, Code::InvalidState);
    let kept = checkpoint(&cloud, agent, "good").await;
    host.commit(agent, 1, Then::Run {}).await;
    let forks: Value = cloud.post(&path, json!({ "from": kept["id"] })).await.json().await.unwrap();
    assert_eq!(forks["checkpoint"], kept["id"]);
    let foreign = cloud.post(&format!("/v1/agents/{other}/forks"), json!({ "from": kept["id"] })).await;
    assert_eq!(problem(foreign).await.errors[0].pointer, "/from");
    let fixed = agent_id(&cloud.spawn().await);
    assert_eq!(
        code(cloud.post(&format!("/v1/agents/{fixed}/forks"), json!({})).await).await,
        Code::InvalidState
    );
}

#[tokio::test]
async fn an_upgrade_is_asked_of_the_host_and_never_happens_otherwise() {
    let (cloud, mut host) = Cloud::start().await;
    let next =
        Image { name: "cell-2".to_owned(), digest: Digest::from_bytes([10; 32]), upgradable: true, ..cell() };
    host.images.push(next.clone());
    host.register(&cloud).await;
    let agent = agent_id(&cloud.cell().await);
    let path = format!("/v1/agents/{agent}/upgrade");
    let answer = cloud.post(&path, json!({ "image": "cell-2" })).await;
    assert_eq!(answer.status(), StatusCode::OK);
    host.told("an upgrade", |command| {
        matches!(command, Command::Upgrade { agent: of, epoch: 1, image, .. } if *of == agent && *image == next.digest)
    })
    .await;
    host.seen().answers.push_back(refused(RefusalCode::NotUpgradable));
    assert_eq!(code(cloud.post(&path, json!({ "image": "cell-2" })).await).await, Code::InvalidState);
    let unknown = cloud.post(&path, json!({ "image": "none" })).await;
    assert_eq!(problem(unknown).await.errors[0].pointer, "/image");
    // Another version beside it changes nothing by itself.
    assert_eq!(cloud.agent(agent).await["image_digest"], json!(cell().digest));
}
