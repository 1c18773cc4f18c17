//! A Chromium for the browser tests.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::{
    progress::{self, Step},
    workspace::Workspace,
};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Finds a Chromium, or installs Debian's when this is root.
pub(crate) fn find(ws: &Workspace) -> Result<PathBuf> {
    if let Some(found) = ws.which(&NAMES) {
        return Ok(found);
    }
    let is_root = ws.command("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if !is_root || ws.which(&["apt-get"]).is_none() {
        bail!(
            "the browser tests need Chromium, and no {} is in PATH: install it (Debian: apt-get install chromium), \
             or leave them out with cargo xtask test --no-browser",
            NAMES.join(", ")
        );
    }
    let mut step = Step::begin("apt-get install chromium");
    let mut said = String::new();
    // The second time with fresh lists: those of a new machine may be empty or old.
    for refresh in [false, true] {
        if refresh {
            progress::watch(ws, &mut step, apt(ws).arg("update"), None)?;
        }
        let mut install = apt(ws);
        install.args(["install", "--yes", "--no-install-recommends", "chromium"]);
        let outcome = progress::watch(ws, &mut step, &mut install, None)?;
        if outcome.ok {
            step.done("");
            return ws.which(&NAMES).context("Chromium was installed, but is not in PATH");
        }
        said = outcome.text(6);
    }
    step.failed();
    bail!("apt-get install chromium: {said}")
}

fn apt(ws: &Workspace) -> std::process::Command {
    let mut command = ws.command("apt-get");
    // Another apt on the machine is waited for.
    command.args(["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
