//! Agents as WebAssembly components: `target/guests/components/{shell,hello,hostile}.wasm`.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    progress,
    stamp::Stamp,
    toolchain,
    workspace::{Workspace, copy_if_changed},
};

/// A component's name and the package that makes it.
const GUESTS: [(&str, &str); 3] =
    [("shell", "shell-agent"), ("hello", "hello-agent"), ("hostile", "hostile-agent")];
/// Everything that decides what they are.
const INPUTS: [&str; 6] =
    ["wit", "agent-guest", "tests/guests", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];

/// Where the components are; `claw/build.rs` looks here too.
pub(crate) fn components(ws: &Workspace) -> PathBuf {
    ws.root.join("target/guests/components")
}

/// Builds what changed and says where the components are.
pub(crate) fn build(ws: &Workspace) -> Result<PathBuf> {
    let components = components(ws);
    let outputs = GUESTS.map(|(name, _)| components.join(name).with_extension("wasm"));
    let stamp = Stamp::new(ws, "guests", &INPUTS, "", outputs.to_vec())?;
    if stamp.is_fresh() {
        return Ok(components);
    }
    let toolchain = toolchain::find(ws)?;
    // A directory of their own: their compiler may be another one, and the host's build must not wait for them.
    let target = ws.root.join("target/guests");
    let mut cargo = ws.cargo(&["build", "--profile", "guest", "--target", toolchain::TARGET, "--target-dir"]);
    cargo.arg(&target);
    for (_, package) in GUESTS {
        cargo.args(["--package", package]);
    }
    toolchain.apply(ws, &mut cargo);
    progress::run(ws, "agents", &mut cargo)?;
    for ((_, package), output) in GUESTS.iter().zip(&outputs) {
        let made = target
            .join(toolchain::TARGET)
            .join("guest")
            .join(package.replace('-', "_"))
            .with_extension("wasm");
        copy_if_changed(&made, output)?;
    }
    stamp.write()?;
    Ok(components)
}
