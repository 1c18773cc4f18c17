//! One connection: frames between a socket, the screen and the outbox.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
use wire::{
    access::Role,
    agent::Status,
    problem::{Code, Problem},
    terminal::{ClientControl, DEAD_SECONDS, Header, STREAM_TERMINAL, ServerControl, close},
};

use super::{Attached, Left, Lost, QUIET, banner, socket::Socket, tty::Input};
use crate::failure::Failure;

/// A Ctrl-P alone is passed on after this.
const HOLD: Duration = Duration::from_millis(500);
/// Output is acknowledged this long after it stopped.
const ACK_DELAY: Duration = Duration::from_millis(20);

/// The state of one connection.
struct Session<'a> {
    all: &'a mut Attached,
    socket: Socket,
    attached: bool,
    /// The agent is suspended: it wakes by a key, and does not by being looked at.
    asleep: bool,
    /// What `exit` or `problem` said, for when the socket closes.
    ended: Option<Left>,
    problem: Option<Problem>,
    retry_after: Duration,
    /// Since when a Ctrl-P is held back.
    held: Option<Instant>,
    /// When the terminal was last written to.
    wrote: Instant,
    heard: Instant,
}

/// Serves a connection until it or the person goes.
pub(super) async fn run(all: &mut Attached, socket: Socket) -> Result<Lost, Failure> {
    let now = Instant::now();
    let mut session = Session {
        all,
        socket,
        attached: false,
        asleep: false,
        ended: None,
        problem: None,
        retry_after: Duration::ZERO,
        held: None,
        wrote: now,
        heard: now,
    };
    let begun = session.begin().await;
    match begun {
        Ok(()) => session.serve().await,
        Err(_) => Ok(Lost::Again(Duration::ZERO)),
    }
}

/// The socket is gone.
struct Gone;

