//! Whole-cloud tests: one binary, a module for each promise.

mod binary;
mod browser;
mod cli;
mod faults;
mod first_light;
mod inputs;
mod isolation;
mod operations;
mod sockets;
