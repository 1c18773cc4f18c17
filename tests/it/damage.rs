//! Checkpoints that were damaged or forged, and an object store that fails.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use checkpoint::{Checkpoint, Expect, PackBuilder};
use cloud_tests::{Cloud, cloud::Setup};
use depot::{
    Depot, Patience,
    faulty::{Fault, Faulty},
};
use object_store::local::LocalFileSystem;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wire::{
    AgentId, CheckpointId, Digest, PackId,
    agent::{Agent, Status},
    checkpoint::CheckpointRef,
};

use crate::records::{Records, packs};

async fn add(cloud: &Cloud, agent: &Agent, n: u32, sum: u32) {
    let mut terminal = cloud.terminal(agent).await;
    terminal.run(&format!("add {n}")).await;
    terminal.wait_line(&format!("sum {sum}")).await;
}

/// An agent, suspended at its second checkpoint: with a sum of 5 in the first, and 7 in the second.
async fn suspended(cloud: &Cloud) -> Agent {
    let agent = cloud.spawn(json!({ "image": "machine" })).await;
    add(cloud, &agent, 5, 5).await;
    for verb in ["suspend", "resume"] {
        let (status, body) = cloud.act(&agent, verb, &Value::Null).await;
        assert!(status.is_success(), "{body}");
    }
    add(cloud, &agent, 2, 7).await;
    let file = format!("/v1/agents/{}/files/note", agent.id);
    let written = cloud.request(Method::PUT, &file).body("seven").send().await.unwrap();
    assert!(written.status().is_success());
    let (status, body) = cloud.act(&agent, "suspend", &Value::Null).await;
    assert!(status.is_success(), "{body}");
    agent
}

/// A last checkpoint and its pack, to be damaged.
struct Last<'a> {
    cloud: &'a Cloud,
    records: &'a Records,
    agent: &'a Agent,
    at: CheckpointRef,
    pack: PathBuf,
}

impl Last<'_> {
    fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(&self.pack).unwrap();
        change(&mut bytes);
        std::fs::write(&self.pack, bytes).unwrap();
    }

    /// Another checkpoint in its place: in a good pack, with a record that says so.
    async fn forge(&self, change: impl FnOnce(&mut Checkpoint)) {
        let mut forged = self.cloud.depot().manifest(&self.at, &Expect::default()).await.unwrap();
        change(&mut forged);
        let (pack, at) = packed(PackId::new(), &forged, self.at.id);
        self.cloud.depot().put(pack).await.unwrap();
        self.records.forge(&at);
    }
}

fn packed(id: PackId, manifest: &Checkpoint, of: CheckpointId) -> (checkpoint::Pack, CheckpointRef) {
    let mut pack = PackBuilder::new(id);
    let at = pack.add_manifest(&manifest.encode());
    let sha256 = Digest::from_bytes(at.sha256);
    (pack.seal(), CheckpointRef { id: of, pack: id, offset: at.offset, length: at.length, sha256 })
}

/// What is done to the last checkpoint, and what the agent's record says of it.
const DAMAGES: [(&str, &str); 13] = [
    ("a file's bytes", "the chunk at byte"),
    ("turned bits", "hash"),
    ("half of it", "cannot be read"),
    ("nothing of it", "cannot be read"),
    ("no pack", "cannot be read"),
    ("another good pack", "cannot be read"),
    ("of another component", "another image"),
    ("of another instrumenter", "another instrumenter"),
    ("of another format", "version"),
    ("of another agent", "another agent"),
    ("of a later placement", "epoch"),
    ("of another checkpoint", "another checkpoint"),
    ("that contradicts itself", "contradicts itself"),
];

