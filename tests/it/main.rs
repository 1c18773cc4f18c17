//! Whole-cloud tests: one binary, a module for each promise.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly, and so does what they share")]

mod binary;
mod browser;
mod cli;
mod commands;
mod crash;
mod damage;
mod differential;
mod durability;
mod egress;
mod faults;
mod first_light;
mod grace;
mod inputs;
mod isolation;
mod operations;
mod records;
mod requests;
mod shell;
mod sockets;
mod upgrades;
