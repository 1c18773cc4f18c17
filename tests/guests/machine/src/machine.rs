//! The commands.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use agent::Size;

use crate::arithmetic::{self, Fnv};
use crate::files::Files;
use crate::memory::Memory;
use crate::waits::Waits;

const MAX_STACK: usize = 1024;
const MAX_MAP: usize = 1024;
const MAX_WORD: usize = 32;
const MAX_DIGITS: usize = 9;
const MAX_NAPS: u32 = 16;

pub(crate) struct Machine {
    size: Rc<Cell<Size>>,
    sum: u32,
    pushes: u32,
    stack: Vec<Box<dyn Fn() -> String>>,
    map: BTreeMap<String, String>,
    generator: Box<dyn Iterator<Item = u32>>,
    hash: Fnv,
    memory: Memory,
    waits: Waits,
    files: Files,
}

impl Machine {
    pub(crate) fn new(size: Rc<Cell<Size>>) -> Self {
        let (mut a, mut b) = (0, 1);
        let generator = std::iter::from_fn(move || {
            let value = a;
            (a, b) = (b, (a + b) % 1_000_003);
            Some(value)
        });
        Self {
            size,
            sum: 0,
            pushes: 0,
            stack: Vec::new(),
            map: BTreeMap::new(),
            generator: Box::new(generator),
            hash: Fnv::new(),
            memory: Memory::default(),
            waits: Waits::default(),
            files: Files::default(),
        }
    }

    /// Runs one line and prints its answer.
    pub(crate) async fn run(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        if words.is_empty() {
            return;
        }
        match self.answer(&words).await {
            Some(answer) => agent::println!("{answer}"),
            None => agent::println!("what? {}", words.join(" ")),
        }
    }

    /// The answer, or nothing when the line is no command.
    async fn answer(&mut self, words: &[&str]) -> Option<String> {
        let answer = match *words {
            ["add", n] => self.add(n)?,
            ["push", w] => self.push(word(w)?),
            ["pop"] => self.stack.pop().map_or_else(|| "empty".to_owned(), |describe| describe()),
            ["put", key, value] => self.put(word(key)?, word(value)?),
            ["get", key] => match self.map.get(word(key)?) {
                Some(value) => format!("{key}={value}"),
                None => format!("{key} unset"),
            },
            ["keys"] => self.map.keys().fold("keys".to_owned(), |line, key| line + " " + key),
            ["gen"] => format!("gen {}", self.generator.next()?),
            ["hash", w] => {
                word(w)?.bytes().for_each(|byte| self.hash.add(byte));
                format!("hash {}", self.hash)
            }
            ["size"] => format!("size {}x{}", self.size.get().cols, self.size.get().rows),
            ["later", ms, w] => self.waits.later(number(ms)?, word(w)?)?,
            ["steps", count, ms, w] => self.waits.steps(number(count)?, number(ms)?, word(w)?)?,
            ["pending"] => format!("pending {}", self.waits.pending()),
            ["wait"] => {
                self.waits.all().await;
                "waited".to_owned()
            }
            ["nap", n] => {
                let rounds = number(n).filter(|&rounds| rounds <= MAX_NAPS)?;
                format!("nap {rounds} {}", arithmetic::nap(rounds).await)
            }
            ["spill", kib] => self.memory.spill(number(kib)?)?,
            ["check"] => self.memory.check(),
            ["drop"] => self.memory.drop_all(),
            ["file", ref rest @ ..] => self.files.answer(rest)?,
            _ => return None,
        };
        Some(answer)
    }

    fn add(&mut self, n: &str) -> Option<String> {
        self.sum = match n.strip_prefix('-') {
            Some(n) => self.sum.wrapping_sub(number(n)?),
            None => self.sum.wrapping_add(number(n)?),
        };
        Some(format!("sum {}", self.sum))
    }

    fn push(&mut self, word: &str) -> String {
        if self.stack.len() == MAX_STACK {
            return "full".to_owned();
        }
        self.pushes += 1;
        let (word, number) = (word.to_owned(), self.pushes);
        self.stack.push(Box::new(move || format!("popped {word} {number}")));
        format!("pushed {}", self.stack.len())
    }

    fn put(&mut self, key: &str, value: &str) -> String {
        if self.map.len() == MAX_MAP && !self.map.contains_key(key) {
            return "full".to_owned();
        }
        self.map.insert(key.to_owned(), value.to_owned());
        format!("put {key}")
    }
}

/// A number as commands take them.
pub(crate) fn number(text: &str) -> Option<u32> {
    let digits = (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// A word as commands take them.
pub(crate) fn word(text: &str) -> Option<&str> {
    (text.len() <= MAX_WORD).then_some(text)
}
