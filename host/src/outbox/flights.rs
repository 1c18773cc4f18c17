//! Requests that are on their way, whoever waits for their answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;
use wire::AgentId;

/// The identity of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    pub(super) agent: AgentId,
    pub(super) timeline: u64,
    pub(super) op: u64,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Each with the epoch it left in.
    out: Mutex<HashMap<Flight, (u64, AbortHandle)>>,
    tasks: TaskTracker,
}

impl Flights {
    fn out(&self) -> MutexGuard<'_, HashMap<Flight, (u64, AbortHandle)>> {
        // A panic inside leaves a whole map.
        self.0.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one, unless it is on its way already.
    pub(super) fn begin(&self, flight: Flight, epoch: u64, work: impl Future<Output = ()> + Send + 'static) {
        let mut out = self.out();
        if out.contains_key(&flight) {
            return;
        }
        let flights = self.clone();
        let task = self.0.tasks.spawn(async move {
            work.await;
            flights.out().remove(&flight);
        });
        out.insert(flight, (epoch, task.abort_handle()));
    }

    pub(super) fn has(&self, flight: Flight) -> bool {
        self.out().contains_key(&flight)
    }

    /// Ends those that `whose` names.
    pub(super) fn call_off(&self, whose: impl Fn(&Flight) -> bool) {
        self.out().retain(|flight, (_, task)| {
            let over = whose(flight);
            if over {
                task.abort();
            }
            !over
        });
    }

    /// Waits until none is on its way, at most `grace`; ends those that are left, and names them with their epochs.
    pub(super) async fn land(&self, grace: Duration) -> Vec<(Flight, u64)> {
        self.0.tasks.close();
        let waiting = self.out().len();
        if waiting > 0 {
            tracing::info!(requests = waiting, "waiting for answers to what agents sent, at most {grace:?}");
        }
        // Late or not, what is left is looked at below.
        let _ = tokio::time::timeout(grace, self.0.tasks.wait()).await;
        let left = std::mem::take(&mut *self.out());
        left.into_iter()
            .map(|(flight, (epoch, task))| {
                task.abort();
                (flight, epoch)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn flight(op: u64) -> Flight {
        Flight { agent: AgentId::from_u128(7), timeline: 1, op }
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_begun_once_and_the_rest_is_named_when_time_is_over() {
        let (flights, begun) = (Flights::default(), Arc::new(AtomicU32::new(0)));
        for (op, seconds) in [(1, 5), (1, 5), (2, 60), (3, 60)] {
            let begun = begun.clone();
            flights.begin(flight(op), op * 10, async move {
                begun.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            });
        }
        flights.call_off(|other| other.op == 3);
        assert!(flights.has(flight(1)) && !flights.has(flight(3)));
        assert_eq!(flights.land(Duration::from_secs(10)).await, [(flight(2), 20)]);
        assert_eq!(begun.load(Ordering::Relaxed), 2, "one was called off before it began, one is the first");
        assert!(!flights.has(flight(1)) && !flights.has(flight(2)));
    }
}
