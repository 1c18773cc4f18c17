//! When a slice of work is over, at the price of few clock readings.

use std::time::{Duration, Instant};

/// A clock reading is a call into the host; polls between two readings are
/// counted instead, and the count adapts so that readings are about this far apart.
const READING: Duration = Duration::from_micros(500);

/// The most polls between two readings, so that a few slow ones after many
/// fast ones do not go unnoticed for long.
const MOST_POLLS: u32 = 64;

pub(super) struct Slice {
    began: Instant,
    last: Instant,
    length: Duration,
    /// Polls per reading.
    stride: u32,
    left: u32,
}

impl Slice {
    pub(super) fn begin(length: Duration) -> Self {
        let now = Instant::now();
        Self { began: now, last: now, length, stride: 1, left: 1 }
    }

    /// Counts one poll; whether the slice is over.
    pub(super) fn used_up(&mut self) -> bool {
        self.left -= 1;
        if self.left > 0 {
            return false;
        }
        let now = Instant::now();
        let since = now.duration_since(self.last);
        if since < READING {
            self.stride = (self.stride * 2).min(MOST_POLLS);
        } else if since > READING * 2 {
            self.stride = (self.stride / 2).max(1);
        }
        self.last = now;
        self.left = self.stride;
        now.duration_since(self.began) >= self.length
    }
}
