//! How far the agent's output was shown, so that a new connection goes on there.

use wire::terminal::{FLAG_MORE, From, Header, Kind, STREAM_TERMINAL, WINDOW_BYTES};

/// Shown bytes that are acknowledged at once; fewer wait for a pause.
const ACK_BYTES: u64 = WINDOW_BYTES / 8;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Screen {
    generation: u64,
    /// The next byte to show.
    offset: u64,
    acknowledged: u64,
    /// Anything was ever shown.
    shown: bool,
    /// A whole snapshot was shown and everything after it up to `offset`: only then a connection can go on there.
    whole: bool,
    /// Something that is not the agent's was written over it.
    disturbed: bool,
}

impl Screen {
    /// Whether anything was ever shown.
    pub(super) fn is_shown(&self) -> bool {
        self.shown
    }

    /// Whether it has to be drawn anew.
    pub(super) fn was_disturbed(&self) -> bool {
        self.disturbed
    }

    /// Something else was written to the terminal.
    pub(super) fn disturb(&mut self) {
        self.disturbed = true;
    }

    /// Whether it is the agent's screen, all of it and nothing else.
    pub(super) fn is_whole(&self) -> bool {
        self.whole && !self.disturbed
    }

    /// Where a new connection goes on: from a snapshot, until one was shown to its end.
    pub(super) fn resume(&self) -> From {
        if self.is_whole() {
            From::Position { generation: self.generation, offset: self.offset }
        } else {
            From::SNAPSHOT
        }
    }

    /// The server begins to send from here.
    pub(super) fn attached(&mut self, generation: u64, offset: u64) {
        // Elsewhere than where this screen is: a snapshot follows, and until its end this is an older screen.
        self.whole &= (self.generation, self.offset) == (generation, offset);
        self.generation = generation;
        self.offset = offset;
        self.acknowledged = offset;
    }

    /// Bytes were dropped before this client got them.
    pub(super) fn gap(&mut self, to: u64) {
        self.whole &= to <= self.offset;
        self.offset = self.offset.max(to);
    }

    /// The stream was truncated; a snapshot follows.
    pub(super) fn rewound(&mut self, generation: u64, offset: u64) {
        self.attached(generation, offset);
        self.whole = false;
    }

