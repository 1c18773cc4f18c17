//! What any store must do, over a directory and in memory; and what is asked of the store when it fails.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod contract;
mod faults;
mod support;
