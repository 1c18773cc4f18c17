//! Percentiles.

use std::time::Duration;

use serde_json::{Value, json};

/// The value below which a part `q` of the samples is; they are sorted.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index within the samples"
    )]
    let index = (last as f64 * q).round() as usize;
    sorted.get(index).copied().unwrap_or(0.0)
}

/// Milliseconds, ascending.
pub(crate) fn sorted_ms(samples: &[Duration]) -> Vec<f64> {
    let mut sorted: Vec<f64> = samples.iter().map(|d| d.as_secs_f64() * 1000.0).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// Prints and returns the percentiles of `samples`, beside what is promised for them.
pub(crate) fn report(what: &str, samples: Vec<Duration>, promised: &str) -> Value {
    let sorted = sorted_ms(&samples);
    let at = |q| quantile(&sorted, q);
    let (p50, p95, p99, max) = (at(0.5), at(0.95), at(0.99), at(1.0));
    println!(
        "{what:<56} n={:<6} p50 {p50:>8.3} ms  p95 {p95:>8.3}  p99 {p99:>8.3}  max {max:>8.3}   promised: {promised}",
        samples.len()
    );
    json!({ "samples": samples.len(), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "max_ms": max, "promised": promised })
}
