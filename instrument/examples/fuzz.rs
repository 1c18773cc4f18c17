//! Feeds the instrumenter bytes for a while: `cargo run -p instrument --example fuzz -- SECONDS DIR`.
//!
//! `DIR` holds components to begin with, `.wasm` and `.wat` files below 1 MiB; they are changed at random and put
//! together. An input is written to the directory as `failed-SEED.wasm` before it is tried, and removed after: one
//! that fails stays there.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[path = "../tests/support/mutate.rs"]
mod mutate;

/// Bytes of an input, at most: many small ones find more than a few big ones.
const MAX_INPUT_BYTES: u64 = 1 << 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seconds, directory] = &arguments[..] else {
        eprintln!("usage: fuzz SECONDS DIR");
        return ExitCode::from(2);
    };
    let Ok(seconds) = seconds.parse::<u64>() else {
        eprintln!("{seconds}: not a number of seconds");
        return ExitCode::from(2);
    };
    match run(Duration::from_secs(seconds), Path::new(directory)) {
        Ok(report) => {
            eprintln!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{directory}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(duration: Duration, directory: &Path) -> std::io::Result<String> {
    let corpus = corpus(directory)?;
    if corpus.is_empty() {
        return Err(std::io::Error::other("no .wasm or .wat file below 1 MiB"));
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut random = mutate::Random::new(since.as_secs() ^ u64::from(since.subsec_nanos()));
    let begin = Instant::now();
    let (mut tried, mut accepted, mut slowest) = (0u64, 0u64, Duration::ZERO);
    while begin.elapsed() < duration {
        let seed = random.draw();
        let input = mutate::input(&corpus, seed);
        let path = directory.join(format!("failed-{seed:016x}.wasm"));
        // written first: nothing is left to write it after a hang or a crash
        std::fs::write(&path, &input)?;
        let start = Instant::now();
        accepted += u64::from(instrument::fuzz(&input));
        slowest = slowest.max(start.elapsed());
        std::fs::remove_file(&path)?;
        tried += 1;
    }
    Ok(format!("{tried} inputs, {accepted} of them suspendable, the slowest took {slowest:?}"))
}

fn corpus(directory: &Path) -> std::io::Result<Vec<Vec<u8>>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let known = entry.path().extension().is_some_and(|end| end == "wasm" || end == "wat");
        if known && entry.metadata()?.len() < MAX_INPUT_BYTES {
            paths.push(entry.path());
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| match path.extension().is_some_and(|end| end == "wat") {
            true => wat::parse_file(&path).map_err(std::io::Error::other),
            false => std::fs::read(&path),
        })
        .collect()
}
