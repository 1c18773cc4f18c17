//! `cargo xtask bench`: measurements, on the optimised build.

use anyhow::Result;

use crate::{binary, guests, progress, workspace::Workspace};

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// spawn, echo, density or all
    name: String,
    /// Passed to the benchmark, such as --json
    #[arg(last = true)]
    args: Vec<String>,
}

pub(crate) fn run(ws: &Workspace, args: &Args) -> Result<()> {
    let claw = binary::everything(ws, true)?;
    let mut build = ws.cargo(&["build", "--release", "--workspace", "--bin", "bench"]);
    progress::run(ws, "benchmarks", &mut build)?;
    let mut bench = ws.command(ws.target.join("release/bench"));
    bench.arg(&args.name).args(&args.args);
    bench.env("CLAW_BIN", claw).env("CLAW_COMPONENTS", guests::components(ws));
    progress::show(&format!("bench {}", args.name), &mut bench)
}