impl Session<'_> {
    async fn begin(&mut self) -> Result<(), Gone> {
        self.resize().await?;
        self.attach().await
    }

    async fn attach(&mut self) -> Result<(), Gone> {
        self.attached = false;
        let input_session = (self.all.role == Role::Operator).then(|| self.all.outbox.session().to_owned());
        let from = self.all.screen.resume();
        self.control(&ClientControl::Attach { stream: STREAM_TERMINAL, from, input_session }).await
    }

    async fn resize(&mut self) -> Result<(), Gone> {
        match self.all.tty.size() {
            Some((cols, rows)) if self.all.role == Role::Operator => {
                self.control(&ClientControl::Resize { cols, rows }).await
            }
            _ => Ok(()),
        }
    }

    async fn control(&mut self, message: &ClientControl) -> Result<(), Gone> {
        let text = serde_json::to_string(message).map_err(|_| Gone)?;
        self.socket.send(Message::text(text)).await.map_err(|_| Gone)
    }

    async fn serve(mut self) -> Result<Lost, Failure> {
        loop {
            if self.flush().await.is_err() {
                return Ok(self.lost());
            }
            self.banner()?;
            let done = self.all.input_over && self.attached && self.all.outbox.is_applied();
            let typing = !self.all.input_over && self.all.outbox.has_room();
            let pressed = *self.held.get_or_insert_with(Instant::now);
            self.held = self.held.filter(|_| self.all.keys.is_holding());
            let idle = self.wrote + ACK_DELAY;
            let unacknowledged = self.all.screen.has_unacknowledged();
            tokio::select! {
                message = self.socket.next() => {
                    self.heard = Instant::now();
                    let Some(Ok(message)) = message else { return Ok(self.lost()) };
                    match self.receive(message).await? {
                        Some(lost) => return Ok(lost),
                        None => continue,
                    }
                }
                input = self.all.tty.next(), if typing => {
                    let resized = matches!(input, Input::Resized);
                    if self.all.typed(input)? {
                        self.leave().await;
                        return Ok(Lost::Left(Left::Detached));
                    }
                    if resized && self.resize().await.is_err() {
                        return Ok(self.lost());
                    }
                }
                () = sleep_until(pressed + HOLD), if self.all.keys.is_holding() => {
                    let held = self.all.keys.release();
                    self.all.type_bytes(&held)?;
                }
                () = sleep_until(idle), if unacknowledged => {
                    if let Some(offset) = self.all.screen.ack(true)
                        && self.control(&ClientControl::Ack { stream: STREAM_TERMINAL, offset }).await.is_err()
                    {
                        return Ok(self.lost());
                    }
                }
                () = sleep_until(self.wrote + QUIET), if done => {
                    self.leave().await;
                    return Ok(Lost::Left(Left::Detached));
                }
                // The server pings more often than that.
                () = sleep_until(self.heard + Duration::from_secs(DEAD_SECONDS)) => return Ok(self.lost()),
            }
        }
    }

    /// Sends what was typed.
    async fn flush(&mut self) -> Result<(), Gone> {
        while self.attached {
            let Some(frame) = self.all.outbox.frame() else { break };
            self.socket.send(Message::binary(frame)).await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Says below the screen that the agent is suspended, once the screen is there.
    fn banner(&mut self) -> Result<(), Failure> {
        if !self.asleep || !self.all.screen.is_whole() || !self.all.tty.is_interactive() {
            return Ok(());
        }
        if let Some((cols, rows)) = self.all.tty.size() {
            self.all.tty.write(&banner::asleep(self.all.role, cols, rows))?;
            self.all.screen.disturb();
        }
        Ok(())
    }

    /// Takes the agent's status; one that woke is drawn anew, without the line that said it sleeps.
    async fn status(&mut self, status: Status) -> Result<(), Gone> {
        let woke = self.asleep && status != Status::Suspended;
        self.asleep = status == Status::Suspended;
        if woke && self.attached && self.all.screen.was_disturbed() { self.attach().await } else { Ok(()) }
    }

    async fn receive(&mut self, message: Message) -> Result<Option<Lost>, Failure> {
        match message {
            Message::Binary(frame) => {
                // A malformed frame is the server's bug; the next ones may be well.
                let Ok((header, payload)) = Header::decode(&frame) else { return Ok(None) };
                if let Some(bytes) = self.all.screen.frame(header, payload) {
                    self.all.tty.write(bytes)?;
                    self.wrote = Instant::now();
                }
                if let Some(offset) = self.all.screen.ack(false) {
                    let ack = ClientControl::Ack { stream: STREAM_TERMINAL, offset };
                    return Ok(self.control(&ack).await.is_err().then(|| self.lost()));
                }
            }
            Message::Text(text) => {
                // Types this client does not know are a newer server's.
                if let Ok(message) = serde_json::from_str(&text)
                    && self.said(message).await.is_err()
                {
                    return Ok(Some(self.lost()));
                }
            }
            Message::Close(frame) => return self.closed(frame.as_ref()).map(Some),
            // Pings are answered by the library.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        Ok(None)
    }

    async fn said(&mut self, message: ServerControl) -> Result<(), Gone> {
        match message {
            ServerControl::Hello { status, .. } | ServerControl::Status { status, .. } => {
                self.status(status).await?
            }
            ServerControl::Attached { stream: STREAM_TERMINAL, generation, offset, input_seq } => {
                self.all.screen.attached(generation, offset);
                self.all.outbox.attached(input_seq);
                self.attached = true;
                self.wrote = Instant::now();
            }
            ServerControl::Gap { stream: STREAM_TERMINAL, to, .. } => self.all.screen.gap(to),
            ServerControl::Rewound { stream: STREAM_TERMINAL, generation, offset } => {
                self.all.screen.rewound(generation, offset);
            }
            ServerControl::InputAck { applied, durable } => self.all.outbox.acknowledged(applied, durable),
            ServerControl::Moved { retry_after_ms, .. } => {
                self.retry_after = Duration::from_millis(retry_after_ms)
            }
            ServerControl::Exit { status, reason } => self.ended = Some(Left::Ended { status, reason }),
            ServerControl::Problem { problem } if problem.code == Code::InputSessionExpired => {
                self.all.outbox.expired();
                self.attach().await?;
            }
            ServerControl::Problem { problem } => self.problem = Some(problem),
            // What is left says who else is there and how large the terminal is, which its screen shows.
            _ => {}
        }
        Ok(())
    }

    /// The server said why it closes.
    fn closed(&mut self, frame: Option<&CloseFrame>) -> Result<Lost, Failure> {
        let code = frame.map_or(0, |frame| u16::from(frame.code));
        if let (Some(problem), close::ROLE | close::UNKNOWN | close::TICKET | close::TERMINATED) =
            (self.problem.take_if(|problem| !problem.retryable), code)
        {
            return Err(Failure::Problem(Box::new(problem)));
        }
        let reason = frame.map_or("", |frame| frame.reason.as_str());
        match code {
            close::ENDED | close::TERMINATED => Ok(self.lost()),
            close::BAD_FRAME => {
                let source = format!("it refused a frame of ours: {reason}").into();
                Err(Failure::Unreachable { url: self.all.client.url().to_owned(), source })
            }
            close::ROLE => Err(Failure::Usage(format!("this token may not do that: {reason}"))),
            close::UNKNOWN => Err(Failure::NotFound("the agent is not there any more".to_owned())),
            close::RATE | close::MOVING => Ok(Lost::Again(self.retry_after)),
            _ => Ok(self.lost()),
        }
    }

    /// What the loss of the socket means: the end, when the server said so before.
    fn lost(&mut self) -> Lost {
        self.ended.take().map_or(Lost::Again(self.retry_after), Lost::Left)
    }

    /// Says goodbye; a server that does not listen is not waited for.
    async fn leave(&mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }
}
