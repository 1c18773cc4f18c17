//! Input sessions: each client's input is numbered on its own, so that a reconnect sends again
//! only what did not arrive, and two people who type never collide.
//!
//! A session is a part of every checkpoint. Three numbers tell how far it is: `received` counts what was queued for
//! the agent, `applied` what the agent handled, and `covered` what a durable checkpoint holds, handled or still in
//! the mailbox. Whatever of it is handled and covered survives a crash: the client need not keep it.

use std::{collections::VecDeque, time::Duration};

use checkpoint::manifest;
use jiff::Timestamp;
use wire::terminal::{MAX_INPUT_SESSION_BYTES, MAX_INPUT_SESSIONS};

/// Names of evicted sessions that are remembered, to refuse them instead of starting them anew.
const MAX_EVICTED: usize = 256;
/// A session without a socket is evicted after so long.
const IDLE: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug)]
struct Session {
    name: String,
    /// Next sequence expected: everything below was queued for the agent.
    received: u64,
    /// Everything below was handled by the agent.
    applied: u64,
    /// Everything below is in a durable checkpoint.
    covered: u64,
    /// Milliseconds since 1970.
    used_at: i64,
    sockets: u32,
}

/// See the module. Least recently used first.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    sessions: VecDeque<Session>,
    evicted: VecDeque<String>,
}

/// How far a session's input went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ack {
    /// Everything below was handled by the agent.
    pub(crate) applied: u64,
    /// Everything below survives a crash; at most `applied`.
    pub(crate) durable: u64,
}

/// Why input was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputRefused {
    /// The session was evicted: its numbers are lost.
    Expired,
    /// The offset is past what was expected: bytes are missing.
    Hole,
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

impl Inputs {
    /// Attaches a socket to a session, made when it is new; the next sequence expected.
    pub(crate) fn attach(&mut self, name: &str) -> Result<u64, InputRefused> {
        self.attach_at(name, now())
    }

    fn attach_at(&mut self, name: &str, now: i64) -> Result<u64, InputRefused> {
        self.expire(now);
        if self.evicted.iter().any(|gone| gone == name) {
            return Err(InputRefused::Expired);
        }
        let session = match self.sessions.iter().position(|s| s.name == name) {
            Some(at) => self.sessions.remove(at),
            None => None,
        };
        let mut session = session.unwrap_or_else(|| Session {
            name: name.to_owned(),
            received: 0,
            applied: 0,
            covered: 0,
            used_at: now,
            sockets: 0,
        });
        session.sockets += 1;
        session.used_at = now;
        let next = session.received;
        self.sessions.push_back(session);
        if self.sessions.len() > MAX_INPUT_SESSIONS {
            // Prefers a session nobody is attached with; the newest is the one that just came.
            let at = self.sessions.iter().position(|s| s.sockets == 0).unwrap_or(0);
            self.evict(at);
        }
        Ok(next)
    }

    /// Evicts sessions that were idle for too long.
    fn expire(&mut self, now: i64) {
        let idle = i64::try_from(IDLE.as_millis()).unwrap_or(i64::MAX);
        let expired = |s: &Session| s.sockets == 0 && now.saturating_sub(s.used_at) > idle;
        while let Some(at) = self.sessions.iter().position(expired) {
            self.evict(at);
        }
    }

    fn evict(&mut self, at: usize) {
        if let Some(gone) = self.sessions.remove(at) {
            if self.evicted.len() == MAX_EVICTED {
                self.evicted.pop_front();
            }
            self.evicted.push_back(gone.name);
        }
    }

    /// Its socket is gone; the session stays.
    pub(crate) fn detach(&mut self, name: &str) {
        if let Some(session) = self.get(name) {
            session.sockets = session.sockets.saturating_sub(1);
            session.used_at = now();
        }
    }

