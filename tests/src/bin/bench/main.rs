//! `cargo xtask bench spawn|echo|density|life|all [-- --json FILE]`: what SPECIFICATION.md promises,
//! measured on a whole cloud in this one process. Clients run in it too, so their cost is in the figures.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and fails loudly")]

use serde_json::{Value, json};

mod density;
mod echo;
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
    for (known, run) in [("spawn", 0), ("echo", 1), ("density", 2), ("life", 3)] {
        if name != known && name != "all" {
            continue;
        }
        let result: Value = match run {
            0 => spawn::run().await,
            1 => echo::run().await,
            2 => density::run().await,
            _ => life::run().await,
        };
        results.insert(known.to_owned(), result);
    }
    anyhow::ensure!(!results.is_empty(), "no benchmark {name:?}: spawn, echo, density, life or all");
    if let Some(file) = file {
        let text = serde_json::to_string_pretty(&json!({ "machine": machine, "results": results }))?;
        std::fs::write(file, text + "\n")?;
    }
    Ok(())
}
