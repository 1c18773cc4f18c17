//! What a utility such as `ls` or `grep` is: an async function over streams.

use std::{collections::BTreeMap, io, path::PathBuf};

use crate::io::{LocalFuture, Reader, Writer};

/// Everything a utility may touch.
#[derive(Debug)]
pub struct Call {
    /// The word it was called by.
    pub name: String,
    /// The words after it.
    pub args: Vec<String>,
    /// The shell's directory, absolute; relative operands are joined to it.
    pub cwd: PathBuf,
    /// Exported variables.
    pub env: BTreeMap<String, String>,
    /// Standard input.
    pub stdin: Reader,
    /// Standard output.
    pub stdout: Writer,
    /// Standard error.
    pub stderr: Writer,
    /// Width of the terminal in cells, when standard output is one.
    pub columns: Option<u16>,
}

/// How a utility ends other than by its own exit code.
#[derive(Debug)]
pub enum Failure {
    /// Its reader is gone: status 141, silently.
    BrokenPipe,
    /// Shown as `name: text` on standard error, with this status.
    Message(u8, String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::BrokenPipe
        } else {
            Self::Message(1, crate::utils::describe(&error))
        }
    }
}

/// A utility: its exit code, or how it failed.
pub type Run = for<'a> fn(&'a Call) -> LocalFuture<'a, Result<u8, Failure>>;

/// A row of the table of utilities.
#[derive(Debug, Clone, Copy)]
pub struct Utility {
    /// What it is called by.
    pub name: &'static str,
    /// One line for `help`: synopsis and purpose.
    pub help: &'static str,
    /// The function.
    pub run: Run,
}
