//! The tests' agents in other languages. Only `cargo xtask guests` and `cargo xtask test` build them: they want
//! compilers that the product does not.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};

use super::{components, made, target, tools};
use crate::{
    progress,
    stamp::Stamp,
    toolchain, web,
    workspace::{Workspace, copy_if_changed},
};

/// The world they export.
const WIT: &str = "wit/agent";
const QUICKJS: &str = "tests/guests/machine-quickjs";
const PYTHON: &str = "tests/guests/machine-py";
const JAVASCRIPT: &str = "tests/guests/machine-js";

/// Builds what changed.
pub(super) fn build(ws: &Workspace) -> Result<()> {
    step(
        ws,
        "machine-quickjs",
        &[
            WIT,
            "agent-guest/sdk",
            QUICKJS,
            "tests/guests/machine-js/machine.js",
            "Cargo.toml",
            "rust-toolchain.toml",
        ],
        quickjs,
    )?;
    step(ws, "machine-py", &[WIT, PYTHON], python)?;
    step(ws, "machine-js", &[WIT, JAVASCRIPT], javascript)
}

fn step(
    ws: &Workspace,
    name: &str,
    inputs: &[&str],
    make: impl FnOnce(&Workspace, &str) -> Result<PathBuf>,
) -> Result<()> {
    let output = components(ws).join(name).with_extension("wasm");
    let stamp = Stamp::new(ws, name, inputs, "", vec![output.clone()])?;
    if stamp.is_fresh() {
        return Ok(());
    }
    let made = make(ws, name).with_context(|| format!("the tests' agent {name} cannot be built"))?;
    copy_if_changed(&made, &output)?;
    stamp.write()
}

/// A package of its own: its C is compiled for WebAssembly and nothing else, so the workspace leaves it out.
fn quickjs(ws: &Workspace, _name: &str) -> Result<PathBuf> {
    let toolchain = toolchain::find(ws)?;
    let c = tools::c_compiler(ws, QUICKJS)?;
    let mut cargo =
        ws.cargo(&["build", "--locked", "--profile", "guest", "--target", toolchain::TARGET, "--target-dir"]);
    cargo.arg(target(ws)).arg("--manifest-path").arg(ws.root.join(QUICKJS).join("Cargo.toml"));
    toolchain.apply(ws, &mut cargo);
    c.apply(&mut cargo);
    // Otherwise its build script downloads a compiler.
    cargo.env("RQUICKJS_SYS_NO_WASI_SDK", "1");
    progress::run(ws, "agent in QuickJS", &mut cargo)?;
    Ok(made(ws, "machine-quickjs-agent"))
}

fn python(ws: &Workspace, name: &str) -> Result<PathBuf> {
    let tool = tools::pip(ws, PYTHON, "componentize_py/__init__.py")?;
    // A copy, because the interpreter leaves its bytecode beside the sources.
    let sources = target(ws).join(name);
    tools::remove(&sources)?;
    fs::create_dir_all(&sources)?;
    for entry in fs::read_dir(ws.root.join(PYTHON))? {
        let path = entry?.path();
        if let (Some("py"), Some(file)) = (path.extension().and_then(|e| e.to_str()), path.file_name()) {
            fs::copy(&path, sources.join(file))?;
        }
    }
    let made = sources.join("component.wasm");
    let mut command = tools::python(ws)?;
    command.env("PYTHONPATH", &tool).arg(tool.join("bin/componentize-py"));
    command.arg("--wit-path").arg(ws.root.join(WIT)).args(["--world", "agent", "componentize"]);
    command.arg("--python-path").arg(&sources).arg("--output").arg(&made).arg("component");
    progress::run(ws, "agent in Python", &mut command)?;
    Ok(made)
}

fn javascript(ws: &Workspace, name: &str) -> Result<PathBuf> {
    web::install(ws, JAVASCRIPT)?;
    let made = target(ws).join(name).with_extension("wasm");
    let node = ws.which(&["node"]).context("Node.js is missing")?;
    let mut command = ws.command(node);
    command.arg(ws.root.join(JAVASCRIPT).join("build.mjs")).arg(ws.root.join(WIT)).arg(&made);
    progress::run(ws, "agent in JavaScript", &mut command)?;
    Ok(made)
}
