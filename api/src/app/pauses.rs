//! Agents that no host could have for a reason outside of it: each is tried less and less often, so that a store that
//! fails is not asked for every one of them every second.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rand::Rng as _;
use tokio::time::Instant;
use wire::AgentId;

/// After the first failure; doubled by each further one.
const FIRST: Duration = Duration::from_secs(1);
/// The longest: how late an agent may notice that its store is back.
const LONGEST: Duration = Duration::from_secs(15);
/// A pause that was over so long ago is forgotten: its agent went another way.
const FORGOTTEN: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy)]
struct Pause {
    length: Duration,
    until: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<HashMap<AgentId, Pause>>);

impl Pauses {
    fn map(&self) -> MutexGuard<'_, HashMap<AgentId, Pause>> {
        // A panic inside leaves a whole map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It failed again.
    pub(crate) fn failed(&self, id: AgentId) {
        let now = Instant::now();
        let mut map = self.map();
        let length = map.get(&id).map_or(FIRST, |pause| (pause.length * 2).min(LONGEST));
        // Those that failed together do not come back together.
        let until = now + length.mul_f64(rand::rng().random_range(0.75..1.0));
        map.insert(id, Pause { length, until });
    }

    /// It did not.
    pub(crate) fn over(&self, id: AgentId) {
        self.map().remove(&id);
    }

    /// Forgets those that nobody came back to.
    pub(crate) fn forget(&self) {
        let now = Instant::now();
        self.map().retain(|_, pause| now < pause.until + FORGOTTEN);
    }

    /// Whether it is too early to try again.
    pub(crate) fn lasts(&self, id: AgentId) -> bool {
        self.map().get(&id).is_some_and(|pause| Instant::now() < pause.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_their_longest_and_end_with_success() {
        let (pauses, id) = (Pauses::default(), AgentId::new());
        assert!(!pauses.lasts(id));
        let mut tries = 0;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(300) {
            if !pauses.lasts(id) {
                tries += 1;
                pauses.failed(id);
            }
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert!((20..=33).contains(&tries), "{tries} in five minutes");
        pauses.over(id);
        assert!(!pauses.lasts(id));
        // It begins anew.
        pauses.failed(id);
        tokio::time::advance(FIRST).await;
        assert!(!pauses.lasts(id));
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_went_another_way_are_forgotten() {
        let pauses = Pauses::default();
        for _ in 0..100 {
            pauses.failed(AgentId::new());
        }
        tokio::time::advance(FIRST + FORGOTTEN).await;
        pauses.failed(AgentId::new());
        pauses.forget();
        assert_eq!(pauses.map().len(), 1);
    }
}
