//! `cargo xtask bench NAME|all [-- --json FILE] [--repeat N]`: what SPECIFICATION.md promises, measured on a whole
//! cloud in this one process. API, hosts and clients have threads of their own, so the CPU time of each is known.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and fails loudly")]

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

mod checkpoint;
mod common;
mod density;
mod drain;
mod echo;
mod fork;
mod machine;
mod objects;
mod overhead;
mod parked;
mod parts;
mod spawn;
mod stats;
mod suspend;

const ALL: [&str; 11] = [
    "spawn",
    "echo",
    "density",
    "suspend",
    "checkpoint",
    "fork",
    "parked",
    "drain",
    "instrumentation",
    "checkpoints",
    "objects",
];

/// Not a part of all: it takes many minutes.
const LONG: &str = "parked-all";

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let name = args.first().map_or("all", String::as_str);
    let repeat: usize = option("--repeat").map_or(Ok(1), |n| n.parse())?;
    let file = option("--json").map(Path::new);
    let all = ALL.into_iter().filter(|known| name == *known || name == "all");
    let names: Vec<_> = all.chain((name == LONG).then_some(LONG)).collect();
    anyhow::ensure!(!names.is_empty(), "no benchmark {name:?}: {}, {LONG} or all", ALL.join(", "));
    let machine = machine::describe();
    println!("{}", machine::line(&machine));
    let [api, host, client] = parts::start()?;
    for name in names {
        for _ in 0..repeat {
            let before = machine::now();
            let result = client.block_on(run(name));
            let run =
                json!({ "machine": machine, "before": before, "after": machine::now(), "result": result });
            if let Some(file) = file {
                keep(file, name, run)?;
            }
        }
    }
    for runtime in [client, host, api] {
        runtime.shutdown_background();
    }
    Ok(())
}

async fn run(name: &str) -> Value {
    match name {
        "spawn" => spawn::run().await,
        "echo" => echo::run().await,
        "density" => density::run().await,
        "suspend" => suspend::run().await,
        "checkpoint" => checkpoint::run().await,
        "fork" => fork::run().await,
        "parked" => parked::run().await,
        LONG => parked::all().await,
        "drain" => drain::run().await,
        "instrumentation" => overhead::instrumentation().await,
        "checkpoints" => overhead::checkpoints().await,
        _ => objects::run().await,
    }
}

/// Adds a run to those of its benchmark in the file, so that each may be taken when the machine is quiet.
fn keep(file: &Path, name: &str, run: Value) -> anyhow::Result<()> {
    let mut kept: Map<String, Value> = match std::fs::read(file) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).with_context(|| format!("{} is no JSON", file.display()))?
        }
        Err(_) => Map::new(),
    };
    let runs = kept.entry(name).or_insert_with(|| json!([]));
    runs.as_array_mut().context("not a file of this program")?.push(run);
    std::fs::write(file, serde_json::to_string_pretty(&kept)? + "\n")?;
    Ok(())
}
