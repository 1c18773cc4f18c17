//! Input sessions: each client's input is numbered on its own, so that a reconnect sends again
//! only what did not arrive, and two people who type never collide.

use std::collections::VecDeque;

use wire::terminal::MAX_INPUT_SESSIONS;

/// Names of evicted sessions that are remembered, to refuse them instead of starting them anew.
const MAX_EVICTED: usize = 256;

#[derive(Debug)]
struct Session {
    name: String,
    /// Next sequence expected: everything below was queued for the agent.
    received: u64,
    /// Everything below was handled by the agent.
    applied: u64,
    sockets: u32,
}

/// See the module. Least recently used first.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    sessions: VecDeque<Session>,
    evicted: VecDeque<String>,
}

/// Why input was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputRefused {
    /// The session was evicted: its numbers are lost.
    Expired,
    /// The offset is past what was expected: bytes are missing.
    Hole,
}

impl Inputs {
    /// Attaches a socket to a session, made when it is new; the next sequence expected.
    pub(crate) fn attach(&mut self, name: &str) -> Result<u64, InputRefused> {
        if self.evicted.iter().any(|gone| gone == name) {
            return Err(InputRefused::Expired);
        }
        let session = match self.sessions.iter().position(|s| s.name == name) {
            Some(at) => self.sessions.remove(at),
            None => None,
        };
        let mut session =
            session.unwrap_or_else(|| Session { name: name.to_owned(), received: 0, applied: 0, sockets: 0 });
        session.sockets += 1;
        let next = session.received;
        self.sessions.push_back(session);
        if self.sessions.len() > MAX_INPUT_SESSIONS {
            self.evict();
        }
        Ok(next)
    }

    fn evict(&mut self) {
        // Prefers a session nobody is attached with; the newest is the one that just came.
        let at = self.sessions.iter().position(|s| s.sockets == 0).unwrap_or(0);
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
        }
    }

    /// The agent handled everything below `upto`.
    pub(crate) fn applied(&mut self, name: &str, upto: u64) {
        if let Some(session) = self.get(name) {
            session.applied = session.applied.max(upto);
        }
    }

    /// How far the agent handled a session's input.
    pub(crate) fn applied_of(&self, name: &str) -> u64 {
        self.sessions.iter().find(|s| s.name == name).map_or(0, |s| s.applied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_before_is_skipped_and_a_hole_is_refused() {
        let mut inputs = Inputs::default();
        assert_eq!(inputs.attach("a"), Ok(0));
        assert_eq!(inputs.fresh("a", 0, b"hello"), Ok(&b"hello"[..]));
        inputs.received("a", 5);
        assert_eq!(inputs.fresh("a", 3, b"lo!"), Ok(&b"!"[..]));
        assert_eq!(inputs.fresh("a", 0, b"he"), Ok(&b""[..]));
        assert_eq!(inputs.fresh("a", 6, b"?"), Err(InputRefused::Hole));
        assert_eq!(inputs.attach("a"), Ok(5));
    }

    #[test]
    fn sessions_do_not_collide() {
        let mut inputs = Inputs::default();
        inputs.attach("a").unwrap();
        inputs.attach("b").unwrap();
        inputs.received("a", 9);
        assert_eq!(inputs.fresh("b", 0, b"x"), Ok(&b"x"[..]));
        inputs.applied("a", 9);
        assert_eq!((inputs.applied_of("a"), inputs.applied_of("b")), (9, 0));
    }

    #[test]
    fn the_table_is_bounded_and_an_evicted_session_is_refused() {
        let mut inputs = Inputs::default();
        inputs.attach("first").unwrap();
        inputs.detach("first");
        for n in 0..MAX_INPUT_SESSIONS {
            inputs.attach(&format!("s{n}")).unwrap();
        }
        assert_eq!(inputs.attach("first"), Err(InputRefused::Expired));
        assert_eq!(inputs.fresh("first", 0, b"x"), Err(InputRefused::Expired));
        assert_eq!(inputs.attach("s0"), Ok(0));
    }
}
