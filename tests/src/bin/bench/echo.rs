//! From a key press to its echo, through API and host.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use cloud_tests::{Cloud, Terminal};
use serde_json::{Value, json};

use crate::{parts, stats::report};

const WARM_UP: usize = 100;
const KEYS: usize = 2000;
const OTHERS: usize = 200;
/// Of each of the others: ten keys a second.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn run() -> Value {
    let setup = parts::setup(&["shell"], 400);
    let cloud = Arc::new(Cloud::with(setup).await);
    let mut terminal = open(&cloud).await;
    measure(&mut terminal, WARM_UP).await;
    let alone = measure(&mut terminal, KEYS).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut others = Vec::new();
    for _ in 0..OTHERS {
        let mut other = open(&cloud).await;
        let stop = stop.clone();
        others.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                key(&mut other).await;
                tokio::time::sleep(PAUSE).await;
            }
        }));
    }
    measure(&mut terminal, WARM_UP).await;
    let crowded = measure(&mut terminal, KEYS).await;
    stop.store(true, Ordering::Relaxed);
    for other in others {
        other.await.unwrap();
    }
    json!({
        "alone": report("echo of a key press, alone", alone, "p50 1 ms"),
        "crowded": report("echo of a key press, 200 others typing", crowded, "p50 1 ms, p99 5 ms"),
    })
}

async fn open(cloud: &Cloud) -> Terminal {
    let agent = cloud.spawn(json!({ "image": "shell" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("$").await;
    terminal
}

async fn measure(terminal: &mut Terminal, keys: usize) -> Vec<Duration> {
    let mut took = Vec::with_capacity(keys);
    for _ in 0..keys {
        took.push(key(terminal).await);
    }
    took
}

/// Types one key and waits for its echo: the time to the first byte of it. Every 40th is Ctrl-U, so
/// that the line stays short.
async fn key(terminal: &mut Terminal) -> Duration {
    let (before, clear) = (terminal.position.1, terminal.sent % 40 == 39);
    let begun = Instant::now();
    terminal.keys(if clear { "\x15" } else { "x" }).await;
    while terminal.position.1 == before {
        assert!(terminal.receive().await, "closed: {:?}", terminal.closed);
    }
    let took = begun.elapsed();
    // The acknowledgement comes after all output of the key: nothing of it is left for the next one's time.
    while terminal.applied < terminal.sent {
        assert!(terminal.receive().await, "closed: {:?}", terminal.closed);
    }
    took
}
