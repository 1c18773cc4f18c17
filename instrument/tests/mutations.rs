//! Damaged components: refused, or instrumented well, and never more than that.
#![allow(clippy::unwrap_used, reason = "a test's own helpers fail as its assertions do")]

use proptest::prelude::*;

#[path = "support/fixtures.rs"]
mod fixtures;
#[path = "support/mutate.rs"]
mod mutate;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_valid_ones(seed: u64) {
        let corpus: Vec<Vec<u8>> =
            fixtures::FIXTURES.iter().map(|(name, _)| fixtures::fixture(name)).collect();
        let _ = instrument::fuzz(&mutate::input(&corpus, seed));
    }

    #[test]
    fn of_any_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..256), headed: bool) {
        if headed {
            bytes.splice(0..0, *b"\0asm\x0d\0\x01\0");
        }
        let _ = instrument::fuzz(&bytes);
    }
}
