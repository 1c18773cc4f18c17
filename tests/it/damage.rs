//! Checkpoints that were damaged, and an object store that fails.

use std::{path::Path, sync::Arc, time::Duration};

use cloud_tests::{Cloud, cloud::Setup};
use depot::{
    Depot, Patience,
    faulty::{Fault, Faulty},
};
use object_store::local::LocalFileSystem;
use reqwest::{Method, StatusCode};
use serde_json::json;
use wire::agent::{Agent, Status};

async fn verb(cloud: &Cloud, agent: &Agent, verb: &str) -> (StatusCode, serde_json::Value) {
    cloud.call(Method::POST, &format!("/v1/agents/{}/{verb}", agent.id), &json!(null)).await
}

/// Every pack below a directory.
fn packs(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(packs(&path));
        } else if path.to_string_lossy().contains("pck_") {
            found.push(path);
        }
    }
    found.sort_by_key(|path| std::fs::metadata(path).unwrap().modified().unwrap());
    found
}

async fn said(cloud: &Cloud, agent: &Agent, word: &str) {
    let mut terminal = cloud.terminal(agent).await;
    terminal.run(&format!("add {word}")).await;
    terminal.wait_line(&format!("sum {word}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_checkpoint_is_refused_and_the_one_before_is_used() {
    let cloud = Cloud::start().await;
    let neighbour = cloud.spawn(json!({ "image": "machine" })).await;
    let agent = cloud.spawn(json!({ "image": "machine" })).await;
    said(&cloud, &agent, "5").await;
    for _ in 0..2 {
        assert!(verb(&cloud, &agent, "suspend").await.0.is_success());
        cloud.wait_for(&agent, |now| now.status == Status::Suspended).await;
        let last = packs(&cloud.dir().join("depot")).pop().unwrap();
        if cloud.agent(&agent).await.epoch > agent.epoch {
            // The second suspend wrote a pack of its own: its bytes are turned over.
            let mut bytes = std::fs::read(&last).unwrap();
            bytes.iter_mut().skip(16).for_each(|byte| *byte ^= 0x5a);
            std::fs::write(&last, bytes).unwrap();
        }
        assert!(verb(&cloud, &agent, "resume").await.0.is_success());
        cloud.wait_for(&agent, |now| now.status == Status::Running).await;
    }
    let now = cloud.agent(&agent).await;
    assert!(now.status_detail.as_ref().is_some_and(|why| why.contains("checkpoint")), "{now:?}");
    let mut terminal = cloud.terminal(&agent).await;
    terminal.run("add 1").await;
    terminal.wait_line("sum 6").await;
    said(&cloud, &neighbour, "7").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_fails_agents_run_and_suspends_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Faulty::new(Arc::new(LocalFileSystem::new_with_prefix(dir.path()).unwrap()));
    let short = Duration::from_millis(500);
    let patience = Patience { request: short, write: short, listing: short, total: short };
    let depot = Depot::with_store(Arc::new(store.clone()), patience);
    let cloud = Cloud::with(Setup { images: vec!["machine"], depot: Some(depot), ..Setup::default() }).await;
    let agent = cloud.spawn(json!({ "image": "machine" })).await;
    store.begin(Fault::Full);
    said(&cloud, &agent, "3").await;
    let path = format!("/v1/agents/{}/suspend", agent.id);
    let answer = cloud.request(Method::POST, &path).header("prefer", "wait=20").send().await.unwrap();
    let (status, body) = (answer.status(), answer.json::<serde_json::Value>().await.unwrap());
    assert_eq!((status, &body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")), "{body}");
    cloud.wait_for(&agent, |now| now.status == Status::Running).await;
    let (_, list) = cloud.get(&format!("/v1/agents/{}/checkpoints", agent.id)).await;
    assert_eq!(list["data"], json!([]), "nothing counts that is not stored");
    store.clear();
    tokio::time::timeout(Duration::from_secs(60), async {
        while !verb(&cloud, &agent, "suspend").await.0.is_success() {}
    })
    .await
    .unwrap();
    cloud.wait_for(&agent, |now| now.status == Status::Suspended).await;
}
