//! The `claw` program: reads arguments and environment, and gives them to the library.

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser as _;
use claw::{Cli, Surroundings};

/// A host lives by how much memory it has left, so what it frees has to leave it (decisions/0015).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn surroundings() -> Surroundings {
    let dir = |name: &str| env::var(name).ok().map(PathBuf::from).filter(|path| path.is_absolute());
    let home = dir("HOME");
    let below =
        |name: &str, fallback: &str| dir(name).or_else(|| home.as_ref().map(|home| home.join(fallback)));
    Surroundings {
        here: env::current_dir().unwrap_or_else(|_| Path::new(".").to_owned()),
        config: below("XDG_CONFIG_HOME", ".config").map(|dir| dir.join("claw")),
        data: below("XDG_DATA_HOME", ".local/share").map(|dir| dir.join("claw")),
    }
}

fn main() -> ExitCode {
    claw::main(Cli::parse(), surroundings())
}
