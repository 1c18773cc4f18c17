//! `mkdir` and `rmdir`.

use std::{fs, io};

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
        // With -p, each directory on the way in turn.
        let ends = operand.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0 && options.has('p'));
        for end in ends.chain([operand.len()]) {
            let shown = &operand[..end];
            let path = locate(call, shown);
            if options.has('p') && path.is_dir() {
                continue;
            }
            if let Err(error) = fs::create_dir(&path) {
                let blocked = end < operand.len() && error.kind() == io::ErrorKind::AlreadyExists;
                let why = if blocked { "Not a directory".to_owned() } else { describe(&error) };
                out.complain(format_args!("cannot create directory '{shown}': {why}")).await?;
                break;
            }
            if options.has('v') {
                out.put(format!("mkdir: created directory '{shown}'\n")).await?;
            }
        }
    }
    out.finish().await
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
