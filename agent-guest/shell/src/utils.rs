//! The utilities, one file each, and the table that names them.

use std::io;

use crate::command::Utility;

/// Every utility, sorted by name.
pub const ALL: &[Utility] = &[];

/// An I/O error as a person reads it: `No such file or directory`, without numbers.
#[must_use]
pub fn describe(error: &io::Error) -> String {
    error.to_string()
}
