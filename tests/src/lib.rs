//! The harness of the whole-cloud tests and benchmarks: an API and a host of this process, on
//! loopback ports of their own, over a directory that goes with them.
//!
//! ```no_run
//! # async fn example() {
//! let cloud = cloud_tests::Cloud::start().await;
//! let agent = cloud.spawn(serde_json::json!({ "image": "shell" })).await;
//! let mut terminal = cloud.terminal(&agent).await;
//! terminal.run("echo hello").await;
//! # }
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a harness fails loudly")]

/// The program's own (`claw/src/main.rs`): what is measured here is measured as it is there.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub mod client;
pub mod cloud;
pub mod components;
pub mod process;
pub mod terminal;

pub use client::Client;
pub use cloud::Cloud;
pub use terminal::Terminal;
