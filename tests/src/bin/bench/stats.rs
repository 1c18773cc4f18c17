//! Percentiles of durations.

use std::time::Duration;

use serde_json::{Value, json};

/// Prints and returns the percentiles of `samples`, beside what is promised for them.
pub(crate) fn report(what: &str, mut samples: Vec<Duration>, promised: &str) -> Value {
    samples.sort_unstable();
    let at = |q: f64| {
        let last = samples.len().saturating_sub(1);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index within the samples"
        )]
        let index = (last as f64 * q).round() as usize;
        samples.get(index).map_or(0.0, |d| d.as_secs_f64() * 1000.0)
    };
    let (p50, p90, p99, max) = (at(0.5), at(0.9), at(0.99), at(1.0));
    println!(
        "{what:<52} n={:<6} p50 {p50:>8.3} ms  p90 {p90:>8.3}  p99 {p99:>8.3}  max {max:>8.3}   promised: {promised}",
        samples.len()
    );
    json!({ "samples": samples.len(), "p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "max_ms": max, "promised": promised })
}
