//! The generated bindings: the only file that calls `bindgen!`.
#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated code; the WIT files are its documentation"
)]

/// `openclaw:agent`, see `wit/agent/types.wit`.
pub mod agent {
    wasmtime::component::bindgen!({
        path: "../wit/agent",
        world: "agent",
        imports: {
            // Parsing output costs: a long write yields to other agents between pieces.
            "openclaw:agent/terminal.write": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        require_store_data_send: true,
    });
}
