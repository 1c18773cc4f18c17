//! `cargo xtask up`: from a fresh clone to a running cloud.

use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, Result};

use crate::{binary, workspace::Workspace};

/// Options of `cargo xtask up`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Open the agent's terminal in the browser
    #[arg(long)]
    open: bool,
    /// Use an optimised build
    #[arg(long)]
    release: bool,
    /// Passed to `claw up`
    #[arg(last = true)]
    args: Vec<String>,
}

pub(crate) fn run(ws: &Workspace, args: &Args) -> Result<()> {
    let claw = binary::everything(ws, args.release)?;
    let mut up = Command::new(&claw);
    up.arg("up");
    let given = |name: &str| args.args.iter().any(|arg| arg == name || arg.starts_with(&format!("{name}=")));
    if !given("--listen") {
        up.args(["--listen", "127.0.0.1:7300"]);
    }
    if !given("--data") {
        up.arg("--data").arg(ws.root.join(".claw"));
    }
    if args.open {
        up.arg("--open");
    }
    up.args(&args.args);
    // In this process's place: signals then reach it, and its exit code is ours.
    Err(up.exec()).with_context(|| format!("cannot run {}", claw.display()))
}
