//! Anonymous memory of many live, idle shell agents in one host process.

use std::{sync::Arc, time::Instant};

use cloud_tests::Cloud;
use serde_json::{Value, json};

use crate::{machine::status_kib, parts};

const AGENTS: u64 = 5000;
const CLIENTS: u64 = 8;

pub(crate) async fn run() -> Value {
    let setup = parts::setup(&["shell"], 5200);
    let cloud = Arc::new(Cloud::with(setup).await);
    // What the first ones allocate for all is not counted.
    for _ in 0..100 {
        cloud.spawn(json!({ "image": "shell" })).await;
    }
    let before = status_kib("RssAnon");
    let begun = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let cloud = cloud.clone();
            tokio::spawn(async move {
                for _ in 0..AGENTS / CLIENTS {
                    cloud.spawn(json!({ "image": "shell" })).await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let took = begun.elapsed().as_secs_f64();
    let each = status_kib("RssAnon").saturating_sub(before) / AGENTS;
    let maps = std::fs::read_to_string("/proc/self/maps").map_or(0, |maps| maps.lines().count());
    println!(
        "{AGENTS} live idle shell agents: {each} KiB anonymous each, {maps} mappings, spawned in {took:.1} s   promised: 400 KiB"
    );
    json!({ "agents": AGENTS, "kib_each": each, "mappings": maps, "seconds": took, "promised": "400 KiB" })
}
