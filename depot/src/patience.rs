//! How long the store is waited for.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use crate::error::Failure;

/// The wait before the second try; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// One request that reads, deletes or asks.
const REQUEST: Duration = Duration::from_secs(10);
/// One request that writes a pack of tens of MiB.
const WRITE: Duration = Duration::from_secs(30);
/// A listing of everything.
const LISTING: Duration = Duration::from_secs(120);
/// After the first failure no new try begins later than this.
const TOTAL: Duration = Duration::from_secs(20);

/// How long the store is waited for. The default is for use; tests and drills are less patient.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// One request that reads, deletes or asks.
    pub request: Duration,
    /// One request that writes.
    pub write: Duration,
    /// One listing.
    pub listing: Duration,
    /// After a failure no new try begins later than this, counted from the begin of the first.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { request: REQUEST, write: WRITE, listing: LISTING, total: TOTAL }
    }
}

/// Why all tries failed.
pub(crate) enum GaveUp {
    Unavailable(String),
    Full(String),
    Missing,
    Exists,
}

impl Patience {
    /// Tries until it works, waiting longer each time; `failed` hears of every try that did not.
    pub(crate) async fn tries<T, F>(
        &self,
        each: Duration,
        failed: impl Fn(),
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, GaveUp>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let begun = Instant::now();
        let mut wait = FIRST_WAIT;
        loop {
            let why = match timeout(each, attempt()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => match Failure::from(error) {
                    Failure::Again(why) => why,
                    Failure::Missing => return Err(GaveUp::Missing),
                    Failure::Exists => return Err(GaveUp::Exists),
                    Failure::Unavailable(why) => {
                        failed();
                        return Err(GaveUp::Unavailable(why));
                    }
                    Failure::Full(why) => {
                        failed();
                        return Err(GaveUp::Full(why));
                    }
                },
                Err(_) => format!("no answer in {} ms", each.as_millis()),
            };
            failed();
            // Not all hosts at once.
            let some = wait.mul_f64(rand::random_range(0.5..1.0));
            if begun.elapsed() + some > self.total {
                return Err(GaveUp::Unavailable(why));
            }
            sleep(some).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}
