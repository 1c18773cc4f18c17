//! `claw attach`: an agent's terminal in this one.
//!
//! The connection comes and goes; what stays is [`screen::Screen`] (how far output was shown) and
//! [`outbox::Outbox`] (what was typed and may still have to be sent). Both are pure; [`session`] moves frames
//! between them and a socket, and this file decides when to connect again.

use std::time::Duration;

use rand::Rng as _;
use tokio::time::{Instant, sleep_until};
use wire::{
    AgentId,
    access::Role,
    agent::{Agent, Status, StatusReason},
};

use crate::{
    cli,
    client::{Client, check_live},
    failure::Failure,
    output::Output,
};

mod banner;
mod keys;
mod outbox;
mod screen;
mod session;
mod socket;
mod tty;

use keys::Keys;
use outbox::Outbox;
use screen::Screen;
use tty::{Input, Tty};

/// Pauses between tries grow from this …
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// … to this; each is drawn from nothing up to it, so that many clients do not come back at once.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A person is told about an interruption after this.
const TELL: Duration = Duration::from_secs(2);
/// Piped input is at its end and its effect was shown when the terminal is quiet for this long.
const QUIET: Duration = Duration::from_millis(500);

/// Everything that outlives a connection.
struct Attached {
    client: Client,
    agent: AgentId,
    role: Role,
    tty: Tty,
    keys: Keys,
    outbox: Outbox,
    screen: Screen,
    /// Standard input ended.
    input_over: bool,
    /// The person was told of the interruption that lasts.
    told: bool,
}

/// Why the terminal is left.
enum Left {
    /// By Ctrl-P Ctrl-Q, a signal, or the end of piped input.
    Detached,
    /// The agent ended.
    Ended { status: Status, reason: Option<StatusReason> },
}

/// What became of a connection.
enum Lost {
    /// For good.
    Left(Left),
    /// Try again, no sooner than this.
    Again(Duration),
}

/// Attaches until detached, ended, or refused.
pub(crate) async fn run(client: &Client, args: cli::Attach, out: Output) -> Result<(), Failure> {
    if out.json {
        return Err(Failure::Usage("attach shows a terminal: there is no --json for it".to_owned()));
    }
    let agent = client.agent(&args.agent).await?;
    check_live(&agent)?;
    let role = if args.view { Role::Viewer } else { Role::Operator };
    let tty = Tty::open()?;
    let interactive = tty.is_interactive();
    if interactive {
        let how = if args.view { ", only looking" } else { "" };
        eprintln!("attached to {}{how}; Ctrl-P Ctrl-Q detaches\r", crate::output::printable(&agent.name));
    }
    let mut attached = Attached {
        client: client.clone(),
        agent: agent.id,
        role,
        tty,
        keys: Keys::default(),
        outbox: Outbox::default(),
        screen: Screen::default(),
        input_over: false,
        told: false,
    };
    let left = attached.stay().await;
    attached.tty.restore();
    drop(attached);
    report(&agent, left?, interactive)
}

fn report(agent: &Agent, left: Left, interactive: bool) -> Result<(), Failure> {
    match left {
        Left::Detached if interactive => eprintln!("detached; claw attach {} comes back", agent.id),
        Left::Detached => {}
        Left::Ended { status: Status::Terminated, .. } => {
            eprintln!("{} ended", crate::output::printable(&agent.name))
        }
        Left::Ended { status, reason } => {
            return check_live(&Agent {
                status,
                status_reason: reason,
                status_detail: None,
                ..agent.clone()
            });
        }
    }
    Ok(())
}

impl Attached {
    /// Connects again and again.
    async fn stay(&mut self) -> Result<Left, Failure> {
        let mut pause = FIRST_PAUSE;
        let mut since: Option<Instant> = None;
        loop {
            let lost = match socket::connect(&self.client, self.agent, self.role).await {
                Ok(socket) => {
                    let lost = session::run(self, socket).await?;
                    if self.screen.is_shown() {
                        (pause, since, self.told) = (FIRST_PAUSE, None, false);
                    }
                    lost
                }
                // The first time it says what is wrong; later the cloud may be restarting.
                Err(failure) if !self.screen.is_shown() => return Err(failure),
                Err(failure) if !is_passing(&failure) => return Err(failure),
                Err(_) => Lost::Again(Duration::ZERO),
            };
            let least = match lost {
                Lost::Left(left) => return Ok(left),
                Lost::Again(least) => least,
            };
            let begun = *since.get_or_insert_with(Instant::now);
            let drawn = rand::rng().random_range(Duration::ZERO..=pause);
            if let Some(left) = self.pause(begun, Instant::now() + drawn.max(least)).await? {
                return Ok(left);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits without a connection; keys are kept, and can still detach.
    async fn pause(&mut self, begun: Instant, until: Instant) -> Result<Option<Left>, Failure> {
        loop {
            tokio::select! {
                () = sleep_until(until) => return Ok(None),
                () = sleep_until(begun + TELL), if !self.told => {
                    self.told = true;
                    self.tty.write(b"\r\n[claw: the connection is lost; trying again, Ctrl-P Ctrl-Q gives up]\r\n")?;
                    // That line is none of the agent's: the screen is drawn anew afterwards.
                    self.screen.disturb();
                }
                input = self.tty.next(), if !self.input_over && self.outbox.has_room() => {
                    if self.typed(input)? {
                        return Ok(Some(Left::Detached));
                    }
                }
            }
        }
    }

    /// Takes input; whether it says to detach.
    fn typed(&mut self, input: Input) -> Result<bool, Failure> {
        match input {
            Input::Bytes(bytes) => {
                let (typed, detach) = self.keys.take(&bytes, self.tty.is_interactive());
                self.type_bytes(&typed)?;
                Ok(detach)
            }
            Input::End => {
                self.input_over = true;
                // A terminal that is gone takes nobody's keys any more.
                Ok(self.tty.is_interactive())
            }
            Input::Resized => Ok(false),
            Input::Hangup => Ok(true),
        }
    }

    fn type_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.role == Role::Operator {
            self.outbox.push(bytes);
        } else if !bytes.is_empty() {
            self.tty.write(b"\x07")?;
        }
        Ok(())
    }
}

/// Whether trying again may help.
fn is_passing(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable { .. } => true,
        Failure::Problem(problem) => problem.retryable,
        Failure::Answer { status, .. } => *status >= 500,
        _ => false,
    }
}
