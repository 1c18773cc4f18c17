//! Counts what is typed, and hands its count to the next version of itself: `upgradable-agent` of the contract, without
//! the SDK.
//!
//! A version is a digit in its text, which the tests change in the component's bytes. `1` and `2` are versions; `3`
//! takes no state, and `4` breaks when it is given one.
#![cfg_attr(
    not(target_family = "wasm"),
    allow(dead_code, reason = "its exports are there on WebAssembly only")
)]

use std::{cell::Cell, hint::black_box};

use bindings::{
    exports::openclaw::agent::{handler, upgrade},
    openclaw::agent::{
        operations, terminal,
        types::{Event, Fault, Next, Operation},
    },
};

#[allow(
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
    reason = "generated code"
)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/agent", world: "upgradable-agent" });
    #[cfg(target_family = "wasm")]
    export!(Component with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Component;
}

/// How long what `z` begins takes.
const SLEEP_MS: u64 = 3_000;

static VERSION: &str = "counter version 1";

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Component;

fn version() -> &'static str {
    // The bytes are changed after it was compiled: they must be read.
    black_box(VERSION)
}

fn say(text: &str) {
    // What the terminal does not take is lost, as of any program.
    let _ = terminal::write(format!("{text}\r\n").as_bytes());
}

impl handler::Guest for Component {
    fn handle(event: Event) -> Result<Next, Fault> {
        match event {
            Event::Start(_) => say(version()),
            Event::Input(typed) if typed == b"z" => {
                let _ = operations::submit(&Operation::Sleep(SLEEP_MS));
                say("sleeping");
            }
            Event::Input(typed) => {
                COUNT.set(COUNT.get() + typed.len() as u64);
                say(&format!("{}: {}", version(), COUNT.get()));
            }
            Event::Resume(_) => say(&format!("{} goes on at {}", version(), COUNT.get())),
            Event::Completed(_) => say(&format!("{} slept", version())),
            _ => {}
        }
        Ok(Next::Idle)
    }
}

impl upgrade::Guest for Component {
    fn save() -> Vec<u8> {
        COUNT.get().to_le_bytes().to_vec()
    }

    fn load(state: Vec<u8>) -> Result<(), Fault> {
        if version().ends_with('3') {
            return Err(Fault { reason: "version 3 knows no such state".to_owned() });
        }
        assert!(!version().ends_with('4'), "version 4 breaks here");
        let Ok(count) = state.try_into() else {
            return Err(Fault { reason: "a count has eight bytes".to_owned() });
        };
        COUNT.set(u64::from_le_bytes(count));
        Ok(())
    }
}
