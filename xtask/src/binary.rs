//! The `claw` binary with agents and page embedded.

use std::path::PathBuf;

use anyhow::Result;

use crate::{guests, progress, stamp, stamp::Stamp, web, workspace::Workspace};

/// Everything that decides what it is, besides agents and page.
const INPUTS: [&str; 14] = [
    "wire",
    "points",
    "egress",
    "checkpoint",
    "depot",
    "instrument",
    "host",
    "api",
    "claw",
    "wit",
    ".cargo",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
];

/// Agents, page and binary, each only when something changed; answers with the binary.
pub(crate) fn everything(ws: &Workspace, release: bool) -> Result<PathBuf> {
    web::ready(ws)?;
    guests::build(ws)?;
    web::build(ws)?;
    claw(ws, release)
}

fn claw(ws: &Workspace, release: bool) -> Result<PathBuf> {
    let (profile, dir) = if release { ("release", "release") } else { ("dev", "debug") };
    let claw = ws.target.join(dir).join("claw");
    let components = guests::components(ws);
    let mut embedded = stamp::content(&components.join("shell.wasm"));
    embedded.push_str(&stamp::content(&components.join("hello.wasm")));
    embedded.push_str(&stamp::content(&ws.root.join("target/xtask/stamps/web")));
    let stamp = Stamp::new(ws, &format!("claw-{dir}"), &INPUTS, &embedded, vec![claw.clone()])?;
    if stamp.is_fresh() {
        return Ok(claw);
    }
    // `--workspace`, so that features are the ones tests are built with and nothing is compiled twice.
    let mut build = ws.cargo(&["build", "--workspace", "--bin", "claw", "--profile", profile]);
    progress::run(ws, if release { "claw, optimised" } else { "claw" }, &mut build)?;
    stamp.write()?;
    Ok(claw)
}
