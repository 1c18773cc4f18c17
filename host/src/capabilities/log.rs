//! `openclaw:agent/log`.

use wire::log::{Level, Source};

use crate::{
    agent::state::AgentState,
    bindings::agent::openclaw::agent::{log::Host, types::Level as WitLevel},
};

/// Fuel of an entry: serialising and storing it.
const CALL_FUEL: u64 = 5_000;
/// Fuel of a byte of it.
const BYTE_FUEL: u64 = 10;

impl Host for AgentState {
    async fn write(
        &mut self,
        level: WitLevel,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let bytes =
            message.len() + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.debt += CALL_FUEL + bytes as u64 * BYTE_FUEL;
        let level = match level {
            WitLevel::Trace => Level::Trace,
            WitLevel::Debug => Level::Debug,
            WitLevel::Info => Level::Info,
            WitLevel::Warn => Level::Warn,
            WitLevel::Error => Level::Error,
        };
        self.shared.note(level, Source::Agent, message, fields);
        self.end_turn_if_spent().await;
        Ok(())
    }
}
