//! `cargo xtask bench spawn|echo|density|life|all [-- --json FILE]`: what SPECIFICATION.md promises,
//! measured on a whole cloud in this one process. Clients run in it too, so their cost is in the figures.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and fails loudly")]

use serde_json::{Value, json};

mod density;
mod durability;
mod echo;
mod fork;
mod life;
mod machine;
mod spawn;
mod stats;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let name = args.first().map_or("all", String::as_str);
    let file = args.iter().position(|arg| arg == "--json").and_then(|at| args.get(at + 1));
    let machine = machine::describe();
    println!("{}", machine::line(&machine));
    let mut results = serde_json::Map::new();
    let all = ["spawn", "echo", "density", "life", "suspend", "checkpoint", "fork", "parked", "drain"];
    for known in all {
        if name != known && name != "all" {
            continue;
        }
        let result: Value = match known {
            "spawn" => spawn::run().await,
            "echo" => echo::run().await,
            "density" => density::run().await,
            "life" => life::run().await,
            "suspend" => durability::suspend().await,
            "checkpoint" => durability::checkpoint().await,
            "fork" => fork::run().await,
            "parked" => durability::parked().await,
            _ => durability::drain().await,
        };
        results.insert(known.to_owned(), result);
    }
    anyhow::ensure!(!results.is_empty(), "no benchmark {name:?}: {} or all", all.join(", "));
    if let Some(file) = file {
        let text = serde_json::to_string_pretty(&json!({ "machine": machine, "results": results }))?;
        std::fs::write(file, text + "\n")?;
    }
    Ok(())
}
