//! The `shell` agent: the POSIX shell language as people use it, over `/work`.

mod builtins;
mod clock;
pub mod command;
mod exec;
mod expand;
mod history;
pub mod io;
mod shell;
mod syntax;
pub mod utils;

#[cfg(test)]
mod testing;
