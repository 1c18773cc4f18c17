//! Generated conversations with a machine, and what happens to it in between.

use proptest::{prelude::*, sample::select};

/// What an agent is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// Typed on its terminal.
    Line(String),
    /// Sent to its inbox.
    Message(String),
}

/// What happens to an agent before it is told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Between {
    /// Nothing.
    Nothing,
    /// It is suspended and resumed.
    Suspend,
    /// It is suspended; what it is told next wakes it.
    Wake,
    /// It is forked and ended; the fork goes on.
    Fork,
    /// Its host is drained; another one goes on with it.
    Move,
}

/// One event of a conversation.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) between: Between,
    pub(super) input: Input,
    /// Lines it has printed in all when it is at rest after this; `None` when it is not at rest then.
    pub(super) lines: Option<usize>,
}

/// A part of a conversation that leaves nothing pending.
#[derive(Debug, Clone)]
enum Block {
    Line(String),
    Message(String),
    /// Ends in the middle of its turns: what comes next may stop it there.
    Nap(u32),
    /// Sleeps, each of so many milliseconds after the one before, and the wait for all of them.
    Sleeps(Vec<u64>),
    /// Steps every so many milliseconds, and the wait for them.
    Steps(u32, u64),
}

/// Longer than any run: it sleeps to the end.
const ALWAYS_MS: u64 = 60_000;
/// Least time between two sleepers that wake: their order must not be chance.
const APART_MS: u64 = 25;

fn word() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "delta", "e-e", "%F"]).prop_map(str::to_owned)
}

fn name() -> impl Strategy<Value = String> {
    select(vec!["a", "b.txt", "c-1"]).prop_map(str::to_owned)
}

/// Commands that are answered by one line at once.
fn command() -> impl Strategy<Value = String> {
    let state = prop_oneof![
        3 => (any::<bool>(), 0..1_000_000_000_u32)
            .prop_map(|(less, n)| if less { format!("add -{n}") } else { format!("add {n}") }),
        3 => word().prop_map(|w| format!("push {w}")),
        2 => Just("pop".to_owned()),
        2 => (word(), word()).prop_map(|(k, v)| format!("put {k} {v}")),
        2 => word().prop_map(|k| format!("get {k}")),
        2 => select(vec!["keys", "gen", "gen", "size", "check", "drop", "pending", "nothing  like this"])
            .prop_map(str::to_owned),
        2 => word().prop_map(|w| format!("hash {w}")),
        2 => (1..200_u32).prop_map(|kib| format!("spill {kib}")),
    ];
    let file = prop_oneof![
        4 => name().prop_map(|name| format!("file open {name}")),
        4 => word().prop_map(|w| format!("file write {w}")),
        2 => Just("file read".to_owned()),
        2 => (0..30_u32).prop_map(|at| format!("file seek {at}")),
        1 => Just("file close".to_owned()),
        2 => Just("file list".to_owned()),
    ];
    prop_oneof![3 => state, 2 => file]
}

fn block() -> impl Strategy<Value = Block> {
    prop_oneof![
        10 => command().prop_map(Block::Line),
        1 => word().prop_map(Block::Message),
        1 => (1..4_u32).prop_map(Block::Nap),
        1 => prop::collection::vec(APART_MS..80, 1..3).prop_map(Block::Sleeps),
        1 => (1..4_u32, APART_MS..50).prop_map(|(count, ms)| Block::Steps(count, ms)),
    ]
}

/// What happens in a conversation, in some order: enough for its longest.
fn between() -> impl Strategy<Value = Vec<Between>> {
    let times = [
        (Between::Nothing, 3),
        (Between::Suspend, 8),
        (Between::Wake, 5),
        (Between::Fork, 5),
        (Between::Move, 3),
    ];
    let all: Vec<Between> =
        times.iter().flat_map(|(between, times)| std::iter::repeat_n(*between, *times)).collect();
    Just(all).prop_shuffle()
}

/// A conversation; at its end nothing is to come.
pub(super) fn conversation() -> impl Strategy<Value = Vec<Step>> {
    let parts = (
        // A file is open from early on.
        name(),
        prop::collection::vec(block(), 6..10),
        // Whether somebody sleeps through the last commands.
        prop::option::of(prop::collection::vec(command(), 1..4)),
        between(),
    );
    parts.prop_map(|(file, blocks, last, between)| {
        let mut steps = Steps { steps: Vec::new(), lines: 1, between: between.into_iter() };
        steps.line(format!("file open {file}"), Some(1));
        for block in blocks {
            steps.block(block);
        }
        if let Some(last) = last {
            steps.line(format!("later {ALWAYS_MS} never"), Some(1));
            for command in last {
                steps.line(command, Some(1));
            }
            steps.line("pending".to_owned(), Some(1));
        }
        // Whatever was printed too much is before its answer.
        steps.line("hash end".to_owned(), Some(1));
        steps.steps
    })
}

struct Steps<I> {
    steps: Vec<Step>,
    /// Lines so far; the first says that it is ready.
    lines: usize,
    between: I,
}

impl<I: Iterator<Item = Between>> Steps<I> {
    /// `printed` lines more until it is at rest.
    fn input(&mut self, input: Input, printed: Option<usize>) {
        let between = self.between.next().unwrap_or(Between::Nothing);
        self.lines += printed.unwrap_or_default();
        self.steps.push(Step { between, input, lines: printed.map(|_| self.lines) });
    }

    fn line(&mut self, line: String, printed: Option<usize>) {
        self.input(Input::Line(line), printed);
    }

    fn block(&mut self, block: Block) {
        match block {
            Block::Line(line) => self.line(line, Some(1)),
            Block::Message(body) => self.input(Input::Message(body), Some(1)),
            Block::Nap(rounds) => {
                self.line(format!("nap {rounds}"), None);
                self.line("gen".to_owned(), Some(2));
            }
            Block::Sleeps(gaps) => {
                // Typed at once: otherwise the first may wake before the second is typed.
                let mut at = 0;
                let lines = gaps.iter().enumerate().map(|(number, gap)| {
                    at += gap;
                    format!("later {at} sleep{number}")
                });
                self.line(lines.collect::<Vec<_>>().join("\r"), None);
                self.line("wait".to_owned(), Some(2 * gaps.len() + 1));
            }
            Block::Steps(count, ms) => {
                self.line(format!("steps {count} {ms} walk"), None);
                self.line("wait".to_owned(), Some(count as usize + 2));
            }
        }
    }
}

/// A conversation whose answers are written down: `> ` begins what is typed, the other lines are answers. The agent
/// is suspended and resumed before every line.
pub(super) fn transcript(text: &str) -> (Vec<Step>, Vec<u8>) {
    let (mut steps, mut printed) = (Vec::<Step>::new(), b"machine ready\r\n".to_vec());
    let mut lines = 1;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            let input = Input::Line(command.to_owned());
            steps.push(Step { between: Between::Suspend, input, lines: Some(lines) });
        } else {
            lines += 1;
            printed.extend_from_slice(format!("{line}\r\n").as_bytes());
            if let Some(step) = steps.last_mut() {
                step.lines = Some(lines);
            }
        }
    }
    (steps, printed)
}
