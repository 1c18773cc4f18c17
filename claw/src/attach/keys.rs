//! Finds the keys that detach among those that are typed.

/// Ctrl-P.
const FIRST: u8 = 0x10;
/// Ctrl-Q.
const SECOND: u8 = 0x11;

/// Remembers a Ctrl-P that may be the first half.
#[derive(Debug, Default)]
pub(super) struct Keys {
    held: bool,
}

impl Keys {
    /// What to pass on, and whether the keys that detach were among it. Bytes of a pipe are no keys.
    pub(super) fn take(&mut self, bytes: &[u8], are_keys: bool) -> (Vec<u8>, bool) {
        if !are_keys {
            return (bytes.to_vec(), false);
        }
        let mut passed = Vec::with_capacity(bytes.len() + 1);
        for &byte in bytes {
            match (self.held, byte) {
                (true, SECOND) => {
                    self.held = false;
                    return (passed, true);
                }
                // Twice is once for the agent and once more that may be the first half.
                (true, FIRST) => passed.push(FIRST),
                (false, FIRST) => self.held = true,
                (held, _) => {
                    if held {
                        passed.push(FIRST);
                    }
                    self.held = false;
                    passed.push(byte);
                }
            }
        }
        (passed, false)
    }

    /// Whether a Ctrl-P is held back.
    pub(super) fn is_holding(&self) -> bool {
        self.held
    }

    /// Gives it up: nothing followed, so it was meant for the agent.
    pub(super) fn release(&mut self) -> Vec<u8> {
        if std::mem::take(&mut self.held) { vec![FIRST] } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[&[u8]], expected: &[u8], detached: bool) {
        let mut keys = Keys::default();
        let mut passed = Vec::new();
        let mut detach = false;
        for piece in pieces {
            let (more, now) = keys.take(piece, true);
            passed.extend(more);
            detach |= now;
        }
        assert_eq!((passed.as_slice(), detach), (expected, detached));
    }

    #[test]
    fn both_keys_detach_together_or_apart() {
        check(&[b"ls\r\x10\x11"], b"ls\r", true);
        check(&[b"\x10", b"\x11rest"], b"", true);
    }

    #[test]
    fn either_alone_is_the_agents() {
        check(&[b"a\x10b\x11"], b"a\x10b\x11", false);
        check(&[b"\x10", b"\x10", b"x"], b"\x10\x10x", false);
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"\x10", true), (vec![], false));
        assert!(keys.is_holding());
        assert_eq!(keys.release(), b"\x10");
        assert_eq!(keys.release(), b"");
    }

    #[test]
    fn a_pipe_has_no_keys() {
        assert_eq!(Keys::default().take(b"\x10\x11", false), (b"\x10\x11".to_vec(), false));
    }
}
