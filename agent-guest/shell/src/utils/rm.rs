//! `rm`.

use std::{fs, io};

use super::{
    Pace, describe, locate, misuse, options,
    streams::Out,
    walk::{Stage, Walk},
};
use crate::command::{Call, Failure};

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long = [("force", 'f'), ("recursive", 'r'), ("dir", 'd'), ("verbose", 'v')];
    let options = options::parse(call, "fiIrRdv", &long)?;
    let force = options.last_of("fi") == Some('f');
    if options.operands.is_empty() {
        return if force { Ok(0) } else { Err(misuse(call, "missing operand")) };
    }
    if options.last_of("fi") == Some('i') || options.has('I') {
        return Err(Failure::Message(1, "asking before each removal is not supported".to_owned()));
    }
    let recursive = options.last_of("rR").is_some();
    let mut out = Out::new(call);
    let mut pace = Pace::default();
    for operand in &options.operands {
        let last = operand.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if matches!(last, "." | "..") && recursive {
            let text = format!("refusing to remove '.' or '..' directory: skipping '{operand}'");
            out.complain(text).await?;
            continue;
        }
        let mut walk = Walk::new(locate(call, operand), operand);
        let mut kept = 0;
        while let Some(visit) = walk.next() {
            pace.step().await;
            let (shown, result) = match visit {
                Err((_, error)) if force && error.kind() == io::ErrorKind::NotFound => continue,
                Err((shown, error)) => (shown, Err(error)),
                Ok(visit) if visit.stage == Stage::Leaf => (visit.shown, fs::remove_file(&visit.path)),
                Ok(visit) if visit.stage == Stage::Enter => {
                    if !recursive {
                        walk.skip();
                        if !options.has('d') {
                            kept = 1;
                            out.complain(format_args!("cannot remove '{operand}': Is a directory")).await?;
                        }
                    }
                    continue;
                }
                // A directory that keeps something was complained about where that is.
                Ok(_) if kept > 0 => continue,
                Ok(visit) => {
                    if options.has('v') && recursive {
                        out.put(format!("removed directory '{}'\n", visit.shown)).await?;
                    }
                    let result = fs::remove_dir(&visit.path);
                    if result.is_ok() {
                        continue;
                    }
                    (visit.shown, result)
                }
            };
            match result {
                Ok(()) if options.has('v') => out.put(format!("removed '{shown}'\n")).await?,
                Ok(()) => {}
                Err(error) => {
                    kept += 1;
                    out.complain(format_args!("cannot remove '{shown}': {}", describe(&error))).await?;
                }
            }
        }
    }
    out.finish().await
}