async fn damage(last: &Last<'_>, how: &str) {
    match how {
        "turned bits" => last.change(|bytes| bytes.iter_mut().skip(16).for_each(|byte| *byte ^= 0x5a)),
        "a file's bytes" => {
            let depot = last.cloud.depot();
            let manifest = depot.manifest(&last.at, &Expect::default()).await.unwrap();
            let tree = depot.tree(&manifest.tree.unwrap()).await.unwrap();
            let mut pieces = Vec::new();
            tree.each_chunk(&mut |piece| pieces.push(*piece));
            assert_eq!((pieces.len(), pieces[0].pack), (1, last.at.pack));
            let at = usize::try_from(pieces[0].offset).unwrap();
            last.change(|bytes| bytes[at] ^= 0x5a);
            // Nor has another one the files.
            let files = last.cloud.dir().join("host/agents").join(last.agent.id.to_string());
            std::fs::remove_dir_all(files).unwrap();
        }
        "half of it" => last.change(|bytes| bytes.truncate(bytes.len() / 2)),
        "nothing of it" => last.change(Vec::clear),
        "no pack" => std::fs::remove_file(&last.pack).unwrap(),
        "another good pack" => {
            let mut manifest = last.cloud.depot().manifest(&last.at, &Expect::default()).await.unwrap();
            manifest.monotonic_ns += 1;
            let (pack, _) = packed(last.at.pack, &manifest, last.at.id);
            pack.verify().unwrap();
            std::fs::write(&last.pack, pack.bytes).unwrap();
        }
        "of another component" => last.forge(|forged| forged.image = Digest::from_bytes([7; 32])).await,
        "of another instrumenter" => last.forge(|forged| forged.instrumenter += 1).await,
        "of another agent" => last.forge(|forged| forged.agent = AgentId::new()).await,
        "of a later placement" => last.forge(|forged| forged.epoch += 100).await,
        "of another checkpoint" => last.forge(|forged| forged.id = CheckpointId::new()).await,
        "that contradicts itself" => {
            last.forge(|forged| forged.guest.as_mut().unwrap().memories[0].wasm_pages = 0).await;
        }
        "of another format" => {
            let depot = last.cloud.depot();
            let manifest = depot.manifest(&last.at, &Expect::default()).await.unwrap();
            let mut bytes = manifest.encode();
            // After the magic of eight bytes.
            bytes[8] += 1;
            let mut pack = PackBuilder::new(PackId::new());
            let (id, at) = (pack.id(), pack.add_manifest(&bytes));
            depot.put(pack.seal()).await.unwrap();
            let sha256 = Digest::from_bytes(at.sha256);
            let at =
                CheckpointRef { pack: id, offset: at.offset, length: at.length, sha256, ..last.at.clone() };
            last.records.forge(&at);
        }
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_checkpoint_is_refused_and_the_one_before_is_used() {
    let mut cloud = Cloud::with(Setup { images: vec!["machine"], ..Setup::default() }).await;
    let records = Records::of(&cloud);
    let neighbour = cloud.spawn(json!({ "image": "machine" })).await;
    for (number, (how, why)) in (0..).zip(DAMAGES) {
        let agent = suspended(&cloud).await;
        let before = cloud.agent(&agent).await;
        let at = records.last(&agent);
        let pack = packs(&cloud).remove(&at.pack.to_string()).unwrap();
        damage(&Last { cloud: &cloud, records: &records, agent: &agent, at, pack }, how).await;
        if how == "a file's bytes" {
            // The host that stored them has them at hand still; another one has not.
            cloud.stop_host().await;
            cloud.start_host().await;
        }
        let (status, body) = cloud.act(&agent, "resume", &Value::Null).await;
        assert!(status.is_success(), "{how}: {body}");
        let now = cloud.wait_for(&agent, |now| now.status == Status::Running).await;
        assert!(now.epoch > before.epoch);
        let said = now.status_detail.unwrap_or_default();
        assert!(said.contains("checkpoint") && said.contains(why), "{how}: {said}");
        // What came after the first checkpoint is undone, and its terminal says so by its generation.
        let terminal = cloud.terminal(&agent).await;
        assert!(terminal.position.0 > 1, "{how}: {terminal:?}");
        assert!(!terminal.screen().contains("sum 7"), "{how}: {}", terminal.screen());
        add(&cloud, &agent, 1, 6).await;
        add(&cloud, &neighbour, 1, number + 1).await;
    }
}

/// A cloud whose object store fails on demand.
async fn faulty(dir: &Path) -> (Faulty, Cloud) {
    let store = Faulty::new(Arc::new(LocalFileSystem::new_with_prefix(dir).unwrap()));
    let short = Duration::from_millis(300);
    let patience = Patience { request: short, write: short, listing: short, total: short };
    let depot = Depot::with_store(Arc::new(store.clone()), patience);
    let cloud = Cloud::with(Setup { images: vec!["machine"], depot: Some(depot), ..Setup::default() }).await;
    (store, cloud)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_fails_agents_run_and_suspends_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, cloud) = faulty(dir.path()).await;
    let records = Records::of(&cloud);
    for (fault, why) in [
        (Fault::Full, "is full"),
        (Fault::Fail, "asked to fail"),
        (Fault::Slow(Duration::from_secs(5)), "no answer"),
    ] {
        let agent = cloud.spawn(json!({ "image": "machine" })).await;
        store.begin(fault);
        add(&cloud, &agent, 3, 3).await;
        let (status, body) = cloud.act(&agent, "suspend", &Value::Null).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")),
            "{body}"
        );
        assert!(body["detail"].as_str().is_some_and(|said| said.contains(why)), "{fault:?}: {body}");
        let now = cloud.wait_for(&agent, |now| now.status == Status::Running).await;
        let said = now.status_detail.unwrap_or_default();
        assert!(said.contains("it was not suspended") && said.contains(why), "{fault:?}: {said}");
        add(&cloud, &agent, 2, 5).await;
        // Nothing counts that is not stored: no record, and no input acknowledged as durable.
        let (_, list) = cloud.get(&format!("/v1/agents/{}/checkpoints", agent.id)).await;
        assert_eq!((list["data"].clone(), records.count("checkpoints")), (json!([]), 0), "{fault:?}");
        store.clear();
        let suspends = async { while !cloud.act(&agent, "suspend", &Value::Null).await.0.is_success() {} };
        tokio::time::timeout(Duration::from_secs(60), suspends).await.unwrap();
        let (status, body) = cloud.act(&agent, "resume", &Value::Null).await;
        assert!(status.is_success(), "{body}");
        add(&cloud, &agent, 1, 6).await;
        let (status, body) = cloud.end(&agent).await;
        assert!(status.is_success(), "{body}");
        cloud.wait_for(&agent, |now| now.status.is_final()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_answers_late_or_with_an_error_after_the_fact_takes_suspends() {
    let dir = tempfile::tempdir().unwrap();
    let (store, cloud) = faulty(dir.path()).await;
    for fault in [Fault::Slow(Duration::from_millis(50)), Fault::FailAfterPut] {
        let agent = cloud.spawn(json!({ "image": "machine" })).await;
        add(&cloud, &agent, 3, 3).await;
        store.begin(fault);
        for verb in ["suspend", "resume"] {
            let (status, body) = cloud.act(&agent, verb, &Value::Null).await;
            assert!(status.is_success(), "{fault:?}: {body}");
        }
        add(&cloud, &agent, 1, 4).await;
        store.clear();
    }
}

/// A store that gives back less than it was given, or nothing, has not lost it: nothing is undone because of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_cannot_be_read_agents_stay_suspended() {
    let dir = tempfile::tempdir().unwrap();
    let (store, cloud) = faulty(dir.path()).await;
    for (fault, why) in [
        (Fault::Fail, "asked to fail"),
        (Fault::Slow(Duration::from_secs(5)), "no answer"),
        (Fault::TruncateReads, "damaged"),
        (Fault::FlipReads, "damaged"),
        (Fault::Lose, "not in the object store"),
    ] {
        let agent = suspended(&cloud).await;
        let resume = format!("/v1/agents/{}/resume", agent.id);
        store.begin(fault);
        // It is not waited for: it ends when the store does.
        let (status, body) = cloud.call(Method::POST, &resume, &Value::Null).await;
        assert_eq!(
            (status, &body["status"]),
            (StatusCode::ACCEPTED, &json!("resuming")),
            "{fault:?}: {body}"
        );
        let tells = |now: &Agent| now.status_detail.as_ref().is_some_and(|said| said.contains(why));
        cloud.wait_for(&agent, tells).await;
        store.clear();
        cloud.wait_for(&agent, |now| now.status == Status::Running).await;
        add(&cloud, &agent, 1, 8).await;
    }
}
