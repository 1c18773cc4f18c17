//! Files and logs of agents that are on no host, writes that are durable, and garbage.

use std::{sync::Arc, time::Duration};

use api::store::{Store as _, sqlite::SqliteStore};
use bytes::Bytes;
use checkpoint::{
    Checkpoint,
    manifest::{
        Content, Entry, FILE_PIECE_BYTES, Inputs, Journal, Meters, Node, Operations, Tail, Terminal, Tree,
    },
    pack::PackBuilder,
};
use depot::Depot;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wire::{
    AgentId, CheckpointId, Digest, PackId,
    agent::StatusReason,
    checkpoint::{CheckpointKind, CheckpointRef},
    host::{Command, Commit, Commits, RefusalCode, Taken, Then},
    problem::Code,
};

use crate::{
    harness::{Cloud, LONG, agent_id, code, problem},
    host::{FakeHost, cell, refused, taken},
};

/// More than one piece, none like another.
fn large() -> Vec<u8> {
    (0..FILE_PIECE_BYTES * 2 + 100).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn log() -> Vec<u8> {
    let line = |seq: u64, level: &str| json!({ "seq": seq, "time": "2026-01-01T00:00:00Z", "level": level, "source": "agent", "message": "hi" });
    let lines = [line(1, "info"), line(2, "error"), line(3, "info")];
    lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

/// Stores a checkpoint with a log and these files, as a host would, and suspends the agent with it.
async fn suspend_with_files(cloud: &Cloud, host: &FakeHost, agent: AgentId) {
    let depot = Depot::local(&cloud.data.path().join("depot")).unwrap();
    let mut pack = PackBuilder::new(PackId::new());
    let bytes = large();
    let mut pieces: Vec<_> =
        bytes.chunks(FILE_PIECE_BYTES).map(|piece| Some(pack.add_chunk(piece))).collect();
    let whole = Content { size: bytes.len() as u64, pieces: pieces.clone() };
    pieces[0] = None;
    let holed = Content { size: bytes.len() as u64, pieces };
    let small = Content { size: 2, pieces: vec![Some(pack.add_chunk(b"hi"))] };
    let entry = |path: &str, node| Entry { path: path.to_owned(), modified_ns: 1_000_000_000, node };
    let tree = Tree {
        entries: vec![
            entry("a", Node::Directory),
            entry("a-b", Node::File(small)),
            entry("a/holed", Node::File(holed)),
            entry("a/whole", Node::File(whole)),
            entry("link", Node::Link("a/whole".to_owned())),
        ],
    };
    let tree = pack.add_chunk(&tree.try_encode().unwrap());
    let tail = |rest: &[u8]| Tail { from: 0, segments: Vec::new(), rest: Bytes::copy_from_slice(rest) };
    let id = CheckpointId::new();
    let checkpoint = Checkpoint {
        agent,
        id,
        epoch: 1,
        timeline: 1,
        taken_at_ms: 0,
        image: cell().digest,
        instrumenter: 1,
        guest: None,
        operations: Operations::default(),
        mailbox: Vec::new(),
        inbox: 0,
        terminal: Terminal {
            generation: 1,
            head: 0,
            cols: 80,
            rows: 24,
            screen: Bytes::new(),
            screen_at: 0,
            tail: tail(b""),
        },
        journal: Journal { generation: 1, last_seq: 3, tail: tail(&log()) },
        inputs: Inputs::default(),
        monotonic_ns: 0,
        meters: Meters::default(),
        tree: Some(tree),
    };
    let at = pack.add_manifest(&checkpoint.try_encode().unwrap());
    let pack = pack.seal();
    let (name, size) = (pack.id, pack.bytes.len() as u64);
    depot.put(pack).await.unwrap();
    let checkpoint = CheckpointRef {
        id,
        pack: name,
        offset: at.offset,
        length: at.length,
        sha256: Digest::from_bytes(at.sha256),
    };
    let taken =
        Taken { checkpoint, packs: vec![name], ..taken(CheckpointKind::Automatic, None, cell().digest).0 };
    let then = Then::Suspend { reason: StatusReason::IdleTimeout, parked: false };
    let commit = Commit { agent, epoch: 1, taken: Some(taken), then, wake_at: None, undone: false };
    assert_eq!(host.commit_as(commit, vec![(name, size)]).await.refused, []);
}

#[tokio::test]
async fn files_of_a_suspended_agent_are_read_from_its_checkpoint() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    suspend_with_files(&cloud, &host, agent).await;
    let base = format!("/v1/agents/{agent}/files");
    let listed = cloud.get(&base).await;
    let paths: Vec<_> =
        listed["data"].as_array().unwrap().iter().map(|e| e["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["a", "a/holed", "a/whole", "a-b", "link"], "name by name, as hosts list them");
    assert_eq!(listed["data"][2]["size_bytes"], large().len());
    assert_eq!(listed["data"][0]["modified_at"], "1970-01-01T00:00:01Z");
    let below = cloud.get(&format!("{base}?prefix=a/&cursor=a/holed")).await;
    assert_eq!((below["data"].as_array().unwrap().len(), &below["data"][0]["path"]), (1, &json!("a/whole")));

    let read = async |path: &str, range: Option<&str>| {
        let request = cloud.request(Method::GET, &format!("{base}/{path}"));
        range.into_iter().fold(request, |request, range| request.header("range", range)).send().await.unwrap()
    };
    for path in ["a/whole", "link"] {
        let whole = read(path, None).await;
        assert_eq!(whole.headers()["content-length"], large().len().to_string());
        assert_eq!(whole.headers()["content-disposition"], "attachment");
        assert_eq!(whole.bytes().await.unwrap(), large());
    }
    let mut holed = large();
    holed[..FILE_PIECE_BYTES].fill(0);
    assert_eq!(read("a/holed", None).await.bytes().await.unwrap(), holed);
    let (from, to) = (FILE_PIECE_BYTES - 3, FILE_PIECE_BYTES * 2 + 3);
    let part = read("a/whole", Some(&format!("bytes={from}-{to}"))).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], format!("bytes {from}-{to}/{}", large().len()));
    assert_eq!(part.bytes().await.unwrap(), large()[from..=to]);
    assert_eq!(code(read("a-b", Some("bytes=2-")).await).await, Code::RangeNotSatisfiable);
    assert_eq!(code(read("none", None).await).await, Code::NotFound);
    assert_eq!(code(read("a", None).await).await, Code::InvalidState);
    assert_eq!(cloud.agent(agent).await["status"], "suspended", "who reads does not wake it");
}

#[tokio::test]
async fn the_log_of_a_suspended_agent_is_read_from_its_checkpoint() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    suspend_with_files(&cloud, &host, agent).await;
    let path = format!("/v1/agents/{agent}/logs");
    let seqs = async |query: &str| -> Vec<u64> {
        let lines = cloud.request(Method::GET, &format!("{path}{query}")).send().await.unwrap();
        let lines = lines.error_for_status().unwrap().text().await.unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(seqs("").await, [1, 2, 3]);
    assert_eq!(seqs("?after=2").await, [3]);
    assert_eq!(seqs("?level=error").await, [2]);
    assert_eq!(seqs("?follow=true&after=1").await, [2, 3], "what there is, and an end");
    assert!(host.seen().logs.is_empty());
}

#[tokio::test]
async fn a_checkpoint_that_is_gone_is_our_fault_and_says_nothing_wrong() {
    let (cloud, _host) = Cloud::start().await;
    let agent = cloud.suspended().await;
    let answer = cloud.request(Method::GET, &format!("/v1/agents/{agent}/files")).send().await.unwrap();
    assert_eq!(code(answer).await, Code::Internal);
}

#[tokio::test]
async fn a_write_resumes_a_suspended_agent_and_is_durable_before_its_answer() {
    let (cloud, host) = Cloud::start().await;
    let agent = cloud.suspended().await;
    let path = format!("/v1/agents/{agent}/files/a");
    let put = cloud.request(Method::PUT, &path).body("hi").send().await.unwrap();
    assert_eq!(put.status(), StatusCode::OK);
    assert_eq!(cloud.agent(agent).await["status"], "running");
    let automatic = |command: &Command| matches!(command, Command::Checkpoint { agent: of, epoch: 2, kind: CheckpointKind::Automatic, .. } if *of == agent);
    assert_eq!(host.seen().commands.iter().filter(|command| automatic(command)).count(), 1);
    host.seen().answers.push_back(refused(RefusalCode::StoreUnavailable));
    let put = cloud.request(Method::PUT, &path).body("hi").send().await.unwrap();
    let problem = problem(put).await;
    assert_eq!((problem.code, problem.retryable), (Code::Unavailable, true));
    assert!(problem.detail.unwrap().contains("not durable yet"));
    let removed = cloud.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    assert_eq!(host.seen().commands.iter().filter(|command| automatic(command)).count(), 3);
}

#[tokio::test]
async fn what_nobody_refers_to_leaves_the_object_store() {
    let (cloud, host) = Cloud::start().await;
    let agent = agent_id(&cloud.cell().await);
    host.commit(agent, 1, Then::Run {}).await;
    let data = cloud.stop().await;
    let depot = Depot::local(&data.path().join("depot")).unwrap();
    let store = SqliteStore::open(&data.path().join("claw.db")).unwrap();
    let mut names = Vec::new();
    for _ in 0..3 {
        let mut pack = PackBuilder::new(PackId::new());
        pack.add_chunk(b"something");
        let pack = pack.seal();
        names.push(pack.id);
        depot.put(pack).await.unwrap();
    }
    // Two came with commits of long ago, and only one of them is referred to still; the third was just written.
    let old = Timestamp::now() - SignedDuration::from_hours(1);
    let (base, _) = taken(CheckpointKind::Automatic, None, cell().digest);
    let at = CheckpointRef { pack: names[0], ..base.checkpoint.clone() };
    let taken = Taken { checkpoint: at, packs: vec![names[0]], ..base };
    let commit =
        Commit { agent, epoch: 1, taken: Some(taken), then: Then::Run {}, wake_at: None, undone: false };
    let packs = names[..2].iter().map(|id| (*id, 100)).collect();
    let commits = Commits { incarnation: host.incarnation, packs, commits: vec![commit] };
    store.commit(host.id, commits, old).await.unwrap();
    drop(store);

    let cloud = Cloud::open(Arc::clone(&data), |config| config.tick = Duration::from_millis(5)).await;
    let collected = async {
        loop {
            let left: Vec<_> = depot.list(None, 100).await.unwrap().into_iter().map(|pack| pack.id).collect();
            if !left.contains(&names[1]) {
                return left;
            }
        }
    };
    let left = tokio::time::timeout(LONG, collected).await.expect("garbage stays");
    assert!(left.contains(&names[0]) && left.contains(&names[2]), "{left:?} of {names:?}");
    cloud.stop().await;
}
