//! One socket on an agent: speaks `openclaw.terminal.v1` until either side goes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::time::Instant;
use wire::{
    access::Role,
    agent::Status,
    problem::{Code, Problem},
    terminal::{
        ClientControl, DEAD_SECONDS, Header, Kind, MAX_CONTROL_BYTES, MAX_INPUT_SESSION_BYTES, PING_SECONDS,
        STREAM_LOG, STREAM_TERMINAL, ServerControl, WINDOW_BYTES, close,
    },
};

use super::{
    attachment::{Attachment, Out, Stream as _},
    inputs::{Ack, InputRefused},
    log::Size,
};
use crate::agent::{Live, Shared};

/// Frames sent before the socket is looked at again.
const BURST_FRAMES: usize = 32;
/// The types of [`ClientControl`]: others are ignored, so that a newer client can talk to this server.
const KNOWN_TYPES: [&str; 4] = ["attach", "ack", "resize", "ping"];
/// How long a client may take to see why it is closed.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// Ctrl-C.
const INTERRUPT: u8 = 3;
/// After which a client of a moved agent tries again.
const MOVED_RETRY_MS: u64 = 250;

/// Why a session ends.
#[derive(Debug)]
enum End {
    /// Told to the client with this code.
    Close(u16, &'static str),
    /// The client is gone, or silent for too long.
    Gone,
}

/// Numbers sockets of this process, to tell who typed last.
static NEXT_SOCKET: AtomicU64 = AtomicU64::new(1);

struct Session {
    socket: u64,
    agent: Arc<Shared>,
    role: Role,
    terminal: Attachment,
    log: Attachment,
    input_session: Option<String>,
    /// Input that found no room yet: first sequence and bytes. While it waits, nothing is read.
    waiting: Option<(u64, Vec<u8>)>,
    /// As the client was told.
    acknowledged: Ack,
    size: Option<Size>,
}

/// Serves a socket to its end.
pub(crate) async fn run(socket: WebSocket, agent: Arc<Shared>, role: Role) {
    let (mut tx, mut rx) = socket.split();
    let id = NEXT_SOCKET.fetch_add(1, Ordering::Relaxed);
    let mut session = Session {
        socket: id,
        agent,
        role,
        terminal: Attachment::default(),
        log: Attachment::default(),
        input_session: None,
        waiting: None,
        acknowledged: Ack::default(),
        size: None,
    };
    let present = Present::enter(&session.agent, role, id);
    let end = session.serve(&mut tx, &mut rx).await;
    if let Some(name) = &session.input_session {
        session.agent.inputs().detach(name);
    }
    drop(present);
    if let End::Close(code, reason) = end {
        let frame = CloseFrame { code, reason: reason.into() };
        // The client may be gone already; there is nobody else to tell.
        // What it sent is read to its end: closing over unread bytes would reset the connection and could
        // lose the frame.
        let _ = tokio::time::timeout(CLOSE_PATIENCE, async {
            if tx.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = rx.next().await {}
            }
        })
        .await;
    }
}

/// Counts a socket for as long as it is there.
struct Present {
    agent: Arc<Shared>,
    role: Role,
    socket: u64,
}

impl Present {
    fn enter(agent: &Arc<Shared>, role: Role, socket: u64) -> Self {
        agent.set_presence(|presence| match role {
            Role::Operator => presence.operators += 1,
            Role::Viewer => presence.viewers += 1,
        });
        Self { agent: agent.clone(), role, socket }
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.agent.set_presence(|presence| match self.role {
            Role::Operator => presence.operators = presence.operators.saturating_sub(1),
            Role::Viewer => presence.viewers = presence.viewers.saturating_sub(1),
        });
        self.agent.left(self.socket);
    }
}

