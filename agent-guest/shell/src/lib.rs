//! The `shell` agent: the POSIX shell language as people use it, over `/work`.

pub mod command;
pub mod io;
pub mod utils;
