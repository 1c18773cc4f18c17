//! Handles.

use super::{Check, at_most, ensure, tree};
use crate::{
    ChunkRef,
    limits::{MAX_HANDLES, MAX_LINE_BYTES, MAX_LISTED, MAX_PART_BYTES},
    manifest::{Guest, Handle},
};

pub(super) fn handles(guest: &Guest<ChunkRef>) -> Check {
    let mut before = 0;
    for slot in &guest.handles {
        ensure(slot.index > before && slot.index as usize <= MAX_HANDLES, "numbers of handles")?;
        before = slot.index;
        handle(guest, &slot.handle)?;
    }
    Ok(())
}

fn handle(guest: &Guest<ChunkRef>, handle: &Handle) -> Check {
    match handle {
        Handle::Stdin
        | Handle::Stdout
        | Handle::TerminalInput
        | Handle::TerminalOutput
        | Handle::Top
        | Handle::Network
        | Handle::Timer { .. } => Ok(()),
        Handle::Stderr(line) => at_most(line.len(), MAX_LINE_BYTES, "a line of standard error"),
        Handle::Directory(path) if path.is_empty() => Ok(()),
        Handle::Directory(path) => tree::path(path),
        Handle::File { file, .. } | Handle::FileReader { file, .. } | Handle::FileWriter { file, .. } => {
            ensure((*file as usize) < guest.files.len(), "a handle of a file that is not open")
        }
        Handle::Entries(entries) => {
            at_most(entries.len(), MAX_LISTED, "a directory that is being listed")?;
            entries.iter().try_for_each(|(_, name)| at_most(name.len(), MAX_PART_BYTES, "a name"))
        }
        Handle::Pollable { of } => {
            let found = guest.handles.binary_search_by_key(of, |slot| slot.index);
            let stream = found.is_ok_and(|at| is_stream(&guest.handles[at].handle));
            ensure(stream, "something to wait for that is no stream")
        }
        Handle::Error { text, .. } => at_most(text.len(), MAX_LINE_BYTES, "an error's text"),
    }
}

fn is_stream(handle: &Handle) -> bool {
    matches!(
        handle,
        Handle::Stdin
            | Handle::Stdout
            | Handle::Stderr(_)
            | Handle::FileReader { .. }
            | Handle::FileWriter { .. }
    )
}
