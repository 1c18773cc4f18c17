//! A compiler with the standard library of `wasm32-wasip2`, by the first of three ways that works:
//! the target installed in the active toolchain, `rustup target add`, or Debian's packages (see [`debian`]).
//!
//! `rust-toolchain.toml` does not list the target: rustup would then try to fetch it at every cargo call,
//! and where it cannot, every call would fail.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::{
    progress::{self, Step},
    workspace::Workspace,
};

mod apt;
mod debian;

/// What guests are compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip2";
/// How long `rustup target add` may take: its download is 20 MB, and a blocked network must not hold everything up.
const RUSTUP_LIMIT: Duration = Duration::from_secs(120);

/// Options of `cargo xtask toolchain`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Try this way only
    #[arg(long, value_enum)]
    way: Option<Way>,
    /// Where the Debian way puts its toolchains [default: the user's cache directory]
    #[arg(long)]
    into: Option<PathBuf>,
}

/// How a compiler can be had.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// The active toolchain has the target
    Installed,
    /// `rustup target add`
    Rustup,
    /// Debian's packages, unpacked into the cache
    Debian,
}

/// A compiler that can compile guests.
#[derive(Debug)]
pub(crate) struct Toolchain {
    /// The compiler, when it is not the active toolchain's.
    rustc: Option<PathBuf>,
    /// A directory of linkers to put before `PATH`.
    bin: Option<PathBuf>,
    /// Says for people which it is.
    pub(crate) version: String,
}

impl Toolchain {
    /// Makes a cargo command use it.
    pub(crate) fn apply(&self, ws: &Workspace, command: &mut Command) {
        if let Some(rustc) = &self.rustc {
            // A wrapper of the host's compiler does not know this one.
            command.env("RUSTC", rustc).env_remove("RUSTC_WRAPPER").env_remove("RUSTC_WORKSPACE_WRAPPER");
        }
        if let Some(bin) = &self.bin {
            command.env("PATH", format!("{}:{}", bin.display(), ws.env.path));
        }
    }
}

pub(crate) fn run(ws: &Workspace, args: &Args) -> Result<()> {
    let cache = args.into.clone().map_or_else(|| cache(ws), |dir| ws.root.join(dir));
    let toolchain = match args.way {
        None => find_in(ws, &cache)?,
        Some(Way::Installed) => installed(ws)?,
        Some(Way::Rustup) => rustup(ws)?,
        Some(Way::Debian) => debian::find_or_make(ws, &cache)?,
    };
    eprintln!("{TARGET}: {}", toolchain.version);
    Ok(())
}

/// Finds a compiler, or makes one.
pub(crate) fn find(ws: &Workspace) -> Result<Toolchain> {
    find_in(ws, &cache(ws))
}

fn find_in(ws: &Workspace, cache: &Path) -> Result<Toolchain> {
    let no_target = match installed(ws) {
        Ok(toolchain) => return Ok(toolchain),
        Err(error) => error,
    };
    // One made before comes ahead of asking the network again.
    if let Some(toolchain) = debian::find(cache) {
        return Ok(toolchain);
    }
    let no_rustup = match rustup(ws) {
        Ok(toolchain) => return Ok(toolchain),
        Err(error) => error,
    };
    let no_debian = match debian::find_or_make(ws, cache) {
        Ok(toolchain) => return Ok(toolchain),
        Err(error) => error,
    };
    bail!(
        "no compiler for {TARGET}, which agents are compiled for. Three ways were tried:\n\
         1. the target of the active toolchain: {no_target:#}\n\
         2. rustup target add {TARGET}: {no_rustup:#}\n\
         3. the Rust of this machine's Debian mirror: {no_debian:#}\n\
         Make one of them work and run this again."
    )
}

fn cache(ws: &Workspace) -> PathBuf {
    ws.env.cache.as_ref().map_or_else(|| ws.root.join("target"), |dir| dir.join("openclaw-cloud"))
}

fn installed(ws: &Workspace) -> Result<Toolchain> {
    let output = ws.command("rustc").args(["--print", "sysroot"]).output().context("cannot run rustc")?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let std = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    if !output.status.success() {
        bail!("rustc --print sysroot: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    if !std.is_dir() {
        bail!("not installed in {}", sysroot.display());
    }
    Ok(Toolchain { rustc: None, bin: None, version: version(ws, Path::new("rustc"))? })
}

fn rustup(ws: &Workspace) -> Result<Toolchain> {
    let mut step = Step::begin(format!("rustup target add {TARGET}"));
    let added = progress::watch(
        ws,
        &mut step,
        ws.command("rustup").args(["target", "add", TARGET]),
        Some(RUSTUP_LIMIT),
    );
    let result = match added {
        Ok(outcome) if outcome.timed_out => {
            Err(anyhow::anyhow!("not done after {} s", RUSTUP_LIMIT.as_secs()))
        }
        Ok(outcome) if outcome.ok => installed(ws),
        Ok(outcome) => Err(anyhow::anyhow!("{}", outcome.text(4))),
        Err(error) => Err(error),
    };
    match &result {
        Ok(_) => step.done(""),
        Err(_) => step.failed(),
    }
    result
}

fn version(ws: &Workspace, rustc: &Path) -> Result<String> {
    let output = ws
        .command(rustc)
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run {}", rustc.display()))?;
    if !output.status.success() {
        bail!("{} --version: {}", rustc.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
