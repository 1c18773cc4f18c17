//! The seam to the host: the imports in a component, a
//! [`FakeHost`](crate::testing::FakeHost) everywhere else.
//!
//! Nothing else in the SDK calls an import, so an agent is the same code in
//! the cloud and under `cargo test`.

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::seam::*;
#[cfg(target_family = "wasm")]
pub(crate) use component::*;

#[cfg(target_family = "wasm")]
mod component {
    use crate::bindings::openclaw::agent::{log, operations, terminal};
    use crate::types::{Level, OpId, Refusal, Size};

    pub(crate) fn submit(op: &crate::types::Operation) -> Result<OpId, Refusal> {
        operations::submit(op)
    }

    pub(crate) fn cancel(id: OpId) {
        operations::cancel(id);
    }

    pub(crate) fn write(bytes: &[u8]) -> Result<(), Refusal> {
        terminal::write(bytes)
    }

    pub(crate) fn size() -> Size {
        terminal::get_size()
    }

    pub(crate) fn interrupted() -> bool {
        terminal::interrupted()
    }

    pub(crate) fn log(level: Level, message: &str, fields: &[(String, String)]) {
        log::write(level, message, fields);
    }
}
