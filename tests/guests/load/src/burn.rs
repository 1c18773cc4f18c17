//! A calculation of a given length: memory, globals behind it, direct and indirect calls, as programs have them.

use std::hint::black_box;

const TABLE: usize = 8192;

type Step = fn(u64, u64) -> u64;
const STEPS: [Step; 4] = [add, rotate, multiply, fold];

/// See the module.
pub(crate) struct Burn {
    table: Vec<u64>,
}

impl Burn {
    pub(crate) fn new() -> Self {
        Self { table: (0..TABLE as u64).collect() }
    }

    /// Goes over the table `rounds` times; what came out, which depends on all runs before.
    #[expect(clippy::cast_possible_truncation, reason = "of a hash some bits are enough")]
    pub(crate) fn run(&mut self, rounds: u32) -> u32 {
        let mut hash = 0x811c_9dc5_u64;
        for round in 0..u64::from(rounds) {
            for at in 0..TABLE {
                let step = black_box(STEPS)[(hash as usize ^ at) % STEPS.len()];
                hash = step(hash, self.table[at].wrapping_add(round));
                self.table[at] = hash;
            }
        }
        (hash ^ (hash >> 32)) as u32
    }
}

fn add(a: u64, b: u64) -> u64 {
    a.wrapping_add(b).wrapping_add(1)
}

fn rotate(a: u64, b: u64) -> u64 {
    a.rotate_left(7) ^ b
}

fn multiply(a: u64, b: u64) -> u64 {
    (a ^ b).wrapping_mul(0x0000_0100_0000_01b3)
}

fn fold(a: u64, b: u64) -> u64 {
    a ^ (a >> 29) ^ b
}
