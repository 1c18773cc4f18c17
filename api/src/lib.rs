//! The control plane: takes requests, decides who may do what and where agents run, and keeps the
//! record of it. A request goes route → app → store and host; nothing here links wasmtime.

pub mod auth;
pub mod data_dir;
pub mod domain;
pub mod place;
pub mod store;