impl Session {
    async fn serve(
        &mut self,
        tx: &mut SplitSink<WebSocket, Message>,
        rx: &mut SplitStream<WebSocket>,
    ) -> End {
        let agent = self.agent.clone();
        let (mut changes, mut live) = (agent.changes(), agent.live());
        let (mut presence, mut size) = (agent.presence(), agent.size());
        let hello = self.hello(live.borrow_and_update().status);
        if send(tx, [hello]).await.is_err() {
            return End::Gone;
        }
        presence.mark_changed();
        size.mark_unchanged();
        let mut ping = tokio::time::interval(Duration::from_secs(PING_SECONDS));
        ping.reset();
        let mut heard = Instant::now();
        loop {
            changes.mark_unchanged();
            match self.flush(tx).await {
                Ok(true) => changes.mark_changed(),
                Ok(false) => {}
                Err(end) => return end,
            }
            if live.borrow().is_over() {
                let last = live.borrow().clone();
                return self.finish(tx, last).await;
            }
            tokio::select! {
                message = rx.next(), if self.waiting.is_none() => {
                    let message = match message {
                        Some(Ok(message)) => message,
                        // Too long, not UTF-8, or no frame at all; where the connection broke, nobody hears it.
                        Some(Err(_)) => return bad("malformed frame"),
                        None => return End::Gone,
                    };
                    heard = Instant::now();
                    match self.receive(message) {
                        Ok(answers) => if send(tx, answers).await.is_err() { return End::Gone },
                        Err(end) => return end,
                    }
                }
                () = agent.mailbox.room(), if self.waiting.is_some() => self.retry_input(),
                _ = changes.changed() => {}
                _ = live.changed() => {
                    let now = live.borrow_and_update().clone();
                    let status = ServerControl::Status { status: now.status, reason: now.reason, detail: now.detail };
                    if !now.moved && send(tx, [control(&status)]).await.is_err() {
                        return End::Gone;
                    }
                }
                _ = presence.changed() => {
                    let now = *presence.borrow_and_update();
                    let presence = ServerControl::Presence { operators: now.operators, viewers: now.viewers };
                    if send(tx, [control(&presence)]).await.is_err() {
                        return End::Gone;
                    }
                }
                _ = size.changed() => {
                    let now = *size.borrow_and_update();
                    let resized = ServerControl::Resized { cols: now.cols, rows: now.rows };
                    if send(tx, [control(&resized)]).await.is_err() {
                        return End::Gone;
                    }
                }
                _ = ping.tick() => {
                    if self.waiting.is_some() {
                        // It is not read while its input waits, so it cannot be heard either.
                        heard = Instant::now();
                    }
                    if heard.elapsed() > Duration::from_secs(DEAD_SECONDS) {
                        return End::Gone;
                    }
                    if send(tx, [Message::Ping(Default::default())]).await.is_err() {
                        return End::Gone;
                    }
                }
            }
        }
    }

    fn hello(&self, status: Status) -> Message {
        let streams = vec![self.agent.terminal().info(), self.agent.journal().info()];
        control(&ServerControl::Hello {
            agent_id: self.agent.id,
            epoch: self.agent.epoch(),
            status,
            role: self.role,
            streams,
            window_bytes: WINDOW_BYTES,
        })
    }

    /// Sends what there is, up to a burst; whether there may be more.
    async fn flush(&mut self, tx: &mut SplitSink<WebSocket, Message>) -> Result<bool, End> {
        let mut out = Vec::new();
        while out.len() < BURST_FRAMES {
            // One lock at a time, none of them across an await.
            let next = self.terminal.next(&mut *self.agent.terminal());
            let next = next.or_else(|| self.log.next(&mut *self.agent.journal()));
            match next {
                Some(Out::Frame(frame)) => out.push(Message::Binary(frame.into())),
                Some(Out::Control(message)) => out.push(control(&message)),
                None => break,
            }
        }
        let more = out.len() == BURST_FRAMES;
        out.extend(self.input_ack());
        if out.is_empty() {
            return Ok(false);
        }
        send(tx, out).await.map(|()| more).map_err(|()| End::Gone)
    }

    fn input_ack(&mut self) -> Option<Message> {
        let suspendable = self.agent.is_suspendable();
        let now = self.agent.inputs().ack(self.input_session.as_deref()?, suspendable);
        // A rollback takes `applied` back for a moment; what the client was told does not.
        let told = self.acknowledged;
        let now = Ack { applied: now.applied.max(told.applied), durable: now.durable.max(told.durable) };
        if now == told {
            return None;
        }
        self.acknowledged = now;
        Some(control(&ServerControl::InputAck { applied: now.applied, durable: now.durable }))
    }

