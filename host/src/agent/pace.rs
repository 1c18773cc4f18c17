//! The rate of an agent: a token bucket of fuel, charged by the slice while an event runs.

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::driver::SLICE_FUEL;

/// What time spent in the host for an agent costs it: a slice of 200,000 fuel takes about 0.2 ms, so a
/// nanosecond is a unit of fuel.
pub(crate) fn fuel_of(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Fuel that may be saved up, in seconds of the rate.
const BURST_SECONDS: u64 = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: u64,
    /// What is left; below zero, the agent waits.
    level: i64,
    filled: Instant,
    /// Charged by the slice since the last settlement.
    charged: u64,
}

fn signed(fuel: u64) -> i64 {
    i64::try_from(fuel).unwrap_or(i64::MAX)
}

impl Bucket {
    /// A full bucket for `rate` fuel a second.
    pub(crate) fn new(rate: u64, now: Instant) -> Self {
        let rate = rate.max(1);
        Self { rate, level: signed(rate.saturating_mul(BURST_SECONDS)), filled: now, charged: 0 }
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled).as_nanos();
        let earned = elapsed.saturating_mul(u128::from(self.rate)) / 1_000_000_000;
        if earned > 0 {
            let earned = i64::try_from(earned).unwrap_or(i64::MAX);
            self.level =
                self.level.saturating_add(earned).min(signed(self.rate.saturating_mul(BURST_SECONDS)));
            self.filled = now;
        }
    }

    /// How long until the agent may go on, if it may not now.
    fn wait(&mut self, now: Instant) -> Option<Duration> {
        self.refill(now);
        let missing = u64::try_from(-self.level).ok().filter(|n| *n > 0)?;
        Some(Duration::from_nanos(
            missing.saturating_mul(1_000_000_000 / self.rate.clamp(1, 1_000_000_000)).max(1),
        ))
    }

    fn charge_slice(&mut self) {
        self.level = self.level.saturating_sub(signed(SLICE_FUEL));
        self.charged += SLICE_FUEL;
    }

    /// An event used `fuel`: corrects what was charged by the slice.
    pub(crate) fn settle(&mut self, fuel: u64) {
        self.level = self.level.saturating_add(signed(self.charged)).saturating_sub(signed(fuel));
        self.charged = 0;
    }
}

/// Counts an event's slices while it runs: one that never ends is on the meter, too.
#[derive(Debug)]
pub(crate) struct Ahead<'a> {
    /// The agent's meter.
    pub(crate) fuel: &'a AtomicU64,
    /// Fuel of the events before.
    pub(crate) settled: u64,
}

/// A guest call that keeps to its bucket: it is polled for a slice, and not while the bucket is empty.
pub(crate) struct Paced<'a, F> {
    bucket: &'a mut Bucket,
    meter: Ahead<'a>,
    call: Pin<Box<F>>,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl<'a, F: Future> Paced<'a, F> {
    pub(crate) fn new(bucket: &'a mut Bucket, meter: Ahead<'a>, call: F) -> Self {
        Self { bucket, meter, call: Box::pin(call), pause: None }
    }
}

impl<F: Future> Future for Paced<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
        }
        if let Some(wait) = self.bucket.wait(Instant::now()) {
            let mut pause = Box::pin(tokio::time::sleep(wait));
            if pause.as_mut().poll(cx).is_pending() {
                self.pause = Some(pause);
                return Poll::Pending;
            }
        }
        let polled = self.call.as_mut().poll(cx);
        if polled.is_pending() {
            self.bucket.charge_slice();
            self.meter.fuel.fetch_max(self.meter.settled + self.bucket.charged, Ordering::Relaxed);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_bucket_waits_for_what_is_missing() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1_000_000, start);
        assert_eq!(bucket.wait(start), None);
        for _ in 0..11 {
            bucket.charge_slice();
        }
        assert_eq!(bucket.wait(start), Some(Duration::from_millis(200)));
        assert_eq!(bucket.wait(start + Duration::from_millis(200)), None);
    }

    #[test]
    fn a_settlement_charges_what_was_used() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1_000_000, start);
        bucket.charge_slice();
        bucket.settle(10);
        assert_eq!(bucket.level, 2_000_000 - 10);
        // Saved up for no more than the burst.
        bucket.refill(start + Duration::from_secs(3600));
        assert_eq!(bucket.level, 2_000_000);
    }
}
