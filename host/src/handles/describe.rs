//! What a component's handles are, for a checkpoint.

use std::sync::PoisonError;

use checkpoint::{
    Piece,
    manifest::{Handle, OpenFile, Slot},
};
use wasmtime::component::ResourceTable;

use super::{Kind, MAX_LISTING_BYTES, Shadow};
use crate::{agent::state::AgentState, workspace::wasi::OpenFiles};

/// Why a component cannot be suspended as it is now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Uncapturable {
    /// For people, as a sentence about the component: "it holds ...".
    pub(crate) what: String,
}

impl Uncapturable {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }

    /// A handle is not what its shadow says: a bug of ours.
    pub(crate) fn table(error: wasmtime::component::ResourceTableError) -> Self {
        Self::new(format!("one of its handles is not what the host believed: {error}"))
    }
}

impl AgentState {
    /// Every live handle, by ascending number, and the files that are open. Between two events only: the
    /// component must be at rest. It changes nothing that the component can see.
    ///
    /// # Errors
    /// When there is something that no checkpoint can hold; the component goes on as it is.
    pub(crate) fn describe_handles(&mut self) -> Result<(Vec<OpenFile<Piece>>, Vec<Slot>), Uncapturable> {
        let workspace = self.workspace.clone();
        let mut files = OpenFiles::new(&workspace, MAX_LISTING_BYTES);
        let live: Vec<(u32, u32, Kind)> =
            self.shadow.live().map(|(index, rep, kind)| (index, rep, kind.clone())).collect();
        let mut slots = Vec::with_capacity(live.len());
        for (index, rep, kind) in live {
            let handle = describe(&mut self.table, &self.shadow, &mut files, rep, &kind)?;
            slots.push(Slot { index, handle });
        }
        Ok((files.finish()?, slots))
    }
}

fn describe(
    table: &mut ResourceTable,
    shadow: &Shadow,
    files: &mut OpenFiles<'_>,
    rep: u32,
    kind: &Kind,
) -> Result<Handle, Uncapturable> {
    Ok(match kind {
        Kind::Stdin => Handle::Stdin,
        Kind::Stdout => Handle::Stdout,
        Kind::Stderr(line) => Handle::Stderr(line.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        Kind::TerminalInput => Handle::TerminalInput,
        Kind::TerminalOutput => Handle::TerminalOutput,
        Kind::Network => Handle::Network,
        Kind::Descriptor => files.descriptor(table, rep)?,
        Kind::Entries => files.entries(table, rep)?,
        Kind::Reader(cursor) => files.reader(cursor)?,
        Kind::Writer(cursor) => files.writer(cursor)?,
        Kind::Pollable(of) => {
            let of = shadow.number_of(*of);
            Handle::Pollable {
                of: of.ok_or_else(|| Uncapturable::new("it waits for a stream that is gone"))?,
            }
        }
        Kind::Timer(at) => Handle::Timer { at: *at },
        Kind::Error => OpenFiles::error(table, rep)?,
        Kind::Dummy(_) => return Err(Uncapturable::new("it is being restored")),
    })
}