    /// The agent is over: the rest of its output, then why.
    async fn finish(&mut self, tx: &mut SplitSink<WebSocket, Message>, last: Live) -> End {
        for _ in 0..WINDOW_BYTES / 1024 {
            // Nobody acknowledges any more; what is left is bounded by what is kept.
            self.terminal.forgive();
            self.log.forgive();
            match self.flush(tx).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(end) => return end,
            }
        }
        if last.moved {
            let moved =
                ServerControl::Moved { epoch: self.agent.epoch() + 1, retry_after_ms: MOVED_RETRY_MS };
            return match send(tx, [control(&moved)]).await {
                Ok(()) => End::Close(close::MOVING, "moving"),
                Err(()) => End::Gone,
            };
        }
        let exit = ServerControl::Exit { status: last.status, reason: last.reason };
        match send(tx, [control(&exit)]).await {
            Ok(()) if last.status == Status::Terminated => End::Close(close::ENDED, "ended"),
            Ok(()) => End::Close(close::TERMINATED, "failed"),
            Err(()) => End::Gone,
        }
    }

    fn receive(&mut self, message: Message) -> Result<Vec<Message>, End> {
        match message {
            Message::Text(text) if text.len() > MAX_CONTROL_BYTES => Err(bad("control frame too long")),
            Message::Text(text) => match serde_json::from_str::<ClientControl>(&text) {
                Ok(message) => self.control(message),
                Err(_) if is_unknown(&text) => Ok(vec![]),
                Err(_) => Err(bad("malformed control frame")),
            },
            Message::Binary(frame) => {
                let (header, bytes) = Header::decode(&frame).map_err(|_| bad("malformed binary frame"))?;
                if header.kind != Kind::Input as u8 || header.stream != STREAM_TERMINAL {
                    return Ok(vec![]);
                }
                self.input(header.offset, bytes)
            }
            Message::Ping(_) | Message::Pong(_) => Ok(vec![]),
            Message::Close(_) => Err(End::Gone),
        }
    }

    fn control(&mut self, message: ClientControl) -> Result<Vec<Message>, End> {
        match message {
            ClientControl::Attach { stream: STREAM_TERMINAL, from, input_session } => {
                let input_seq = match self.attach_input(input_session)? {
                    Ok(input_seq) => input_seq,
                    Err(problem) => return Ok(vec![control(&ServerControl::Problem { problem })]),
                };
                self.terminal.attach(&mut *self.agent.terminal(), from, input_seq);
                Ok(vec![])
            }
            ClientControl::Attach { stream: STREAM_LOG, from, .. } => {
                self.log.attach(&mut *self.agent.journal(), from, 0);
                Ok(vec![])
            }
            ClientControl::Attach { .. } => Err(bad("no such stream")),
            ClientControl::Ack { stream: STREAM_TERMINAL, offset } => {
                self.terminal.ack(offset);
                Ok(vec![])
            }
            ClientControl::Ack { offset, .. } => {
                self.log.ack(offset);
                Ok(vec![])
            }
            ClientControl::Resize { cols, rows } => {
                if self.role == Role::Operator {
                    let size = Size::clamped(cols, rows);
                    self.size = Some(size);
                    if self.agent.may_resize(self.socket) {
                        self.agent.resize(size);
                    }
                }
                Ok(vec![])
            }
            ClientControl::Ping {} => Ok(vec![control(&ServerControl::Pong {})]),
        }
    }

    /// Attaches the client's input session; the next sequence, or the problem it is told.
    fn attach_input(&mut self, name: Option<String>) -> Result<Result<u64, Problem>, End> {
        if let Some(previous) = self.input_session.take() {
            self.agent.inputs().detach(&previous);
        }
        let Some(name) = name else { return Ok(Ok(0)) };
        if name.is_empty()
            || name.len() > MAX_INPUT_SESSION_BYTES
            || !name.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(bad("input_session must be 1 to 64 visible ASCII characters"));
        }
        if self.role == Role::Viewer {
            return Ok(Ok(0));
        }
        let attached = self.agent.inputs().attach(&name);
        Ok(match attached {
            Ok(next) => {
                // It was away: it is told anew what it need not keep.
                self.acknowledged = Ack::default();
                self.input_session = Some(name);
                Ok(next)
            }
            Err(_) => Err(expired()),
        })
    }

    fn input(&mut self, offset: u64, bytes: &[u8]) -> Result<Vec<Message>, End> {
        if self.role == Role::Viewer {
            return Err(End::Close(close::ROLE, "a viewer cannot type"));
        }
        let Some(name) = self.input_session.clone() else {
            return Err(bad("input before attach with an input_session"));
        };
        let fresh = match self.agent.inputs().fresh(&name, offset, bytes) {
            Ok(fresh) => fresh,
            Err(InputRefused::Hole) => return Err(bad("input bytes are missing before this offset")),
            Err(InputRefused::Expired) => {
                return Ok(vec![control(&ServerControl::Problem { problem: expired() })]);
            }
        };
        if fresh.is_empty() {
            return Ok(vec![]);
        }
        if fresh.contains(&INTERRUPT) {
            self.agent.interrupted.store(true, Ordering::Relaxed);
        }
        if self.agent.typed(self.socket)
            && let Some(size) = self.size
        {
            self.agent.resize(size);
        }
        self.queue(&name, offset, bytes);
        Ok(vec![])
    }

    /// Queues input for the agent as far as there is room; the rest waits. What another socket of the same session
    /// queued meanwhile is skipped: a client that came back sends again what still waited here.
    fn queue(&mut self, name: &str, first: u64, bytes: &[u8]) {
        loop {
            // Held until the bytes are counted, so that no other socket can queue them as well.
            let mut inputs = self.agent.inputs();
            // Refused only when the session was evicted: its client is told with its next key.
            let fresh = inputs.fresh(name, first, bytes).unwrap_or_default();
            if fresh.is_empty() {
                return;
            }
            let next = first + (bytes.len() - fresh.len()) as u64;
            let taken = self.agent.mailbox.input(name, next, fresh);
            if taken == 0 {
                self.waiting = Some((next, fresh.to_vec()));
                return;
            }
            inputs.received(name, taken);
            drop(inputs);
            self.agent.want();
        }
    }

    fn retry_input(&mut self) {
        if let (Some((first, bytes)), Some(name)) = (self.waiting.take(), self.input_session.clone()) {
            self.queue(&name, first, &bytes);
        }
    }
}

