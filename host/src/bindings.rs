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

/// `wasi:filesystem`, see `wit/workspace/workspace.wit`: the host's own, on the streams and clocks
/// of wasmtime-wasi.
pub mod filesystem {
    wasmtime::component::bindgen!({
        path: "../wit/workspace",
        world: "workspace",
        imports: { default: trappable },
        trappable_error_type: {
            "wasi:filesystem/types.error-code" => crate::workspace::wasi::FsError,
        },
        with: {
            "wasi:io": wasmtime_wasi::p2::bindings::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:filesystem/types.descriptor": crate::workspace::wasi::Descriptor,
            "wasi:filesystem/types.directory-entry-stream": crate::workspace::wasi::Entries,
        },
        require_store_data_send: true,
    });
}
