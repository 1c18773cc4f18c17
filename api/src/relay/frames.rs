//! Where the frames of a WebSocket begin and end (RFC 6455, section 5.2); nothing else of them.

/// Follows a stream of frames through chunks of any size.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Bytes of a frame's head that came so far.
    head: [u8; 14],
    head_len: usize,
    /// Bytes of the present frame's payload still to come.
    payload: u64,
    closed: bool,
}

impl Frames {
    /// Whether the stream is between two frames.
    pub(super) fn between(&self) -> bool {
        self.head_len == 0 && self.payload == 0
    }

    /// Whether a close frame has begun.
    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// Takes a chunk; the index after the last frame that ends in it.
    pub(super) fn feed(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut at = 0;
        let mut end = None;
        while at < chunk.len() {
            if self.payload > 0 {
                let here = usize::try_from(self.payload).unwrap_or(usize::MAX).min(chunk.len() - at);
                self.payload -= here as u64;
                at += here;
            } else {
                self.head[self.head_len] = chunk[at];
                self.head_len += 1;
                at += 1;
                if self.head_len < self.head_size() {
                    continue;
                }
                self.payload = self.length();
                self.closed |= self.head[0] & 0x0f == 0x8;
                self.head_len = 0;
            }
            if self.between() {
                end = Some(at);
            }
        }
        end
    }

    /// Bytes of this head, as far as its first two tell.
    fn head_size(&self) -> usize {
        if self.head_len < 2 {
            return 2;
        }
        let length = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        2 + length + mask
    }

    fn length(&self) -> u64 {
        let [_, short, rest @ ..] = self.head;
        match short & 0x7f {
            126 => u64::from(u16::from_be_bytes([rest[0], rest[1]])),
            127 => {
                u64::from_be_bytes([rest[0], rest[1], rest[2], rest[3], rest[4], rest[5], rest[6], rest[7]])
            }
            short => u64::from(short),
        }
    }
}

/// A server's close frame.
pub(super) fn close(code: u16) -> [u8; 4] {
    let [high, low] = code.to_be_bytes();
    [0x88, 2, high, low]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match u16::try_from(length) {
            Ok(short @ 0..126) => frame.push(mask | u8::try_from(short).unwrap()),
            Ok(middle) => {
                frame.push(mask | 126);
                frame.extend(middle.to_be_bytes());
            }
            Err(_) => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        if masked {
            frame.extend([1, 2, 3, 4]);
        }
        frame.resize(frame.len() + length, 0x88);
        frame
    }

    proptest! {
        #[test]
        fn ends_are_found_however_the_stream_is_cut(
            lengths in prop::collection::vec(prop_oneof![0_usize..130, 60_000_usize..70_000], 1..6),
            masked: bool,
            cut in 1_usize..5_000,
        ) {
            let mut stream = Vec::new();
            let mut ends = Vec::new();
            for length in lengths {
                stream.extend(frame(2, length, masked));
                ends.push(stream.len());
            }
            let mut frames = Frames::default();
            let mut at = 0;
            for chunk in stream.chunks(cut) {
                let last = ends.iter().rev().find(|&&end| end > at && end <= at + chunk.len());
                prop_assert_eq!(frames.feed(chunk).map(|end| end + at), last.copied());
                at += chunk.len();
                prop_assert_eq!(frames.between(), ends.contains(&at));
            }
            prop_assert!(!frames.closed());
        }
    }

    #[test]
    fn a_close_frame_is_noticed() {
        let mut frames = Frames::default();
        assert_eq!(frames.feed(&close(1012)), Some(4));
        assert!(frames.closed());
    }
}
