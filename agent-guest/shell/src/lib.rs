//! The `shell` agent: the POSIX shell language as people use it, over `/work`.
//!
//! `syntax` takes text apart once, `expand` makes words of it, `exec` runs it, `builtins` and [`utils`] are
//! the commands, and `app` is the terminal. There are no processes: a stage of a pipeline, a background
//! job and a deep call are tasks of the SDK, a subshell is a copy of the shell's state, and a file
//! descriptor is a stream of [`io`]. Whatever runs gives way every few commands, so that Ctrl-C arrives.
//!
//! What a bash user misses: arrays, process substitution, coprocesses and `select` are refused when a
//! script is parsed. An unbracketed pattern of `case` inside `$(..)` is not understood: write `(x)`, not
//! `x)`. A trap for INT runs when Ctrl-C has ended the job in front, not instead of ending it.

mod app;
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

agent::main!(app::main);

#[cfg(test)]
mod testing;
