//! What the guest's calls cost in time.
//!
//! A file call spends no fuel, and a disk can take milliseconds for one: a guest that deletes files
//! in a loop would hold its thread for thousands of them per slice. So calls are timed, and one that
//! used up a slice lets others go first before it returns.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Time in calls after which the guest's turn ends, as long as its slice of fuel.
const TURN: Duration = Duration::from_micros(200);

/// Of one guest, so nobody races for it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Nanoseconds of this turn.
    turn: AtomicU64,
    /// Nanoseconds that [`Pace::take`] has not told of.
    untold: AtomicU64,
}

impl Pace {
    /// Does `call` on the guest's time.
    pub(super) fn time<T>(&self, call: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = call();
        let spent = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.turn.fetch_add(spent, Relaxed);
        self.untold.fetch_add(spent, Relaxed);
        done
    }

    /// Whether others are to go first.
    pub(super) fn is_over(&self) -> bool {
        u128::from(self.turn.load(Relaxed)) >= TURN.as_nanos()
    }

    /// Lets them, if so.
    pub(super) async fn rest(&self) {
        if self.is_over() {
            self.turn.store(0, Relaxed);
            crate::executor::end_slice().await;
        }
    }

    /// What was spent since the last time it was asked.
    pub(super) fn take(&self) -> Duration {
        Duration::from_nanos(self.untold.swap(0, Relaxed))
    }
}
