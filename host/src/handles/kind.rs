//! What a live handle is.

use std::sync::{Arc, Mutex, Weak};

use crate::workspace::wasi::{ReadCursor, WriteCursor};

/// A line of standard error that was begun.
pub(crate) type Line = Arc<Mutex<Vec<u8>>>;

/// What a live handle is, with what its resource shares so that it can be described; files are kept open by
/// their resources alone.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Stdin,
    Stdout,
    Stderr(Line),
    TerminalInput,
    TerminalOutput,
    Network,
    Descriptor,
    Entries,
    Reader(Weak<ReadCursor>),
    Writer(Weak<WriteCursor>),
    /// Of the stream of this rep.
    Pollable(u32),
    /// When it is ready, nanoseconds of the monotonic clock.
    Timer(u64),
    Error,
    /// Holds a number until the ones above it are made.
    Dummy(Resource),
}

/// Types of resources that a component may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Resource {
    Descriptor,
    Entries,
    Input,
    Output,
    Pollable,
    Error,
    TerminalInput,
    TerminalOutput,
    Network,
}

impl Resource {
    /// All of them, those first that cost least as dummies.
    pub(crate) const ALL: [Self; 9] = [
        Self::Error,
        Self::Network,
        Self::TerminalOutput,
        Self::TerminalInput,
        Self::Output,
        Self::Input,
        Self::Pollable,
        Self::Descriptor,
        Self::Entries,
    ];

    /// Its name in WIT, as in the import `openclaw-restore-<name>`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Descriptor => "descriptor",
            Self::Entries => "directory-entry-stream",
            Self::Input => "input-stream",
            Self::Output => "output-stream",
            Self::Pollable => "pollable",
            Self::Error => "error",
            Self::TerminalInput => "terminal-input",
            Self::TerminalOutput => "terminal-output",
            Self::Network => "network",
        }
    }
}

impl Kind {
    pub(crate) fn resource(&self) -> Resource {
        match self {
            Self::Stdin | Self::Reader(_) => Resource::Input,
            Self::Stdout | Self::Stderr(_) | Self::Writer(_) => Resource::Output,
            Self::TerminalInput => Resource::TerminalInput,
            Self::TerminalOutput => Resource::TerminalOutput,
            Self::Network => Resource::Network,
            Self::Descriptor => Resource::Descriptor,
            Self::Entries => Resource::Entries,
            Self::Pollable(_) | Self::Timer(_) => Resource::Pollable,
            Self::Error => Resource::Error,
            Self::Dummy(resource) => *resource,
        }
    }
}