    fn get(&mut self, name: &str) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|s| s.name == name)
    }

    /// The part of `bytes` (the first at `offset`) that has not been received yet.
    pub(crate) fn fresh<'a>(
        &mut self,
        name: &str,
        offset: u64,
        bytes: &'a [u8],
    ) -> Result<&'a [u8], InputRefused> {
        let session = self.get(name).ok_or(InputRefused::Expired)?;
        let seen = session.received.checked_sub(offset).ok_or(InputRefused::Hole)?;
        let seen = usize::try_from(seen).unwrap_or(usize::MAX).min(bytes.len());
        Ok(&bytes[seen..])
    }

    /// `count` more bytes were queued.
    pub(crate) fn received(&mut self, name: &str, count: usize) {
        if let Some(session) = self.get(name) {
            session.received += count as u64;
            session.used_at = now();
        }
    }

    /// The agent handled everything below `upto`.
    pub(crate) fn applied(&mut self, name: &str, upto: u64) {
        if let Some(session) = self.get(name) {
            session.applied = session.applied.max(upto);
        }
    }

    /// How far a session's input went. What an agent that is never checkpointed handled is as durable as it will
    /// ever be: it does not come back, so nothing could bring its input back either.
    pub(crate) fn ack(&self, name: &str, suspendable: bool) -> Ack {
        let Some(session) = self.sessions.iter().find(|s| s.name == name) else { return Ack::default() };
        let covered = if suspendable { session.covered } else { u64::MAX };
        Ack { applied: session.applied, durable: covered.min(session.applied) }
    }

    /// What a checkpoint holds of them. To be taken together with the mailbox, so that what was received is either
    /// handled or in it: [`Shared::capture_input`](crate::agent::Shared::capture_input).
    pub(crate) fn capture(&mut self) -> manifest::Inputs {
        self.expire(now());
        let sessions = self.sessions.iter().map(|session| manifest::InputSession {
            name: session.name.clone(),
            received: session.received,
            applied: session.applied,
            used_at_ms: session.used_at.try_into().unwrap_or(0),
        });
        manifest::Inputs { sessions: sessions.collect(), evicted: self.evicted.iter().cloned().collect() }
    }

    /// A checkpoint with these sessions is durable; sockets have to be woken.
    pub(crate) fn mark_durable(&mut self, checkpoint: &manifest::Inputs) {
        for saved in &checkpoint.sessions {
            if let Some(session) = self.get(&saved.name) {
                session.covered = session.covered.max(saved.received);
            }
        }
    }

    /// Goes on where a checkpoint was taken, in a process that knows nothing newer: clients send again what it does
    /// not have. At most [`MAX_INPUT_SESSIONS`] and [`MAX_EVICTED`] are taken, the newest.
    pub(crate) fn restored(checkpoint: &manifest::Inputs) -> Self {
        let fits = |name: &str| !name.is_empty() && name.len() <= MAX_INPUT_SESSION_BYTES;
        let excess = checkpoint.sessions.len().saturating_sub(MAX_INPUT_SESSIONS);
        let sessions = checkpoint.sessions[excess..].iter().filter(|saved| fits(&saved.name));
        let sessions = sessions.map(|saved| Session {
            name: saved.name.clone(),
            received: saved.received,
            applied: saved.applied.min(saved.received),
            covered: saved.received,
            used_at: saved.used_at_ms.try_into().unwrap_or(i64::MAX),
            sockets: 0,
        });
        let excess = checkpoint.evicted.len().saturating_sub(MAX_EVICTED);
        let evicted = checkpoint.evicted[excess..].iter().filter(|name| fits(name)).cloned();
        Self { sessions: sessions.collect(), evicted: evicted.collect() }
    }

    /// The agent went back to a checkpoint and what was queued since is handled again, by the host: nothing was lost,
    /// so what was received stays.
    pub(crate) fn rolled_back(&mut self, applied: &manifest::Inputs) {
        for session in &mut self.sessions {
            let saved = applied.sessions.iter().find(|saved| saved.name == session.name);
            session.applied = session.applied.min(saved.map_or(0, |saved| saved.applied));
        }
    }
}

#[cfg(test)]
mod tests;
