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
            // Work in the host counts as the guest's: when a slice of it is used up, others go first.
            "openclaw:agent/terminal.write": async | trappable,
            "openclaw:agent/log.write": async | trappable,
            "openclaw:agent/operations.submit": async | trappable,
            "openclaw:agent/operations.cancel": async | trappable,
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
        imports: {
            // What may wait for the disk ends the guest's turn when it did.
            "wasi:filesystem/types.[method]descriptor.set-size": async | trappable,
            "wasi:filesystem/types.[method]descriptor.set-times": async | trappable,
            "wasi:filesystem/types.[method]descriptor.read": async | trappable,
            "wasi:filesystem/types.[method]descriptor.write": async | trappable,
            "wasi:filesystem/types.[method]descriptor.read-directory": async | trappable,
            "wasi:filesystem/types.[method]descriptor.create-directory-at": async | trappable,
            "wasi:filesystem/types.[method]descriptor.stat-at": async | trappable,
            "wasi:filesystem/types.[method]descriptor.set-times-at": async | trappable,
            "wasi:filesystem/types.[method]descriptor.open-at": async | trappable,
            "wasi:filesystem/types.[method]descriptor.readlink-at": async | trappable,
            "wasi:filesystem/types.[method]descriptor.remove-directory-at": async | trappable,
            "wasi:filesystem/types.[method]descriptor.rename-at": async | trappable,
            "wasi:filesystem/types.[method]descriptor.symlink-at": async | trappable,
            "wasi:filesystem/types.[method]descriptor.unlink-file-at": async | trappable,
            "wasi:filesystem/types.[method]descriptor.metadata-hash-at": async | trappable,
            "wasi:filesystem/types.[method]directory-entry-stream.read-directory-entry": async | trappable,
            default: trappable,
        },
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
