//! The machine a figure comes from.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::stats::{quantile, sorted_ms};

/// Writes by which the disk is judged.
const SYNCS: usize = 100;

fn first(path: &str, key: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(key));
    line.and_then(|line| line.split_once(':')).map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

/// Processor, memory, kernel, build.
pub(crate) fn describe() -> Value {
    json!({
        "cpu": first("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": first("/proc/meminfo", "MemTotal"),
        "kernel": std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "build": if cfg!(debug_assertions) { "dev" } else { "release" },
        "version": env!("CARGO_PKG_VERSION"),
        "wasmtime": "48.0.8",
    })
}

/// The same on one line.
pub(crate) fn line(machine: &Value) -> String {
    let text = |key: &str| machine[key].as_str().unwrap_or_default().to_owned();
    format!(
        "{}, {} cores, {}, Linux {}, {} build, wasmtime {}",
        text("cpu"),
        machine["cores"],
        text("memory"),
        text("kernel"),
        text("build"),
        text("wasmtime")
    )
}

/// A line of `/proc/self/status` in KiB.
pub(crate) fn status_kib(key: &str) -> u64 {
    let text = first("/proc/self/status", key);
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// What changes from run to run: when it was, what else ran, and how long the disk took.
pub(crate) fn now() -> Value {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().and_then(|load| load.parse::<f64>().ok());
    let disk = sorted_ms(&fdatasyncs().unwrap_or_default());
    let (p50, p95) = (quantile(&disk, 0.5), quantile(&disk, 0.95));
    println!("load {}, one fdatasync of 4 KiB p50 {p50:.2} ms, p95 {p95:.2}", load.unwrap_or_default());
    json!({
        "at": jiff::Timestamp::now().round(jiff::Unit::Second).unwrap_or_default(), "load_1m": load,
        "fdatasync_ms": { "p50": p50, "p95": p95 },
    })
}

/// Where the clouds of the benchmarks keep their data.
fn fdatasyncs() -> std::io::Result<Vec<Duration>> {
    let mut file = tempfile::tempfile()?;
    let mut took = Vec::new();
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    Ok(took)
}
