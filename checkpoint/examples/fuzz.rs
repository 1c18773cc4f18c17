//! Throws bytes at the readers for some seconds: `cargo run -p checkpoint --example fuzz -- SECONDS [SEED]`.
//!
//! It begins with good manifests, trees and packs, packed and plain, and changes them. A panic is a bug; so is a
//! process that grew beyond [`MAX_RESIDENT_KIB`].

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::time::{Duration, Instant};

use checkpoint::fuzz::{fuzz, plain};

/// What the readers may take at most, with room for the process itself.
const MAX_RESIDENT_KIB: u64 = 1 << 20;
const SEEDS: [&[u8]; 3] = [
    include_bytes!("../src/testdata/v1.checkpoint"),
    include_bytes!("../src/testdata/v1.tree"),
    include_bytes!("../src/testdata/v1.pack"),
];

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 1).unwrap_or(0) % bound.max(1)
    }
}

fn change(random: &mut Random, data: &mut Vec<u8>) {
    let at = random.below(data.len());
    let interesting = [0, 1, 2, 0x7f, 0x80, 0xff];
    match random.below(7) {
        0 => data.truncate(at),
        1 if !data.is_empty() => data[at] ^= 1 << random.below(8),
        2 if !data.is_empty() => data[at] = interesting[random.below(interesting.len())],
        3 => data.insert(at, interesting[random.below(interesting.len())]),
        4 if !data.is_empty() => drop(data.remove(at)),
        5 => {
            // A length that goes on and on.
            let long = [0xff, 0xff, 0xff, 0xff, 0x0f];
            data.splice(at..data.len().min(at + random.below(5)), long);
        }
        _ => {
            let end = data.len().min(at + random.below(64));
            let copied = data[at..end].to_vec();
            let to = random.below(data.len());
            data.splice(to..to, copied);
        }
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let mut number = |or| args.next().and_then(|text| text.parse().ok()).unwrap_or(or);
    let (seconds, seed) = (number(10), number(1));
    let mut seeds: Vec<Vec<u8>> = SEEDS.iter().map(|seed| seed.to_vec()).collect();
    seeds.extend(SEEDS.iter().filter_map(|seed| plain(seed)));
    let mut random = Random(seed.max(1));
    let begun = Instant::now();
    let mut runs = 0_u64;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let mut data = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(6) {
            change(&mut random, &mut data);
        }
        fuzz(&data);
        runs += 1;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let peak: u64 = peak.and_then(|kib| kib.trim().parse().ok()).unwrap_or(0);
    println!("{runs} runs in {seconds} s from seed {seed}; at most {} MiB resident", peak / 1024);
    assert!(peak <= MAX_RESIDENT_KIB, "the readers took {peak} KiB");
}
