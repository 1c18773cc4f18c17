//! `touch`.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
    time::SystemTime,
};

use super::{describe, locate, misuse, options, streams::Out, time};
use crate::command::{Call, Failure};

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long = [("no-create", 'c'), ("date=", 'd'), ("reference=", 'r'), ("no-dereference", 'h')];
    let options = options::parse(call, "acd:fhmr:t:", &long)?;
    if options.operands.is_empty() {
        return Err(misuse(call, "missing file operand"));
    }
    let when = match options.last_of("drt") {
        Some('d') => {
            let text = options.value('d').unwrap_or_default();
            let seconds = time::parse(text, time::now())
                .ok_or_else(|| Failure::Message(1, format!("invalid date format '{text}'")))?;
            time::from_epoch(seconds)
        }
        Some('t') => {
            let text = options.value('t').unwrap_or_default();
            stamp(text).ok_or_else(|| Failure::Message(1, format!("invalid date format '{text}'")))?
        }
        Some(_) => {
            let path = options.value('r').unwrap_or_default();
            let modified = fs::metadata(locate(call, path)).and_then(|metadata| metadata.modified());
            modified.map_err(|error| {
                Failure::Message(1, format!("failed to get attributes of '{path}': {}", describe(&error)))
            })?
        }
        None => SystemTime::now(),
    };
    let mut times = fs::FileTimes::new();
    if !options.has('a') || options.has('m') {
        times = times.set_modified(when);
    }
    if !options.has('m') || options.has('a') {
        times = times.set_accessed(when);
    }
    let mut out = Out::new(call);
    for operand in &options.operands {
        let path = locate(call, operand);
        let result = match open_for_times(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && options.has('c') => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => File::create(&path),
            opened => opened,
        };
        if let Err(error) = result.and_then(|file| file.set_times(times)) {
            out.complain(format_args!("cannot touch '{operand}': {}", describe(&error))).await?;
        }
    }
    out.finish().await
}

/// Opens what exists so that its times can be set: a file to write, a directory to read.
pub(super) fn open_for_times(path: &Path) -> io::Result<File> {
    if fs::metadata(path)?.is_dir() { File::open(path) } else { OpenOptions::new().append(true).open(path) }
}

/// `[[CC]YY]MMDDhhmm[.ss]`.
fn stamp(text: &str) -> Option<SystemTime> {
    let (digits, seconds) = text.split_once('.').unwrap_or((text, "00"));
    let year = time::Civil::new(time::now()).year;
    let full = match digits.len() {
        8 => format!("{year:04}{digits}"),
        10 => format!("20{digits}"),
        12 => digits.to_owned(),
        _ => return None,
    };
    let part = |from: usize| full.get(from..from + 2);
    let text = format!("{}-{}-{} {}:{}:{seconds}", full.get(..4)?, part(4)?, part(6)?, part(8)?, part(10)?);
    time::parse(&text, 0).map(time::from_epoch)
}
