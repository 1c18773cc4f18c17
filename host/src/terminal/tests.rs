//! Models: what a client sees of output and input over suspends, moves, crashes and rollbacks.

mod input;
mod output;
