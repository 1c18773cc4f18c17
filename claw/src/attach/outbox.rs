//! What was typed, numbered, and kept until the cloud has it for good.

use rand::Rng as _;
use wire::terminal::{Header, Kind, MAX_PAYLOAD, STREAM_TERMINAL};

/// Most input kept, bytes; reading pauses there.
const MAX_KEPT: usize = 256 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Outbox {
    session: String,
    /// Not yet durable; the first byte has the sequence `base`.
    kept: Vec<u8>,
    base: u64,
    /// The next sequence to send on this connection.
    next: u64,
    /// Input before this was applied.
    applied: u64,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { session: name(), kept: Vec::new(), base: 0, next: 0, applied: 0 }
    }
}

fn name() -> String {
    format!("cli-{:032x}", rand::rng().random::<u128>())
}

impl Outbox {
    /// The name of this input session.
    pub(super) fn session(&self) -> &str {
        &self.session
    }

    /// Takes what was typed.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
    }

    /// Whether more may be typed.
    pub(super) fn has_room(&self) -> bool {
        self.kept.len() < MAX_KEPT
    }

    /// Whether everything that was typed reached the agent.
    pub(super) fn is_applied(&self) -> bool {
        self.applied >= self.end()
    }

    fn end(&self) -> u64 {
        self.base + self.kept.len() as u64
    }

    /// A connection was attached, and expects this sequence next.
    pub(super) fn attached(&mut self, input_seq: u64) {
        if input_seq < self.base || input_seq > self.end() {
            // A host that does not know this session counts anew; so does what is kept.
            self.base = input_seq;
            self.applied = input_seq;
        }
        self.next = input_seq;
    }

    /// The cloud forgot this session: what is kept goes under a new name.
    pub(super) fn expired(&mut self) {
        self.session = name();
        (self.base, self.next, self.applied) = (0, 0, 0);
    }

    /// The cloud says how far it is.
    pub(super) fn acknowledged(&mut self, applied: u64, durable: u64) {
        self.applied = self.applied.max(applied.min(self.end()));
        let gone = durable.min(self.next).saturating_sub(self.base);
        let gone = usize::try_from(gone).unwrap_or(usize::MAX).min(self.kept.len());
        self.kept.drain(..gone);
        self.base += gone as u64;
    }

    /// The next frame to send, if any.
    pub(super) fn frame(&mut self) -> Option<Vec<u8>> {
        let from = usize::try_from(self.next.saturating_sub(self.base)).ok()?;
        let rest = self.kept.get(from..).filter(|rest| !rest.is_empty())?;
        let payload = &rest[..rest.len().min(MAX_PAYLOAD)];
        let header = Header { kind: Kind::Input as u8, flags: 0, stream: STREAM_TERMINAL, offset: self.next };
        let frame = header.frame(payload);
        self.next += payload.len() as u64;
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every frame there is, as offset and text.
    fn frames(outbox: &mut Outbox) -> Vec<(u64, String)> {
        std::iter::from_fn(|| outbox.frame())
            .map(|frame| {
                let (header, payload) = Header::decode(&frame).unwrap();
                (header.offset, String::from_utf8(payload.to_vec()).unwrap())
            })
            .collect()
    }

    #[test]
    fn after_a_reconnect_only_what_did_not_arrive_is_sent_again() {
        let mut outbox = Outbox::default();
        outbox.attached(0);
        outbox.push(b"hello");
        assert_eq!(frames(&mut outbox), [(0, "hello".to_owned())]);
        outbox.push(b" you");
        assert_eq!(frames(&mut outbox), [(5, " you".to_owned())]);
        outbox.acknowledged(3, 3);
        outbox.attached(7);
        assert_eq!(frames(&mut outbox), [(7, "ou".to_owned())]);
        outbox.acknowledged(9, 9);
        assert!(outbox.is_applied());
        outbox.push(b"!");
        assert!(!outbox.is_applied());
        assert_eq!(frames(&mut outbox), [(9, "!".to_owned())]);
    }

    #[test]
    fn what_is_typed_meanwhile_is_sent_then() {
        let mut outbox = Outbox::default();
        outbox.attached(0);
        outbox.push(b"a");
        assert_eq!(frames(&mut outbox).len(), 1);
        outbox.push(b"b");
        outbox.attached(0);
        assert_eq!(frames(&mut outbox), [(0, "ab".to_owned())]);
    }

    #[test]
    fn a_host_that_counts_anew_gets_what_is_kept_under_its_numbers() {
        let mut outbox = Outbox::default();
        outbox.attached(0);
        outbox.push(b"seen");
        assert_eq!(frames(&mut outbox).len(), 1);
        outbox.acknowledged(4, 4);
        outbox.push(b"new");
        outbox.attached(0);
        assert_eq!(frames(&mut outbox), [(0, "new".to_owned())]);
        outbox.expired();
        outbox.attached(0);
        assert_eq!(frames(&mut outbox), [(0, "new".to_owned())]);
    }

    #[test]
    fn a_long_paste_goes_in_pieces_and_is_bounded() {
        let mut outbox = Outbox::default();
        outbox.attached(0);
        outbox.push(&vec![b'x'; MAX_PAYLOAD + 1]);
        assert_eq!(
            frames(&mut outbox).iter().map(|(at, text)| (*at, text.len())).collect::<Vec<_>>(),
            [(0, MAX_PAYLOAD), (MAX_PAYLOAD as u64, 1)]
        );
        outbox.push(&vec![b'x'; MAX_KEPT]);
        assert!(!outbox.has_room());
    }
}
