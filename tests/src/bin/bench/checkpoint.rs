//! What the first checkpoint of an idle shell stores.

use std::time::Instant;

use cloud_tests::Cloud;
use serde_json::{Value, json};

use crate::{common::post, parts, stats::report};

/// What they have alike is stored by the last of them.
const SHELLS: usize = 50;

pub(crate) async fn run() -> Value {
    let cloud = Cloud::with(parts::setup(&["shell"], 64)).await;
    let (mut took, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..SHELLS {
        let agent = cloud.spawn(json!({ "image": "shell" })).await;
        // Its prompt is on the screen: it has done all that an idle shell does.
        let mut terminal = cloud.terminal(&agent).await;
        terminal.wait("$").await;
        drop(terminal);
        let begun = Instant::now();
        let kept = post(&cloud, &agent, "checkpoints", json!({})).await;
        took.push(begun.elapsed());
        sizes.push((kept["size_bytes"].as_u64().unwrap(), kept["unique_bytes"].as_u64().unwrap()));
    }
    let (first, last) = (sizes[0], sizes[SHELLS - 1]);
    println!("first checkpoint of the first idle shell: {} bytes stored, {} its own", first.0, first.1);
    println!(
        "first checkpoint of idle shell {SHELLS}: {} bytes stored, {} its own   promised: 65536, 8192",
        last.0, last.1
    );
    json!({
        "took": report("checkpoint request to 201, idle shell", took, "-"),
        "first_shell": { "stored_bytes": first.0, "own_bytes": first.1 },
        "last_shell": { "stored_bytes": last.0, "own_bytes": last.1 },
        "promised": "64 KiB stored, 8 KiB its own",
    })
}
