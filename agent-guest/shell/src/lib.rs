//! The `shell` agent: the POSIX shell language as people use it, over `/work`.

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