    /// The part of a frame that is to be written now; `None` for frames of other kinds and streams.
    pub(super) fn frame<'a>(&mut self, header: Header, payload: &'a [u8]) -> Option<&'a [u8]> {
        if header.stream != STREAM_TERMINAL {
            return None;
        }
        if header.kind == Kind::Snapshot as u8 {
            // Its first piece clears what was there; with its last one the new screen is whole.
            self.whole = header.flags & FLAG_MORE == 0;
            if self.whole {
                self.offset = header.offset;
                self.shown = true;
                self.disturbed = false;
            }
            return Some(payload);
        }
        if header.kind != Kind::Data as u8 {
            return None;
        }
        // A hole nobody announced.
        self.whole &= header.offset <= self.offset;
        // What was shown already is not shown again.
        let seen = usize::try_from(self.offset.saturating_sub(header.offset)).unwrap_or(usize::MAX);
        let fresh = payload.get(seen..).unwrap_or_default();
        self.offset = self.offset.max(header.offset + payload.len() as u64);
        self.shown = true;
        Some(fresh)
    }

    /// Whether anything shown is not acknowledged.
    pub(super) fn has_unacknowledged(&self) -> bool {
        self.offset > self.acknowledged
    }

    /// The offset to acknowledge now; `idle` when nothing more is coming at the moment.
    pub(super) fn ack(&mut self, idle: bool) -> Option<u64> {
        let new = self.offset.saturating_sub(self.acknowledged);
        if new == 0 || (new < ACK_BYTES && !idle) {
            return None;
        }
        self.acknowledged = self.offset;
        Some(self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(offset: u64) -> Header {
        Header { kind: Kind::Data as u8, flags: 0, stream: STREAM_TERMINAL, offset }
    }

    fn snapshot(flags: u8, offset: u64) -> Header {
        Header { kind: Kind::Snapshot as u8, flags, stream: STREAM_TERMINAL, offset }
    }

    /// A screen of generation 3 that is whole at 100.
    fn whole() -> Screen {
        let mut screen = Screen::default();
        screen.attached(3, 100);
        screen.frame(snapshot(0, 100), b"screen");
        assert_eq!(screen.resume(), From::Position { generation: 3, offset: 100 });
        screen
    }

    #[test]
    fn goes_on_where_it_was_and_shows_nothing_twice() {
        let mut screen = Screen::default();
        assert_eq!(screen.resume(), From::SNAPSHOT);
        screen.attached(3, 100);
        assert_eq!(screen.frame(snapshot(FLAG_MORE, 100), b"scr"), Some(&b"scr"[..]));
        assert!(!screen.is_shown());
        assert_eq!(screen.frame(snapshot(0, 100), b"een"), Some(&b"een"[..]));
        assert_eq!(screen.frame(data(100), b"abc"), Some(&b"abc"[..]));
        assert_eq!(screen.resume(), From::Position { generation: 3, offset: 103 });
        assert_eq!(screen.frame(data(102), b"cde"), Some(&b"de"[..]));
        assert_eq!(screen.frame(data(100), b"a"), Some(&b""[..]));
        assert_eq!(screen.ack(false), None);
        assert_eq!(screen.ack(true), Some(105));
        assert_eq!(screen.ack(true), None);
    }

    #[test]
    fn a_disturbed_screen_is_drawn_anew() {
        let mut screen = whole();
        screen.disturb();
        assert_eq!(screen.resume(), From::SNAPSHOT);
        screen.frame(data(100), b"x");
        assert_eq!(screen.resume(), From::SNAPSHOT);
        screen.frame(snapshot(0, 109), b"");
        assert_eq!(screen.resume(), From::Position { generation: 3, offset: 109 });
    }

    #[test]
    fn a_connection_lost_within_a_rollback_asks_for_the_screen_until_one_is_whole() {
        let mut screen = whole();
        screen.rewound(4, 60);
        assert_eq!(screen.resume(), From::SNAPSHOT, "the old screen is none of the new generation");
        // As the server answers the next connection; it is lost as well, within the snapshot.
        screen.attached(4, 60);
        screen.frame(snapshot(FLAG_MORE, 60), b"ne");
        assert_eq!(screen.resume(), From::SNAPSHOT);
        screen.attached(4, 60);
        screen.frame(snapshot(FLAG_MORE, 60), b"ne");
        screen.frame(snapshot(0, 60), b"w");
        assert_eq!(screen.resume(), From::Position { generation: 4, offset: 60 });
        screen.rewound(5, 60);
        assert_eq!(screen.resume(), From::SNAPSHOT, "truncated to where it was is truncated all the same");
    }

    #[test]
    fn a_screen_that_was_cut_short_is_not_gone_on_with() {
        let mut screen = whole();
        screen.frame(snapshot(FLAG_MORE, 900), b"half of a lagging client's");
        assert_eq!(screen.resume(), From::SNAPSHOT);

        let mut screen = whole();
        screen.gap(300);
        assert_eq!(screen.resume(), From::SNAPSHOT);
        screen.frame(snapshot(0, 400), b"");
        assert_eq!(screen.resume(), From::Position { generation: 3, offset: 400 });

        let mut screen = whole();
        screen.frame(data(200), b"after a hole");
        assert_eq!(screen.resume(), From::SNAPSHOT);

        let mut screen = whole();
        screen.attached(2, 50);
        assert_eq!(screen.resume(), From::SNAPSHOT, "a server that is behind answers with its own place");

        let mut screen = Screen::default();
        screen.attached(1, 0);
        assert_eq!(screen.resume(), From::SNAPSHOT, "attached is not shown");
    }

    #[test]
    fn attached_where_it_was_it_stays_whole() {
        let mut screen = whole();
        screen.frame(data(100), b"abc");
        screen.attached(3, 103);
        assert_eq!(screen.resume(), From::Position { generation: 3, offset: 103 });
    }

    #[test]
    fn other_streams_and_kinds_are_not_shown() {
        let mut screen = Screen::default();
        assert_eq!(screen.frame(Header { stream: 1, ..data(0) }, b"log"), None);
        assert_eq!(screen.frame(Header { kind: 0x7f, ..data(0) }, b"?"), None);
    }

    #[test]
    fn a_flood_is_acknowledged_while_it_lasts() {
        let mut screen = Screen::default();
        screen.attached(1, 0);
        screen.frame(data(0), &vec![0; usize::try_from(ACK_BYTES).unwrap()]);
        assert_eq!(screen.ack(false), Some(ACK_BYTES));
    }
}
