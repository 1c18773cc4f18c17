//! An agent with state of every kind, whose answers depend on its input alone. Its README says what it does.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use agent::{Event, Size};

mod arithmetic;
mod files;
mod machine;
mod memory;
mod waits;

use machine::Machine;

agent::main!(machine_agent);

/// The longest line, bytes.
const MAX_LINE: usize = 256;
/// The longest part of a message that is shown, bytes.
const MAX_MESSAGE: usize = 64;

async fn machine_agent(start: agent::Start) -> Result<(), String> {
    let size = Rc::new(Cell::new(start.size));
    let mut machine = Machine::new(size.clone());
    agent::println!("machine ready");
    let mut typed = Vec::new();
    loop {
        for item in items(agent::next_event().await, &mut typed, &size) {
            match item {
                Item::Line(line) => machine.run(&line).await,
                Item::Message(body) => agent::println!("message {body}"),
            }
        }
    }
}

/// What the machine takes in order.
enum Item {
    Line(String),
    Message(String),
}

fn items(event: Event, typed: &mut Vec<u8>, size: &Cell<Size>) -> VecDeque<Item> {
    let mut items = VecDeque::new();
    match event {
        Event::Input(bytes) => {
            for byte in bytes {
                if byte == b'\r' || byte == b'\n' {
                    items.push_back(Item::Line(printable(typed)));
                    typed.clear();
                } else if typed.len() < MAX_LINE {
                    typed.push(byte);
                }
            }
        }
        Event::Message(message) => {
            let shown = message.body.get(..MAX_MESSAGE).unwrap_or(&message.body);
            items.push_back(Item::Message(printable(shown)));
        }
        Event::Resize(new) => size.set(new),
        Event::Resume(resume) => size.set(resume.size),
        Event::Stop(_) => {}
    }
    items
}

/// Bytes as text, with `?` for whatever has no place on one line of ASCII.
fn printable(bytes: &[u8]) -> String {
    let shown = |&byte: &u8| if matches!(byte, 0x20..=0x7e) { char::from(byte) } else { '?' };
    bytes.iter().map(shown).collect()
}

#[cfg(test)]
mod tests;
