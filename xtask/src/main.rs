//! Project automation: one command for each thing a developer or CI does, with its set-up included.
//!
//! `cargo xtask up` and `cargo xtask test` need nothing but rustup's Rust and Node.js: what is missing is
//! fetched or built, what is up to date is skipped (see [`stamp`]), and long steps say how far they are
//! (see [`progress`]).

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod binary;
mod chromium;
mod guests;
mod layering;
mod lint;
mod progress;
mod stamp;
mod test;
mod tidy;
mod toolchain;
mod up;
mod web;
mod workspace;

use workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Everything this project automates", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Set up what is missing, start the cloud on 127.0.0.1:7300, and print the address of an agent's terminal
    Up(up::Args),
    /// Set up what tests need and run them all, the browser's included
    Test(test::Args),
    /// What CI does: `lint`, then `test`
    Ci,
    /// Build guests, page and the `claw` binary
    Build {
        /// Optimised, as a deployment runs it
        #[arg(long)]
        release: bool,
    },
    /// Build the guest components into target/guests/components, the tests' ones included
    Guests,
    /// Build the web console into api/web/dist
    Web,
    /// Make sure guests can be compiled, and say by which of the three ways
    Toolchain(toolchain::Args),
    /// Measure what SPECIFICATION.md promises: one benchmark, or all
    Bench(bench::Args),
    /// Format everything
    Fmt,
    /// Formatting, clippy, rustdoc, layering, tidiness, and dependencies when cargo-deny is installed
    Lint {
        /// Only what compiles nothing
        #[arg(long)]
        quick: bool,
    },
    /// Prove what must not link what
    Layering,
    /// Long files, leftovers, paths of one machine
    Tidy,
    /// Advisories, licences and banned dependencies
    Deny,
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn workspace() -> Workspace {
    let var = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let cache = var("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| var("HOME").map(|home| PathBuf::from(home).join(".cache")));
    Workspace::new(workspace::Environment {
        cargo: var("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from),
        target: var("CARGO_TARGET_DIR").map(PathBuf::from),
        path: var("PATH").unwrap_or_default(),
        home: var("HOME").map(PathBuf::from),
        ci: var("CI").is_some(),
        cache,
    })
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli.verb, &workspace()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &Verb, ws: &Workspace) -> Result<()> {
    match verb {
        Verb::Up(args) => up::run(ws, args),
        Verb::Test(args) => test::run(ws, args),
        Verb::Ci => {
            lint::all(ws)?;
            test::run(ws, &test::Args::default())
        }
        Verb::Build { release } => binary::everything(ws, *release).map(drop),
        Verb::Guests => guests::build_all(ws),
        Verb::Web => web::build(ws),
        Verb::Toolchain(args) => toolchain::run(ws, args),
        Verb::Bench(args) => bench::run(ws, args),
        Verb::Fmt => lint::fmt(ws, lint::Fmt::Write),
        Verb::Lint { quick: true } => lint::quick(ws),
        Verb::Lint { quick: false } => lint::all(ws),
        Verb::Layering => layering::check(ws),
        Verb::Tidy => tidy::check(ws),
        Verb::Deny => lint::deny(ws),
    }
}
