//! `rm`.

use std::{fs, io, path::Path};

use super::{
    Pace, WORKSPACE, describe, links, locate, misuse, options,
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
        let path = locate(call, operand);
        if recursive && links::resolve(&path).is_ok_and(|path| is_everything(&path)) {
            let hint = "remove what is in it instead";
            out.complain(format_args!("refusing to remove all of '{operand}': {hint}")).await?;
            continue;
        }
        let mut walk = Walk::new(path, operand);
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

/// Whether a path without links or `..` is the workspace, or what it is in.
fn is_everything(path: &Path) -> bool {
    Path::new(WORKSPACE).starts_with(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Only the judgement: a test that removed for real would need to be right the first time.
    #[test]
    fn the_whole_workspace_is_recognised() {
        for path in ["/work", "/work/", "/"] {
            assert!(is_everything(Path::new(path)), "{path}");
        }
        for path in ["/work/a", "/workshop", "/wor", "/tmp"] {
            assert!(!is_everything(Path::new(path)), "{path}");
        }
    }
}
