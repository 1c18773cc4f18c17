//! From the spawn request to `201 running`, with the durable store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cloud_tests::Cloud;
use serde_json::{Value, json};
use wire::agent::Agent;

use crate::{parts, stats::report};

const WARM_UP: usize = 50;
const SINGLE: usize = 500;
const MANY: usize = 1000;
const CLIENTS: usize = 16;

pub(crate) async fn run() -> Value {
    let setup = parts::setup(&["shell"], 3000);
    let cloud = Arc::new(Cloud::with(setup).await);
    for _ in 0..WARM_UP {
        cloud.spawn(json!({ "image": "shell" })).await;
    }
    let (mut alone, mut first_output) = (Vec::new(), Vec::new());
    for _ in 0..SINGLE {
        let begun = Instant::now();
        let agent = cloud.spawn(json!({ "image": "shell" })).await;
        alone.push(begun.elapsed());
        first_output.push(first_output_of(&cloud, &agent).await);
    }
    let begun = Instant::now();
    // How many are begun: whichever client is free takes the next.
    let taken = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (cloud, taken) = (cloud.clone(), taken.clone());
            tokio::spawn(async move {
                let mut took = Vec::new();
                while taken.fetch_add(1, Ordering::Relaxed) < MANY {
                    let begun = Instant::now();
                    cloud.spawn(json!({ "image": "shell" })).await;
                    took.push(begun.elapsed());
                }
                took
            })
        })
        .collect();
    let mut together = Vec::new();
    for client in clients {
        together.extend(client.await.unwrap());
    }
    let all = begun.elapsed();
    let spawned = together.len();
    let result = json!({
        "alone": report("spawn request to 201 running, one client", alone, "p50 5 ms, p99 25 ms"),
        "first_output": report("instantiation to first prompt byte, in the host", first_output, "p50 1 ms"),
        "together": report("spawn, 16 clients at once", together, "-"),
        "together_seconds": all.as_secs_f64(),
        "together_count": spawned,
    });
    println!("{spawned} spawns from {CLIENTS} clients: {:.2} s   promised: 1,000 in 4 s", all.as_secs_f64());
    result
}

async fn first_output_of(cloud: &Cloud, agent: &Agent) -> Duration {
    let usage = cloud.usage(agent).await;
    Duration::from_micros(usage.first_output_us)
}
