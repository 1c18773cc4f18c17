//! A monotonic clock that goes on while its agent is away.

use std::time::{Duration, Instant};

use wasmtime_wasi::HostMonotonicClock;

/// What an agent's monotonic clock shows. Copies show the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// What it showed at `since`, nanoseconds.
    base_ns: u64,
    since: Instant,
}

impl Clock {
    /// Begins at zero, now.
    pub(crate) fn new() -> Self {
        Self::resumed(0, Duration::ZERO)
    }

    /// Goes on from what it showed, `away` ago.
    pub(crate) fn resumed(shown_ns: u64, away: Duration) -> Self {
        Self { base_ns: shown_ns.saturating_add(nanos(away)), since: Instant::now() }
    }

    /// What it shows, nanoseconds.
    pub(crate) fn shows(&self) -> u64 {
        self.base_ns.saturating_add(nanos(self.since.elapsed()))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        self.shows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_from_where_it_was() {
        let clock = Clock::resumed(5_000_000_000, Duration::from_secs(60));
        let shown = clock.shows();
        assert!((65_000_000_000..66_000_000_000).contains(&shown), "{shown}");
        assert!(clock.shows() >= shown);
        assert!(Clock::new().shows() < 1_000_000_000);
        // A forged checkpoint cannot make it overflow.
        assert_eq!(Clock::resumed(u64::MAX, Duration::MAX).shows(), u64::MAX);
    }
}
