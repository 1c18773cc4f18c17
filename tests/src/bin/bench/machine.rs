//! The machine a figure comes from.

use serde_json::{Value, json};

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

/// CPU time of all threads that are there, from the scheduler's own count.
pub(crate) fn cpu_time() -> std::time::Duration {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of = |thread: std::fs::DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|spent| spent.parse::<u64>().ok()).unwrap_or(0)
    };
    std::time::Duration::from_nanos(threads.map(of).sum())
}
