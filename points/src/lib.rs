//! Named places where the crash tests kill a cloud.
//!
//! The code says [`reach`] between two steps that a crash may part. A test [`arm`]s one of these points for an agent;
//! whoever comes there with it waits for ever, and the test, which is told, kills the cloud around it. Only a test of
//! the same process can arm a point, and an optimised build has none of this: there `reach` is empty.

use wire::AgentId;

macro_rules! points {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Between which two steps a cloud is killed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Point {
            $($(#[$doc])* $name,)*
        }

        impl Point {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

points! {
    /// A host captured agents, and is about to store what is new of them.
    BeforePacks,
    /// The packs are in the object store; the API was not asked to record their checkpoints.
    AfterPacks,
    /// The same, where the checkpoint is to suspend or release its agent: its record does not say so.
    AfterLastPacks,
    /// The API committed the checkpoints, and with them what they cover of the inboxes; the host has no answer.
    Recorded,
    /// The host has the answer; agents and clients were not told that anything is durable.
    Answered,
    /// The record says `suspended`; the host did not answer to the command that asked for it.
    Suspended,
    /// A message is in the inbox; its sender has no answer.
    Delivered,
    /// Its sender may have the answer; the host was not told that there is mail.
    Untold,
    /// The record gives the agent to a host, which was not told.
    Placed,
    /// The host restored the agent; the API has no answer.
    Restored,
    /// The API has the answer; the record does not say `running`.
    Unsettled,
    /// A fork is recorded; its siblings may not be, and it is not placed.
    Forked,
    /// The agent handled input that no checkpoint holds.
    Applied,
    /// A file written by API is on the host's disk and in no checkpoint.
    Written,
    /// An agent's message is in its recipient's inbox; the host of the sender has no answer.
    Sent,
    /// The host has the answer; no checkpoint of the sender holds the outcome.
    Left,
}

/// Waits for ever when this point is armed for one of these agents, and otherwise not at all.
#[cfg(debug_assertions)]
pub async fn reach(point: Point, agents: impl IntoIterator<Item = AgentId>) {
    if armed::take(point, agents) {
        std::future::pending::<()>().await;
    }
}

/// Nothing: this build is not for tests.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub async fn reach(_: Point, _: impl IntoIterator<Item = AgentId>) {}

#[cfg(debug_assertions)]
pub use armed::{Armed, arm};

#[cfg(debug_assertions)]
mod armed {
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use tokio::sync::Notify;
    use wire::AgentId;

    use super::Point;

    struct Entry {
        point: Point,
        agent: AgentId,
        reached: Arc<Notify>,
    }

    /// Of all tests of this process: ids of agents are never the same.
    static ARMED: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

    fn entries() -> MutexGuard<'static, Vec<Entry>> {
        ARMED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A point that is armed until it is reached or this is dropped.
    #[derive(Debug)]
    pub struct Armed {
        point: Point,
        agent: AgentId,
        reached: Arc<Notify>,
    }

    /// Has the next one who comes to a point with this agent wait there for ever.
    #[must_use]
    pub fn arm(point: Point, agent: AgentId) -> Armed {
        let reached = Arc::new(Notify::new());
        entries().push(Entry { point, agent, reached: reached.clone() });
        Armed { point, agent, reached }
    }

    impl Armed {
        /// Resolves when somebody waits at the point.
        pub async fn reached(&self) {
            self.reached.notified().await;
        }
    }

    impl Drop for Armed {
        fn drop(&mut self) {
            entries().retain(|entry| (entry.point, entry.agent) != (self.point, self.agent));
        }
    }

    pub(super) fn take(point: Point, agents: impl IntoIterator<Item = AgentId>) -> bool {
        let mut entries = entries();
        if entries.is_empty() {
            return false;
        }
        for agent in agents {
            if let Some(at) = entries.iter().position(|entry| (entry.point, entry.agent) == (point, agent)) {
                entries.remove(at).reached.notify_one();
                return true;
            }
        }
        false
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use std::pin::pin;

    use tokio::time::{Duration, timeout};

    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn only_the_agent_it_is_armed_for_waits_and_only_once() {
        let (agent, other) = (AgentId::new(), AgentId::new());
        let armed = arm(Point::Placed, agent);
        reach(Point::Placed, [other]).await;
        reach(Point::Restored, [agent]).await;
        let mut waits = pin!(reach(Point::Placed, [other, agent]));
        assert!(timeout(SOON, &mut waits).await.is_err());
        armed.reached().await;
        reach(Point::Placed, [agent]).await;
        assert!(timeout(SOON, waits).await.is_err(), "it goes on");
    }

    #[tokio::test]
    async fn a_test_that_ends_leaves_none_armed() {
        let agent = AgentId::new();
        drop(arm(Point::Sent, agent));
        reach(Point::Sent, [agent]).await;
    }
}
