//! What was typed, numbered, and kept until the cloud has it for good.

use rand::Rng as _;
use wire::terminal::{Header, Kind, MAX_PAYLOAD, STREAM_TERMINAL};

/// Most input kept, bytes; reading pauses there.
const MAX_KEPT: usize = 256 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Outbox {
    session: String,
    /// Not yet durable, though the agent may have handled it: a host that is lost takes what it did with it. The
    /// first byte has the sequence `base`.
    kept: Vec<u8>,
    base: u64,
    /// The next sequence to send on this connection.
    next: u64,
    /// Input before this was handled by the agent as it is now.
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
        }
        // An agent that went back to a checkpoint has not handled what it is sent again.
        self.applied = self.applied.min(input_seq).max(self.base);
        self.next = input_seq;
    }

    /// The cloud forgot this session: what is kept goes under a new name. Not what the agent handled: it did not
    /// go back, only the numbers are lost, and it would get that twice.
    pub(super) fn expired(&mut self) {
        self.session = name();
        self.forget_below(self.applied);
        (self.base, self.next, self.applied) = (0, 0, 0);
    }

    /// The cloud says how far it is.
    pub(super) fn acknowledged(&mut self, applied: u64, durable: u64) {
        self.applied = self.applied.max(applied.min(self.end()));
        // It may have more than was sent here: what an earlier connection sent and it took only now.
        self.forget_below(durable.min(self.end()));
        self.next = self.next.max(self.base);
    }

    fn forget_below(&mut self, sequence: u64) {
        let gone = sequence.saturating_sub(self.base);
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
    fn what_was_handled_is_kept_until_it_is_durable() {
        let mut outbox = Outbox::default();
        outbox.attached(0);
        outbox.push(b"make\rtest\r");
        assert_eq!(frames(&mut outbox).len(), 1);
        outbox.acknowledged(10, 5);
        assert!(outbox.is_applied());
        // The host is lost; the agent is back from the checkpoint that held the first five bytes.
        outbox.attached(5);
        assert!(!outbox.is_applied(), "it has to be handled again");
        assert_eq!(frames(&mut outbox), [(5, "test\r".to_owned())]);
        outbox.acknowledged(10, 10);
        assert!(outbox.is_applied());
        outbox.attached(10);
        assert_eq!(frames(&mut outbox), []);
    }

    #[test]
    fn a_planned_move_repeats_nothing_though_nothing_is_durable_yet() {
        let mut outbox = Outbox::default();
        outbox.attached(0);
        outbox.push(b"abc");
        assert_eq!(frames(&mut outbox).len(), 1);
        outbox.acknowledged(2, 0);
        outbox.push(b"de");
        // The checkpoint it moved with has all that arrived, handled or not.
        outbox.attached(3);
        assert_eq!(frames(&mut outbox), [(3, "de".to_owned())]);
        outbox.acknowledged(5, 5);
        assert_eq!(outbox.kept.len(), 0);
    }

    #[test]
    fn durability_that_comes_late_or_twice_forgets_no_more_than_it_says() {
        let mut outbox = Outbox::default();
        outbox.attached(0);
        outbox.push(b"abcdef");
        assert_eq!(frames(&mut outbox).len(), 1);
        outbox.acknowledged(6, 4);
        outbox.acknowledged(6, 2);
        assert_eq!(outbox.kept, b"ef");
        outbox.attached(4);
        assert_eq!(frames(&mut outbox), [(4, "ef".to_owned())]);
        outbox.acknowledged(99, 99);
        assert_eq!((outbox.base, outbox.kept.len()), (6, 0), "never more than was typed");
    }

    #[test]
    fn what_an_earlier_connection_sent_may_arrive_after_the_next_one_began() {
        let mut outbox = Outbox::default();
        outbox.attached(0);
        outbox.push(b"abcdef");
        assert_eq!(frames(&mut outbox).len(), 1);
        outbox.attached(0);
        outbox.acknowledged(6, 4);
        assert!(outbox.is_applied());
        assert_eq!(frames(&mut outbox), [(4, "ef".to_owned())], "what is durable is not sent again");
    }

    #[test]
    fn a_forgotten_session_is_not_told_again_what_was_handled() {
        let mut outbox = Outbox::default();
        outbox.attached(0);
        outbox.push(b"rm x\rls\r");
        assert_eq!(frames(&mut outbox).len(), 1);
        outbox.acknowledged(5, 0);
        let before = outbox.session().to_owned();
        outbox.expired();
        assert_ne!(outbox.session(), before);
        outbox.attached(0);
        assert_eq!(frames(&mut outbox), [(0, "ls\r".to_owned())]);
    }

    #[test]
    fn a_host_that_has_only_an_older_checkpoint_gets_all_that_is_kept() {
        let mut outbox = Outbox::default();
        outbox.attached(0);
        outbox.push(b"0123456789");
        assert_eq!(frames(&mut outbox).len(), 1);
        outbox.acknowledged(10, 6);
        outbox.attached(2);
        assert_eq!(frames(&mut outbox), [(2, "6789".to_owned())]);
        assert!(!outbox.is_applied());
    }

    #[test]
    fn what_is_not_durable_counts_against_the_bound() {
        let mut outbox = Outbox::default();
        outbox.attached(0);
        outbox.push(&vec![b'x'; MAX_KEPT]);
        assert!(!frames(&mut outbox).is_empty());
        outbox.acknowledged(MAX_KEPT as u64, 0);
        assert!(outbox.is_applied() && !outbox.has_room());
        outbox.acknowledged(MAX_KEPT as u64, 1);
        assert!(outbox.has_room());
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
