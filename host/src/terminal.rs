//! Terminals: a numbered byte log with a parsed screen, input sessions, and the sockets on them.
//!
//! [`log`] and [`inputs`] are the state, [`attachment`] decides what a socket is sent next, and
//! [`session`] is the only file here that does I/O.

pub(crate) mod attachment;
pub(crate) mod boundary;
pub(crate) mod inputs;
pub(crate) mod log;
mod screen;
pub(crate) mod session;
pub(crate) mod tail;

#[cfg(test)]
mod tests;
