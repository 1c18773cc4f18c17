//! Scripts and what they print: by hand here, recorded from bash in `tests/corpus`.

use std::{fs, path::Path};

use crate::testing::{out, run, run_in};

/// Every `tests/corpus/NAME.sh` prints `NAME.out`, recorded from bash by `tests/corpus/record`.
#[test]
fn corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut failed = Vec::new();
    let mut count = 0;
    let mut names: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names.iter().filter(|path| path.extension().is_some_and(|ext| ext == "sh")) {
        count += 1;
        let script = fs::read_to_string(path).unwrap();
        let expected = fs::read_to_string(path.with_extension("out")).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let ran = run_in(directory.path(), &script, b"");
        let got = format!("{}status {}\n", ran.out, ran.status);
        if got != expected {
            let line = expected.lines().zip(got.lines()).position(|(want, got)| want != got);
            let at = line.unwrap_or_else(|| expected.lines().count().min(got.lines().count()));
            failed.push(format!(
                "{}:\n  line {}: expected {:?}\n           got      {:?}\n  stderr: {}",
                path.file_stem().unwrap().to_string_lossy(),
                at + 1,
                expected.lines().nth(at),
                got.lines().nth(at),
                ran.err
            ));
        }
    }
    assert!(count > 10, "the corpus is there");
    assert!(failed.is_empty(), "{} of {count} differ\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn pipelines_end_with_their_reader() {
    assert_eq!(out("while :; do echo y; done | head -1"), "y\n");
    assert_eq!(run("set -o pipefail; while :; do echo y; done | head -1").status, 141);
}
