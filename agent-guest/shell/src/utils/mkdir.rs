//! `mkdir` and `rmdir`.

use std::{fs, io, path::Path};

use super::{describe, locate, misuse, options, streams::Out};
use crate::command::{Call, Failure};

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long = [("parents", 'p'), ("verbose", 'v'), ("mode=", 'm')];
    let options = options::parse(call, "pvm:", &long)?;
    if options.operands.is_empty() {
        return Err(misuse(call, "missing operand"));
    }
    let mut out = Out::new(call);
    for operand in &options.operands {
        let path = locate(call, operand);
        let made = if options.has('p') { make_all(&path) } else { fs::create_dir(&path) };
        match made {
            Ok(()) if options.has('v') => out.put(format!("mkdir: created directory '{operand}'\n")).await?,
            Ok(()) => {}
            Err(error) => {
                let text = format!("cannot create directory '{operand}': {}", describe(&error));
                out.complain(text).await?;
            }
        }
    }
    out.finish().await
}

/// Makes a directory and those above it; one that exists is fine, anything else that does is not.
pub(super) fn make_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Some(parent) = path.parent() else { return Err(error) };
            make_all(parent)?;
            fs::create_dir(path)
        }
        other => other,
    }
}

/// `rmdir`.
pub(crate) async fn rmdir(call: &Call) -> Result<u8, Failure> {
    let long = [("parents", 'p'), ("verbose", 'v'), ("ignore-fail-on-non-empty", '!')];
    let options = options::parse(call, "pv", &long)?;
    if options.operands.is_empty() {
        return Err(misuse(call, "missing operand"));
    }
    let mut out = Out::new(call);
    for operand in &options.operands {
        let mut shown = operand.trim_end_matches('/');
        loop {
            if options.has('v') {
                out.put(format!("rmdir: removing directory, '{shown}'\n")).await?;
            }
            if let Err(error) = fs::remove_dir(locate(call, shown)) {
                if !(options.has('!') && error.kind() == io::ErrorKind::DirectoryNotEmpty) {
                    out.complain(format_args!("failed to remove '{shown}': {}", describe(&error))).await?;
                }
                break;
            }
            match shown.rsplit_once('/') {
                Some((parent, _)) if options.has('p') && !parent.is_empty() => shown = parent,
                _ => break,
            }
        }
    }
    out.finish().await
}
