//! What every language can compute alike.

use std::fmt;
use std::time::Instant;

/// FNV-1a of 32 bits.
pub(crate) struct Fnv(u32);

impl Fnv {
    pub(crate) fn new() -> Self {
        Self(0x811c_9dc5)
    }

    pub(crate) fn add(&mut self, byte: u8) {
        self.0 = (self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
}

impl fmt::Display for Fnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Works for some rounds, with a turn of the host between two.
pub(crate) async fn nap(rounds: u32) -> u32 {
    let mut x = 1_u32;
    for _ in 0..rounds {
        for _ in 0..20_000 {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        }
        // The executor answers `again` once the event has lasted this long.
        let round = Instant::now();
        while round.elapsed() < agent::SLICE {
            agent::yield_now().await;
        }
    }
    x
}
