//! Clients that keep what is not durable and send again what a host does not have, against an agent that writes down
//! what it is given.

use std::collections::BTreeMap;

use checkpoint::manifest;
use futures_util::FutureExt as _;
use proptest::prelude::*;

use crate::{
    agent::mailbox::{Captured, Item, Mailbox},
    terminal::inputs::{Ack, Inputs},
};

const NAMES: [&str; 2] = ["a", "b"];

#[derive(Debug, Clone)]
enum Step {
    Type(usize, usize),
    /// What was typed is sent, as far as there is room.
    Send(usize),
    Ack(usize),
    Reconnect(usize),
    /// The agent handles the next event.
    Handle,
    Capture,
    /// What was captured is durable.
    Commit,
    /// Back to the last checkpoint in the same process.
    Rollback,
    /// Another process goes on from the last checkpoint.
    Crash,
    /// Suspended or moved: captured, committed, and back in another process.
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..NAMES.len();
    prop_oneof![
        4 => (client.clone(), 1usize..40_000).prop_map(|(client, count)| Step::Type(client, count)),
        6 => client.clone().prop_map(Step::Send),
        4 => client.clone().prop_map(Step::Ack),
        2 => client.prop_map(Step::Reconnect),
        8 => Just(Step::Handle),
        4 => Just(Step::Capture),
        4 => Just(Step::Commit),
        2 => Just(Step::Rollback),
        1 => Just(Step::Crash),
        1 => Just(Step::Resume),
    ]
}

#[derive(Debug, Default)]
struct Client {
    /// All that was ever typed.
    typed: Vec<u8>,
    /// Forgotten up to here: it was told that it is durable.
    durable: u64,
    /// Sent up to here on this socket.
    sent: u64,
}

/// What the agent was given by each session: its whole state.
type State = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Clone)]
struct Checkpoint {
    inputs: manifest::Inputs,
    mailbox: Captured,
    state: State,
    /// Events that were handled since the checkpoint before.
    handled: usize,
}

#[derive(Debug)]
struct World {
    inputs: Inputs,
    mailbox: Mailbox,
    state: State,
    clients: [Client; 2],
    /// What was handled since the last durable checkpoint.
    handled: Vec<Item>,
    captured: Option<Checkpoint>,
    last: Checkpoint,
}

impl World {
    fn new() -> Self {
        let (mut inputs, mailbox) = (Inputs::default(), Mailbox::default());
        let last = Checkpoint {
            inputs: inputs.capture(),
            mailbox: mailbox.capture(),
            state: State::new(),
            handled: 0,
        };
        let mut world = Self {
            inputs,
            mailbox,
            state: State::new(),
            clients: Default::default(),
            handled: Vec::new(),
            captured: None,
            last,
        };
        (0..NAMES.len()).for_each(|client| world.reconnect(client));
        world
    }

    fn reconnect(&mut self, client: usize) {
        let expected = self.inputs.attach(NAMES[client]).unwrap();
        let client = &mut self.clients[client];
        assert!(expected >= client.durable, "the client has what it is asked for");
        assert!(expected <= client.typed.len() as u64);
        client.sent = expected;
    }

    fn send(&mut self, client: usize) -> bool {
        let name = NAMES[client];
        let client = &mut self.clients[client];
        let bytes = &client.typed[usize::try_from(client.sent).unwrap()..];
        let fresh = self.inputs.fresh(name, client.sent, bytes).unwrap();
        let taken = self.mailbox.input(name, client.sent + (bytes.len() - fresh.len()) as u64, fresh);
        self.inputs.received(name, taken);
        client.sent += (bytes.len() - fresh.len() + taken) as u64;
        taken > 0
    }

    fn handle(&mut self) -> bool {
        let Some(item) = self.mailbox.next().now_or_never().flatten() else { return false };
        let Item::Input { bytes, origin } = &item else { panic!("{item:?}") };
        self.state.entry(origin.session.clone()).or_default().extend(bytes);
        self.inputs.applied(&origin.session, origin.upto);
        self.handled.push(item);
        true
    }

    fn capture(&mut self) {
        self.captured = Some(Checkpoint {
            inputs: self.inputs.capture(),
            mailbox: self.mailbox.capture(),
            state: self.state.clone(),
            handled: self.handled.len(),
        });
    }

    fn commit(&mut self) {
        if let Some(durable) = self.captured.take() {
            self.inputs.mark_durable(&durable.inputs);
            self.handled.drain(..durable.handled);
            self.last = durable;
        }
    }

    fn restart(&mut self) {
        self.inputs = Inputs::restored(&self.last.inputs);
        self.mailbox = Mailbox::default();
        self.mailbox.load(self.last.mailbox.clone());
        self.state = self.last.state.clone();
        self.handled.clear();
        self.captured = None;
        (0..NAMES.len()).for_each(|client| self.reconnect(client));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Type(client, count) => {
                let typed = &mut self.clients[client].typed;
                let first = typed.len();
                typed.extend((first..first + count).map(|n| u8::try_from(n % 251).unwrap()));
            }
            Step::Send(client) => {
                self.send(client);
            }
            Step::Ack(client) => {
                let ack = self.inputs.ack(NAMES[client], true);
                self.clients[client].durable = self.clients[client].durable.max(ack.durable);
            }
            Step::Reconnect(client) => self.reconnect(client),
            Step::Handle => {
                self.handle();
            }
            Step::Capture => self.capture(),
            Step::Commit => self.commit(),
            Step::Rollback => {
                self.state = self.last.state.clone();
                self.inputs.rolled_back(&self.last.inputs);
                self.mailbox.requeue(std::mem::take(&mut self.handled));
                self.captured = None;
            }
            Step::Crash => self.restart(),
            Step::Resume => {
                self.capture();
                self.commit();
                self.restart();
            }
        }
    }

    /// What is true at every moment.
    fn check(&self) {
        for (name, client) in NAMES.iter().zip(&self.clients) {
            let state = self.state.get(*name).map_or(&[][..], Vec::as_slice);
            assert!(client.typed.starts_with(state), "each byte once, and in order");
            let Ack { applied, durable } = self.inputs.ack(name, true);
            assert_eq!(applied, state.len() as u64);
            assert!(durable <= applied);
            let waits = self.last.mailbox.events.iter().map(|event| match event {
                manifest::Event::Input { bytes, session, .. } if session == name => bytes.len(),
                _ => 0,
            });
            let held = self.last.state.get(*name).map_or(0, Vec::len) + waits.sum::<usize>();
            assert!(client.durable.max(durable) <= held as u64, "durable is what the last checkpoint holds");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever happens, the agent is given each typed byte once, relative to the state it is in.
    #[test]
    fn every_typed_byte_is_applied_once(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            world.check();
        }
        loop {
            let sent = (0..NAMES.len()).map(|client| world.send(client)).filter(|sent| *sent).count();
            if !world.handle() && sent == 0 {
                break;
            }
        }
        world.check();
        for (name, client) in NAMES.iter().zip(&world.clients) {
            prop_assert_eq!(world.state.get(*name).map_or(&[][..], Vec::as_slice), &client.typed[..]);
        }
        // Once all of it is durable, clients need to keep nothing.
        world.capture();
        world.commit();
        for (name, client) in NAMES.iter().zip(&world.clients) {
            prop_assert_eq!(world.inputs.ack(name, true).durable, client.typed.len() as u64);
        }
    }
}
