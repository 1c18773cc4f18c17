//! The contract in `wit/agent`, as generated Rust. The one place that generates it.
//!
//! Agents use the crate's own modules; this one is public because
//! [`main!`](crate::main) expands to code that names it.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::allow_attributes_without_reason,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::str_to_string,
    reason = "generated code: the canonical ABI's raw memory, and names that come from the contract"
)]

wit_bindgen::generate!({
    path: "../../wit/agent",
    world: "agent",
    pub_export_macro: true,
    export_macro_name: "export_agent",
    default_bindings_module: "agent::bindings",
    runtime_path: "::agent::bindings::runtime",
    additional_derives: [PartialEq],
});

/// What the generated export calls need, reachable from the crate that exports.
pub use wit_bindgen::rt as runtime;

/// What agents export besides that carry their state to another version of themselves. With the world `agent` it is
/// `upgradable-agent`, whose own export macro would define that of `agent` a second time.
pub mod upgradable {
    wit_bindgen::generate!({
        inline: "package openclaw:sdk; world versions { export openclaw:agent/upgrade@0.1.0; }",
        path: "../../wit/agent",
        world: "openclaw:sdk/versions",
        pub_export_macro: true,
        export_macro_name: "export_versions",
        default_bindings_module: "agent::bindings::upgradable",
        runtime_path: "::agent::bindings::runtime",
        with: { "openclaw:agent/types@0.1.0": crate::bindings::openclaw::agent::types },
    });
}
