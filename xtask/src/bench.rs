//! `cargo xtask bench`: measurements, on the optimised build.

use anyhow::Result;

use crate::{guests, progress, workspace::Workspace};

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// spawn, echo, density, suspend, checkpoint, fork, parked, drain, instrumentation, checkpoints, objects or all; parked-all takes many minutes
    name: String,
    /// Passed to the benchmark: --json FILE, --repeat N
    #[arg(last = true)]
    args: Vec<String>,
}

pub(crate) fn run(ws: &Workspace, args: &Args) -> Result<()> {
    guests::build(ws)?;
    let mut build = ws.cargo(&["build", "--release", "--package", "cloud-tests", "--bin", "bench"]);
    progress::run(ws, "benchmarks, optimised", &mut build)?;
    let mut bench = ws.command(ws.target.join("release/bench"));
    bench.arg(&args.name).args(&args.args);
    progress::show(&format!("bench {}", args.name), &mut bench)
}
