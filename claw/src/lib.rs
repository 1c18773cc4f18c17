//! OpenClaw Cloud in one binary: the whole cloud (`up`), its parts (`api`, `host`), and the client.
//!
//! A verb goes [`cli`] → its module → [`client`] (the HTTP side) → [`output`]; the servers are below
//! [`serve`], the terminal client is [`attach`]. Whatever goes wrong becomes a [`failure::Failure`], which
//! knows its exit code.

use std::{path::PathBuf, process::ExitCode};

mod attach;
mod cli;
mod client;
mod components;
mod failure;
mod output;
mod profile;
mod serve;
mod telemetry;
mod verbs;

pub use cli::Cli;

use cli::Verb;

/// What the process's surroundings say; read by `main` and nowhere else.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The current directory.
    pub here: PathBuf,
    /// The directory of the configuration file.
    pub config: Option<PathBuf>,
    /// The directory a cloud of this user may be in.
    pub data: Option<PathBuf>,
}

/// Runs the program to its exit code.
#[must_use]
pub fn main(cli: Cli, surroundings: Surroundings) -> ExitCode {
    let json = cli.global.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::from(failure::EX_OS);
        }
    };
    let result = runtime.block_on(run(cli, surroundings));
    // A thread that waits for a key press would otherwise be waited for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(json);
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(cli: Cli, surroundings: Surroundings) -> Result<(), failure::Failure> {
    let Cli { global, verb } = cli;
    telemetry::init(&global, &verb)?;
    let client = || client::Client::find(&global, &surroundings);
    let out = output::Output { json: global.json };
    match verb {
        Verb::Up(args) => serve::up::run(args, &surroundings, out).await,
        Verb::Api(args) => serve::api::run(args, out).await,
        Verb::Host(args) => serve::host::run(args, out).await,
        Verb::HostCredential(args) => serve::host::credential(args, out).await,
        Verb::Spawn(args) => verbs::spawn::run(&client()?, args, out).await,
        Verb::Ls(args) => verbs::agents::list(&client()?, args, out).await,
        Verb::Get(args) => verbs::agents::get(&client()?, args, out).await,
        Verb::Rm(args) => verbs::agents::remove(&client()?, args, out).await,
        Verb::Suspend(args) => verbs::life::suspend(&client()?, args, out).await,
        Verb::Resume(args) => verbs::life::resume(&client()?, args, out).await,
        Verb::Checkpoint(args) => verbs::life::checkpoint(&client()?, args, out).await,
        Verb::Checkpoints(args) => verbs::life::checkpoints(&client()?, args, out).await,
        Verb::CheckpointRm(args) => verbs::life::checkpoint_rm(&client()?, args, out).await,
        Verb::Restore(args) => verbs::life::restore(&client()?, args, out).await,
        Verb::Fork(args) => verbs::life::fork(&client()?, args, out).await,
        Verb::Send(args) => verbs::life::send(&client()?, args, out).await,
        Verb::Hooks(args) => verbs::hooks::run(&client()?, args, out).await,
        Verb::Upgrade(args) => verbs::life::upgrade(&client()?, args, out).await,
        Verb::Attach(args) => attach::run(&client()?, args, out).await,
        Verb::Logs(args) => verbs::logs::run(&client()?, args, out).await,
        Verb::Tokens(args) => verbs::tokens::run(&client()?, args, out).await,
        Verb::Images => verbs::fleet::images(&client()?, out).await,
        Verb::Hosts => verbs::fleet::hosts(&client()?, out).await,
        Verb::Completions { shell } => cli::completions(shell, out),
    }
}
