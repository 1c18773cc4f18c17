//! What `claw up` says once it is ready.

use std::{path::PathBuf, process::Stdio};

use serde::Serialize;

use crate::{failure::Failure, output::Output};

/// Where everything is.
#[derive(Debug, Serialize)]
pub(crate) struct Ready {
    /// The API's address.
    pub(crate) url: String,
    /// The first token.
    pub(crate) token: String,
    /// The console, with a one-time code to sign in.
    pub(crate) console: String,
    /// The demo agent's terminal, with another.
    pub(crate) terminal: Option<String>,
    /// The demo agent.
    pub(crate) agent: Option<wire::AgentId>,
    /// The data directory.
    pub(crate) data: PathBuf,
    /// How long it took to get here, seconds.
    pub(crate) seconds: f32,
}

impl Ready {
    /// Says it: one line of JSON, or a few lines for people.
    pub(crate) fn announce(&self, out: Output) -> Result<(), Failure> {
        if out.json {
            return out.line(&serde_json::to_string(self).map_err(std::io::Error::other)?);
        }
        let mut text = format!("\n  OpenClaw Cloud is up ({:.1} s)\n\n", self.seconds);
        if let Some(terminal) = &self.terminal {
            text.push_str(&format!("  Terminal   {terminal}\n"));
        }
        text.push_str(&format!("  Console    {}\n", self.console));
        text.push_str(&format!("  Token      in {}\n\n", self.data.join("token").display()));
        text.push_str("  Both addresses sign one browser in, once, within 10 minutes.\n");
        text.push_str(
            "  Here: claw ls, claw spawn, claw attach demo. Ctrl-C stops; agents keep their files.\n",
        );
        out.line(&text)
    }
}

/// Opens an address in the browser.
pub(crate) async fn open(address: String) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = tokio::process::Command::new(opener);
    command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status().await {
        Ok(status) if status.success() => {}
        Ok(_) => eprintln!("no browser could be opened; the address is above"),
        Err(error) => eprintln!("no browser could be opened ({opener}: {error}); the address is above"),
    }
}
