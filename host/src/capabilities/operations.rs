//! `openclaw:agent/operations`.

use crate::{
    agent::state::AgentState,
    bindings::agent::openclaw::agent::{
        operations::Host,
        types::{Operation, Refusal},
    },
};

/// Fuel of a submit or cancel: a timer and a map entry.
const CALL_FUEL: u64 = 5_000;

impl Host for AgentState {
    async fn submit(&mut self, op: Operation) -> wasmtime::Result<Result<u64, Refusal>> {
        self.debt += CALL_FUEL;
        let submitted = self.operations.submit(&self.shared, op);
        if let Err(refusal) = &submitted {
            let fields = vec![("code".to_owned(), format!("{:?}", refusal.code))];
            let message = format!("operation refused: {}", refusal.reason);
            self.shared.note(wire::log::Level::Warn, wire::log::Source::Host, message, fields);
        }
        self.end_turn_if_spent().await;
        Ok(submitted)
    }

    async fn cancel(&mut self, id: u64) -> wasmtime::Result<()> {
        self.debt += CALL_FUEL;
        self.operations.cancel(&self.shared, id);
        self.end_turn_if_spent().await;
        Ok(())
    }
}
