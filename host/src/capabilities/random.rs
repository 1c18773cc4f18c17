//! `wasi:random`, charged by the byte: wasmtime-wasi's own would let a guest spend milliseconds of the host
//! in a call that costs it nothing.

use rand::RngCore as _;
use wasmtime::{StoreContextMut, component::Linker};

use crate::agent::state::AgentState;

/// Most bytes of one call; more is not meant, and ends the agent.
const MAX_BYTES: u64 = 64 * 1024;
/// Fuel of a byte, and of a call.
const BYTE_FUEL: u64 = 5;
const CALL_FUEL: u64 = 1_000;

/// Links `random` and `insecure`: to a guest both are the same good source.
pub(super) fn link(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    for (interface, of_bytes, of_u64) in [
        ("wasi:random/random@0.2.12", "get-random-bytes", "get-random-u64"),
        ("wasi:random/insecure@0.2.12", "get-insecure-random-bytes", "get-insecure-random-u64"),
    ] {
        let mut instance = linker.instance(interface)?;
        instance.func_wrap_async(
            of_bytes,
            |mut store: StoreContextMut<'_, AgentState>, (len,): (u64,)| {
                Box::new(async move { bytes(store.data_mut(), len).await.map(|bytes| (bytes,)) })
            },
        )?;
        instance.func_wrap_async(of_u64, |mut store: StoreContextMut<'_, AgentState>, (): ()| {
            Box::new(async move {
                charge(store.data_mut(), 8).await;
                Ok((rand::rng().next_u64(),))
            })
        })?;
    }
    Ok(())
}

async fn bytes(state: &mut AgentState, len: u64) -> wasmtime::Result<Vec<u8>> {
    let length = usize::try_from(len).ok().filter(|_| len <= MAX_BYTES);
    let Some(length) = length else {
        return Err(wasmtime::Error::msg(format!(
            "asked for {len} random bytes at once; at most {MAX_BYTES}"
        )));
    };
    charge(state, len).await;
    let mut bytes = vec![0; length];
    rand::rng().fill_bytes(&mut bytes);
    Ok(bytes)
}

async fn charge(state: &mut AgentState, bytes: u64) {
    state.debt += CALL_FUEL + bytes * BYTE_FUEL;
    state.end_turn_if_spent().await;
}
