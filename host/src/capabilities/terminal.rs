//! `openclaw:agent/terminal`.

use std::{sync::atomic::Ordering, time::Instant};

use crate::{
    agent::{driver::SLICE_FUEL, pace::fuel_of, state::AgentState},
    bindings::agent::openclaw::agent::{
        terminal::Host,
        types::{Refusal, RefusalCode, Size},
    },
    terminal::log::PIECE_BYTES,
};

/// Most bytes of one call, as the contract says.
const MAX_WRITE_BYTES: usize = 64 * 1024;
/// Least fuel of a byte: storing it and, later, parsing it for the screen.
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
            let begun = Instant::now();
            self.shared.output(piece);
            // By time: some bytes are dearer than others.
            let took = fuel_of(begun.elapsed());
            self.debt = self.debt.saturating_add(took.max(piece.len() as u64 * BYTE_FUEL));
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
