//! Time and chance, from WASI.

pub(crate) use std::time::Instant;
use std::{
    hash::{BuildHasher as _, RandomState},
    time::{SystemTime, UNIX_EPOCH},
};

pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Seconds since 1970, UTC.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// For `$RANDOM`: good enough for scripts, not for secrets.
pub(crate) fn random() -> u64 {
    thread_local! {
        static STATE: RandomState = RandomState::new();
    }
    STATE.with(|state| state.hash_one(SystemTime::now()))
}
