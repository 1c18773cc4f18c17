//! `cargo xtask test`: the set-up that tests need, then every test.

use std::{fs, path::Path, time::Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use crate::{binary, chromium, guests, progress, web, workspace::Workspace};

/// Packages of the browser tests.
const BROWSER: &str = "tests/browser";
/// Tests that load both cores or measure waits, and so run without neighbours; `.config/nextest.toml` names them too.
const ALONE: [&str; 2] = ["isolation::", "browser::"];

/// Options of `cargo xtask test`.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Only tests whose name contains this
    filter: Option<String>,
    /// Leave out the tests that need a browser
    #[arg(long)]
    no_browser: bool,
}

/// `target/test-env.json`: what tests cannot find out for themselves. `tests/src/` reads it.
#[derive(Serialize)]
struct TestEnv<'a> {
    /// The `claw` binary.
    claw: &'a Path,
    /// The directory of the guest components.
    components: &'a Path,
    /// Chromium; absent where browser tests are left out.
    chromium: Option<&'a Path>,
    /// Node.js, which drives the browser; absent with it.
    node: Option<&'a Path>,
}

pub(crate) fn run(ws: &Workspace, args: &Args) -> Result<()> {
    let begun = Instant::now();
    web::node(ws)?;
    let claw = binary::everything(ws, false)?;
    guests::build_all(ws)?;
    let browser = !args.no_browser && ws.root.join(BROWSER).join("package.json").is_file();
    let chromium = browser.then(|| chromium::find(ws)).transpose()?;
    if browser {
        web::install(ws, BROWSER)?;
    }
    web::install(ws, web::WEB)?;
    let node = ws.which(&["node"]);
    let env = TestEnv {
        claw: &claw,
        components: &guests::components(ws),
        chromium: chromium.as_deref(),
        node: if browser { node.as_deref() } else { None },
    };
    let path = ws.root.join("target/test-env.json");
    fs::write(&path, serde_json::to_vec_pretty(&env)?)
        .with_context(|| format!("cannot write {}", path.display()))?;

    let nextest = ws.has_cargo("nextest");
    let verb: &[&str] = if nextest { &["nextest", "run"] } else { &["test"] };
    let mut build = ws.cargo(verb);
    build.args(["--workspace", "--no-run"]);
    progress::run(ws, "tests are built", &mut build)?;

    // Every part runs, whatever the ones before it said.
    let filter = args.filter.as_deref();
    let mut failed = Vec::new();
    let mut part = |name: &'static str, command: &mut std::process::Command| {
        if let Err(error) = progress::show(name, command) {
            eprintln!("{error:#}");
            failed.push(name);
        }
    };
    let mut rust = ws.cargo(verb);
    rust.arg("--workspace");
    match (nextest, ws.env.ci) {
        (true, true) => _ = rust.args(["--profile", "ci", "--no-tests", "pass"]),
        (true, false) => _ = rust.args(["--no-tests", "pass"]),
        (false, _) => _ = rust.args(["--no-fail-fast", "--lib", "--bins", "--tests"]),
    }
    rust.args(filter);
    match (nextest, filter) {
        (true, _) => part("tests (nextest)", &mut rust),
        // libtest has no "and" of filters, so what was asked for runs one by one.
        (false, Some(_)) => part("tests (cargo test)", rust.args(["--", "--test-threads=1"])),
        (false, None) => {
            let skipped = ALONE.iter().flat_map(|tests| ["--skip", tests]);
            part("tests (cargo test)", rust.arg("--").args(skipped));
            // `--workspace` keeps features, and so what is built already.
            let mut alone = ws.cargo(&["test", "--workspace", "--no-fail-fast", "--test", "it"]);
            alone.args(["--", "--test-threads=1"]).args(ALONE);
            part("tests that run alone (cargo test)", &mut alone);
        }
    }
    if filter.is_none() {
        part("examples in the documentation", &mut ws.cargo(&["test", "--doc", "--workspace"]));
        part("the page's own tests", web::npm(ws, web::WEB)?.args(["test", "--silent"]));
    }

    let seconds = begun.elapsed().as_secs();
    let left_out = if browser { "" } else { ", without the browser's" };
    if failed.is_empty() {
        eprintln!("✓ every test passed{left_out} ({seconds} s with set-up)");
        return Ok(());
    }
    bail!("failed: {} ({seconds} s with set-up)", failed.join(", "))
}
