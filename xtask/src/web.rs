//! The web console: `api/web/dist`, which `api` embeds.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{progress, stamp::Stamp, workspace::Workspace};

/// Where its sources are.
pub(crate) const WEB: &str = "api/web";

/// Fails when the page has to be built and cannot be: before anything that takes minutes.
pub(crate) fn ready(ws: &Workspace) -> Result<()> {
    if stamp(ws)?.is_fresh() { Ok(()) } else { node(ws) }
}

/// Node.js as the page's tools want it: `engines` in `api/web/package.json`.
pub(crate) fn node(ws: &Workspace) -> Result<()> {
    const WANTED: &str = "Node.js 20.19 or newer (of 22, 22.12) is needed";
    const HOW: &str = "install it from nodejs.org, or your distribution's package";
    let node = ws.which(&["node"]).with_context(|| format!("{WANTED}, and none is in PATH: {HOW}"))?;
    let output = ws.command(&node).arg("--version").output();
    let output = output.with_context(|| format!("cannot run {}", node.display()))?;
    let found = String::from_utf8_lossy(&output.stdout);
    if !new_enough(&found) {
        bail!("{WANTED}, and {} is {:?}: {HOW}", node.display(), found.trim());
    }
    Ok(())
}

fn new_enough(version: &str) -> bool {
    let mut numbers = version.trim().trim_start_matches('v').split('.').map(|number| number.parse::<u32>());
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return false };
    match major {
        20 => minor >= 19,
        22 => minor >= 12,
        _ => major > 22,
    }
}

fn stamp(ws: &Workspace) -> Result<Stamp> {
    Stamp::new(ws, "web", &[WEB], "", vec![ws.root.join(WEB).join("dist/index.html")])
}

/// Builds the page when its sources changed.
pub(crate) fn build(ws: &Workspace) -> Result<()> {
    let stamp = stamp(ws)?;
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
    node(ws)?;
    let npm =
        ws.which(&["npm"]).context("npm is missing: it comes with Node.js, or is a package of its own")?;
    let mut command = Command::new(npm);
    command.current_dir(ws.root.join(dir));
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_are_those_of_the_pages_tools() {
        for version in ["v20.19.0\n", "v20.20.2", "v22.12.0", "v24.0.1"] {
            assert!(new_enough(version), "{version}");
        }
        for version in ["v18.20.4", "v20.18.3", "v21.7.0", "v22.11.0", "", "node"] {
            assert!(!new_enough(version), "{version}");
        }
    }
}
