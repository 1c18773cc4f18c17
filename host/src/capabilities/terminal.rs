//! `openclaw:agent/terminal`.

use std::sync::atomic::Ordering;

use crate::{
    agent::{driver::SLICE_FUEL, state::AgentState},
    bindings::agent::openclaw::agent::{
        terminal::Host,
        types::{Refusal, RefusalCode, Size},
    },
};

/// Most bytes of one call, as the contract says.
const MAX_WRITE_BYTES: usize = 64 * 1024;
/// Bytes appended at a time; the agent's turn may end between two pieces.
const PIECE_BYTES: usize = 4 * 1024;
/// Fuel of a byte: storing it and, later, parsing it for the screen.
const BYTE_FUEL: u64 = 20;
/// Fuel of a call.
const CALL_FUEL: u64 = 1_000;

impl Host for AgentState {
    async fn write(&mut self, bytes: Vec<u8>) -> wasmtime::Result<Result<(), Refusal>> {
        if bytes.len() > MAX_WRITE_BYTES {
            let reason = format!("a write is at most {MAX_WRITE_BYTES} bytes, this one has {}", bytes.len());
            return Ok(Err(Refusal { code: RefusalCode::Invalid, reason }));
        }
        self.debt += CALL_FUEL;
        for piece in bytes.chunks(PIECE_BYTES) {
            self.shared.output(piece);
            self.debt += piece.len() as u64 * BYTE_FUEL;
            self.end_turn_if_spent().await;
        }
        Ok(Ok(()))
    }

    fn get_size(&mut self) -> wasmtime::Result<Size> {
        let size = self.shared.terminal().size();
        Ok(Size { cols: size.cols, rows: size.rows })
    }

    fn interrupted(&mut self) -> wasmtime::Result<bool> {
        Ok(self.shared.interrupted.load(Ordering::Relaxed))
    }
}

impl AgentState {
    /// Work in the host counts as the guest's: after a slice of it, others go first.
    pub(crate) async fn end_turn_if_spent(&mut self) {
        if self.debt - self.paid >= SLICE_FUEL {
            self.paid = self.debt;
            crate::executor::end_slice().await;
        }
    }
}
