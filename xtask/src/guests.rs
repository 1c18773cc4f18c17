//! Agents as WebAssembly components: `target/guests/components/*.wasm`.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    progress,
    stamp::Stamp,
    toolchain,
    workspace::{Workspace, copy_if_changed},
};

mod languages;
mod tools;

/// A component's name and the package of the workspace that makes it.
const GUESTS: [(&str, &str); 8] = [
    ("shell", "shell-agent"),
    ("hello", "hello-agent"),
    ("hostile", "hostile-agent"),
    ("machine", "machine-agent"),
    ("load", "load-agent"),
    ("filter", "filter-command"),
    ("counter", "counter-agent"),
    ("tally", "tally-agent"),
];
/// Everything that decides what they are.
const INPUTS: [&str; 11] = [
    "wit",
    "agent-guest",
    "tests/guests/hostile",
    "tests/guests/machine",
    "tests/guests/load",
    "tests/guests/filter",
    "tests/guests/counter",
    "tests/guests/tally",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
];

/// Where the components are; `claw/build.rs` looks here too.
pub(crate) fn components(ws: &Workspace) -> PathBuf {
    ws.root.join("target/guests/components")
}

/// Builds what changed of the agents in Rust and says where the components are.
pub(crate) fn build(ws: &Workspace) -> Result<PathBuf> {
    let components = components(ws);
    let outputs = GUESTS.map(|(name, _)| components.join(name).with_extension("wasm"));
    let stamp = Stamp::new(ws, "guests", &INPUTS, "", outputs.to_vec())?;
    if stamp.is_fresh() {
        return Ok(components);
    }
    let toolchain = toolchain::find(ws)?;
    // A directory of their own: their compiler may be another one, and the host's build must not wait for them.
    let target = target(ws);
    let mut cargo = ws.cargo(&["build", "--profile", "guest", "--target", toolchain::TARGET, "--target-dir"]);
    cargo.arg(&target);
    for (_, package) in GUESTS {
        cargo.args(["--package", package]);
    }
    toolchain.apply(ws, &mut cargo);
    progress::run(ws, "agents", &mut cargo)?;
    for ((_, package), output) in GUESTS.iter().zip(&outputs) {
        copy_if_changed(&made(ws, package), output)?;
    }
    stamp.write()?;
    Ok(components)
}

/// Builds what changed of all agents, the tests' ones in other languages included.
pub(crate) fn build_all(ws: &Workspace) -> Result<()> {
    build(ws)?;
    languages::build(ws)
}

/// Cargo's target directory for guests.
fn target(ws: &Workspace) -> PathBuf {
    ws.root.join("target/guests")
}

/// What cargo makes of a package.
fn made(ws: &Workspace, package: &str) -> PathBuf {
    let dir = target(ws).join(toolchain::TARGET).join("guest");
    // A library's file has underscores, a program's is called as the package.
    let program = dir.join(package).with_extension("wasm");
    if program.is_file() { program } else { dir.join(package.replace('-', "_")).with_extension("wasm") }
}
