//! An agent that is suspended and resumed a thousand times is the agent it was, and so is what is kept of it.

use std::{collections::BTreeMap, time::Duration};

use checkpoint::Expect;
use cloud_tests::{Cloud, cloud::PATIENCE};
use serde_json::json;
use wire::agent::{Agent, Status};

use super::run::{Stage, turn};
use crate::records::{Records, packs};

const CYCLES: usize = 1000;
/// After so many, everything has the size it stays at.
const SETTLED: usize = 100;

/// Everything that is kept of an agent, counted.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    handles: usize,
    files: usize,
    pages: usize,
    wasm_pages: u32,
    operations: usize,
    events: usize,
    input_sessions: usize,
    terminal: u64,
    /// Rows of every table, but of those about packs.
    rows: BTreeMap<String, u64>,
}

async fn kept(cloud: &Cloud, records: &Records, agent: &Agent) -> Kept {
    let last = cloud.depot().manifest(&records.last(agent), &Expect::default()).await.unwrap();
    let guest = last.guest.unwrap();
    let mut rows = records.rows();
    rows.retain(|table, _| !table.contains("packs"));
    Kept {
        handles: guest.handles.len(),
        files: guest.files.len(),
        pages: guest.memories.iter().map(|memory| memory.pages.len()).sum(),
        wasm_pages: guest.memories.iter().map(|memory| memory.wasm_pages).sum(),
        operations: last.operations.pending.len(),
        events: last.mailbox.len(),
        input_sessions: last.inputs.sessions.len(),
        terminal: last.terminal.head,
        rows,
    }
}

/// Bytes of the last checkpoint: of all it refers to, and its own.
async fn bytes(cloud: &Cloud, agent: &Agent) -> (u64, u64) {
    let (_, list) = cloud.get(&format!("/v1/agents/{}/checkpoints", agent.id)).await;
    let newest = &list["data"][0];
    (newest["size_bytes"].as_u64().unwrap(), newest["unique_bytes"].as_u64().unwrap())
}

fn median(mut of: Vec<Duration>) -> Duration {
    of.sort_unstable();
    of[of.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_cycles_leave_no_trace() {
    let stage = Stage::of("machine").await;
    let cloud = &stage.cloud;
    let records = Records::of(cloud);
    let agent = cloud.spawn(json!({ "image": "machine" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    for (line, answer) in [("file open f", "open f"), ("file write x", "wrote 2 at 2"), ("add 41", "sum 41")]
    {
        terminal.run(line).await;
        terminal.wait_line(answer).await;
    }
    drop(terminal);
    let (mut took, mut early) = (Vec::new(), None);
    for cycle in 1..=CYCLES {
        let begun = std::time::Instant::now();
        turn(cloud, &agent, "suspend").await;
        if cycle == SETTLED {
            early = Some((kept(cloud, &records, &agent).await, bytes(cloud, &agent).await));
        }
        turn(cloud, &agent, "resume").await;
        took.push(begun.elapsed());
        if cycle % 50 == 0 {
            records.age_packs(2);
        }
    }
    turn(cloud, &agent, "suspend").await;
    let (early, early_bytes) = early.unwrap();
    let late_bytes = bytes(cloud, &agent).await;
    assert_eq!(kept(cloud, &records, &agent).await, early);
    // Two checkpoints share what is the same in them: each refers to its own pack and to a few of before.
    let used = records.count("packs WHERE refs > 0");
    assert!(used <= 8, "its checkpoints are in {used} packs");
    // Counters in it have more digits.
    assert!(
        late_bytes.0 <= early_bytes.0 + 256 && late_bytes.1 <= early_bytes.1 + 256,
        "{early_bytes:?} {late_bytes:?}"
    );
    // What nobody refers to leaves the object store.
    records.age_packs(0);
    let collected = async {
        let mut looks = tokio::time::interval(Duration::from_millis(100));
        while packs(cloud).len() as u64 > used {
            looks.tick().await;
        }
    };
    if tokio::time::timeout(2 * PATIENCE, collected).await.is_err() {
        let counts = ["packs", "packs WHERE gone = 1", "packs WHERE expires_at IS NOT NULL"];
        let counts = counts.map(|of| (of, records.count(of)));
        panic!("{} packs are stored, {used} of use: {counts:?}", packs(cloud).len());
    }
    let stored: u64 = packs(cloud).values().map(|path| std::fs::metadata(path).unwrap().len()).sum();
    assert!(stored <= 2 * late_bytes.0 + 4096, "{stored} bytes are stored, {late_bytes:?} are of use");

    turn(cloud, &agent, "resume").await;
    cloud.wait_for(&agent, |now| now.status == Status::Running).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.run("add 1").await;
    terminal.wait_line("sum 42").await;
    terminal.run("file write y").await;
    terminal.wait_line("wrote 2 at 4").await;
    let (first, last) = (median(took[..100].to_vec()), median(took[CYCLES - 100..].to_vec()));
    println!(
        "a suspend and resume: median of the first hundred {first:?}, of the last {last:?}; {late_bytes:?} bytes"
    );
}
