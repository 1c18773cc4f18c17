//! Logs on standard error: quiet for people at a terminal, `info` for servers elsewhere.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::{
    cli::{Global, LogFormat, Verb},
    failure::Failure,
};

/// Begins logging for the whole process.
pub(crate) fn init(global: &Global, verb: &Verb) -> Result<(), Failure> {
    let server = matches!(verb, Verb::Up(_) | Verb::Api(_) | Verb::Host(_));
    let terminal = io::stderr().is_terminal();
    let quiet = if matches!(verb, Verb::Up(_)) { terminal } else { !server };
    let default = if quiet { "warn" } else { "info" };
    let filter = global.log.as_deref().unwrap_or(default);
    let filter =
        EnvFilter::try_new(filter).map_err(|error| Failure::Usage(format!("--log {filter}: {error}")))?;
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(terminal);
    match global.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
