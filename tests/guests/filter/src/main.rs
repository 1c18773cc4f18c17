//! Answers each line in capitals and counts lines in `/work/lines`, over all its runs. `exit N` exits with status N.

use std::{
    fs,
    io::{self, BufRead as _, Write as _},
    process,
};

/// Where lines are counted.
const COUNT: &str = "/work/lines";

fn main() -> io::Result<()> {
    let mut lines: u64 = fs::read_to_string(COUNT).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut out = io::stdout();
    writeln!(out, "filter, {lines} lines so far")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        if let Some(status) = line.strip_prefix("exit ").and_then(|status| status.parse().ok()) {
            writeln!(io::stderr(), "exiting with {status}")?;
            process::exit(status);
        }
        lines += 1;
        fs::write(COUNT, lines.to_string())?;
        writeln!(out, "{lines} {}", line.to_uppercase())?;
    }
    writeln!(out, "end of input")
}
