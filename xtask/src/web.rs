//! The web console: `api/web/dist`, which `api` embeds.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{progress, stamp::Stamp, workspace::Workspace};

/// Where its sources are.
pub(crate) const WEB: &str = "api/web";

/// Builds the page when its sources changed.
pub(crate) fn build(ws: &Workspace) -> Result<()> {
    let outputs = vec![ws.root.join(WEB).join("dist/index.html")];
    let stamp = Stamp::new(ws, "web", &[WEB], "", outputs)?;
    if stamp.is_fresh() {
        return Ok(());
    }
    install(ws, WEB)?;
    progress::run(ws, "web console", npm(ws, WEB)?.args(["run", "build"]))?;
    stamp.write()
}

/// `npm ci` in a directory, when its lock changed.
pub(crate) fn install(ws: &Workspace, dir: &str) -> Result<()> {
    let lock = format!("{dir}/package-lock.json");
    let installed: PathBuf = ws.root.join(dir).join("node_modules/.package-lock.json");
    let stamp = Stamp::new(ws, &format!("npm-{}", dir.replace('/', "-")), &[&lock], "", vec![installed])?;
    if stamp.is_fresh() {
        return Ok(());
    }
    let mut ci = npm(ws, dir)?;
    ci.args(["ci", "--no-audit", "--no-fund", "--loglevel", "http"]);
    progress::run(ws, &format!("npm packages of {dir}"), &mut ci)?;
    stamp.write()
}

/// npm, in a directory of the repository.
pub(crate) fn npm(ws: &Workspace, dir: &str) -> Result<Command> {
    let npm = ws
        .which(&["npm"])
        .context("npm is missing: install Node.js 20 (nodejs.org, or your distribution's package)")?;
    let mut command = Command::new(npm);
    command.current_dir(ws.root.join(dir));
    Ok(command)
}
