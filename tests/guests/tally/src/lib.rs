//! Keeps what is typed, and hands it to the next version of itself: an upgradable agent of the SDK.
//!
//! A version is a digit in its text, which the tests change in the component's bytes.

use std::{cell::RefCell, hint::black_box};

static VERSION: &str = "tally version 1";

thread_local! {
    static TYPED: RefCell<String> = const { RefCell::new(String::new()) };
}

agent::main!(tally, upgrade: { save, load, go_on });

async fn tally(_: agent::Start) -> Result<(), String> {
    go_on(String::new()).await
}

fn save() -> Vec<u8> {
    TYPED.with_borrow(|typed| typed.clone().into_bytes())
}

fn load(state: Vec<u8>) -> Result<String, String> {
    let typed = String::from_utf8(state).map_err(|_| "it is no text")?;
    if typed.contains('!') {
        return Err(format!("{} takes no exclamation marks", version()));
    }
    Ok(typed)
}

async fn go_on(typed: String) -> Result<(), String> {
    agent::println!("{} has {typed:?}", version());
    TYPED.set(typed);
    loop {
        let input = agent::next_input().await;
        let now = TYPED.with_borrow_mut(|typed| {
            typed.push_str(&String::from_utf8_lossy(&input));
            typed.clone()
        });
        agent::println!("{}: {now}", version());
    }
}

fn version() -> &'static str {
    // The bytes are changed after it was compiled: they must be read.
    black_box(VERSION)
}