fn bad(reason: &'static str) -> End {
    End::Close(close::BAD_FRAME, reason)
}

fn expired() -> Problem {
    Problem {
        kind: "https://docs.openclaw.cloud/problems/input_session_expired".to_owned(),
        title: "Input session expired".to_owned(),
        status: 409,
        code: Code::InputSessionExpired,
        detail: Some("its numbers are forgotten: attach with a new input_session".to_owned()),
        retryable: false,
        retry_after_ms: None,
        request_id: String::new(),
        errors: vec![],
    }
}

/// Whether a text frame is a control frame of a type this server does not know.
fn is_unknown(text: &str) -> bool {
    let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let kind = value.as_ref().and_then(|value| value.get("type")).and_then(|kind| kind.as_str());
    kind.is_some_and(|kind| !KNOWN_TYPES.contains(&kind))
}

fn control(message: &ServerControl) -> Message {
    // A struct of strings and numbers always has a JSON form.
    Message::Text(serde_json::to_string(message).unwrap_or_default().into())
}

/// Sends and flushes. A client that takes nothing for as long as a dead one is one.
async fn send(
    tx: &mut SplitSink<WebSocket, Message>,
    messages: impl IntoIterator<Item = Message>,
) -> Result<(), ()> {
    let sending = async {
        let mut any = false;
        for message in messages {
            tx.feed(message).await?;
            any = true;
        }
        if any { tx.flush().await } else { Ok(()) }
    };
    match tokio::time::timeout(Duration::from_secs(DEAD_SECONDS), sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(()),
    }
}

#[cfg(test)]
mod tests;
