//! Proves the borders between crates: what a crate must not link, and what only one file may call.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::{progress::Step, tidy, workspace::Workspace};

/// A crate, the beginnings of names it must not link, and why.
const LINKS: [(&str, &[&str], &str); 4] = [
    ("api", &["wasmtime", "cranelift"], "the control plane runs no guest"),
    ("host", &["rusqlite", "libsqlite3-sys", "aws-sdk", "api v"], "a host knows no database and no tenancy"),
    ("wire", &["api v", "host v", "claw v", "tokio v", "axum v"], "wire is a leaf: types and nothing else"),
    ("openclaw-agent", &["wire v", "host v", "api v", "tokio v"], "an agent is compiled alone, for wasm"),
];

/// A text, the only file that may contain it, and why.
const CALLS: [(&str, &str, &str); 2] = [
    ("component::bindgen!", "host/src/bindings.rs", "one set of generated types"),
    ("Config::new()", "host/src/engine.rs", "artefacts made under other engine settings are rejected"),
];

pub(crate) fn check(ws: &Workspace) -> Result<()> {
    let step = Step::begin("layering");
    match violations(ws) {
        Ok(found) if found.is_empty() => {
            step.done("");
            Ok(())
        }
        Ok(found) => {
            step.failed();
            bail!("layering:\n  {}", found.join("\n  "))
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

fn violations(ws: &Workspace) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (package, banned, why) in LINKS {
        let mut tree = ws.cargo(&["tree", "--package", package, "--edges", "normal", "--prefix", "none"]);
        let output = tree.output().context("cannot run cargo tree")?;
        if !output.status.success() {
            bail!("cargo tree --package {package}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        // The first line is the package itself.
        for line in text.lines().skip(1) {
            if banned.iter().any(|name| line.starts_with(name)) {
                found.push(format!("{package} links {line}: {why}"));
            }
        }
    }
    for file in tidy::files(ws)?.iter().filter(|file| file.starts_with("host/") && file.ends_with(".rs")) {
        let text = fs::read_to_string(ws.root.join(file))?;
        for (call, only, why) in CALLS {
            let engine_config = call != "Config::new()" || text.contains("wasmtime::Config");
            if text.contains(call) && engine_config && file != only {
                found.push(format!("{file} contains {call}, which only {only} may: {why}"));
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}
