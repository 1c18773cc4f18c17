//! An agent's life as one table: what is not a row of [`TRANSITIONS`] does not happen.
//!
//! The table, the deadlines and [`overdue`] are all the control plane knows about statuses; the store
//! checks every write of a status against [`legal`], and the sweeper does what [`overdue`] says. A
//! socket appears nowhere here: opening, closing or stalling one never changes a status.

use jiff::{SignedDuration, Timestamp};
use wire::agent::{
    DesiredStatus, Status,
    Status::{
        Failed, Migrating, Pending, Resuming, Running, Starting, Suspended, Suspending, Terminated,
        Terminating,
    },
    StatusReason,
};

/// One arrow of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The status before.
    pub from: Status,
    /// The status after.
    pub to: Status,
    /// Who causes it, and when.
    pub when: &'static str,
}

const fn row(from: Status, to: Status, when: &'static str) -> Transition {
    Transition { from, to, when }
}

/// Every legal change of status. From a status to itself is not one.
pub const TRANSITIONS: &[Transition] = &[
    row(Pending, Starting, "the scheduler gives it to a host: epoch + 1"),
    row(
        Pending,
        Terminating,
        "its owner deletes it, or its lifetime is over, while a host may still have remains of it",
    ),
    row(Pending, Terminated, "its owner deletes it, or its lifetime is over, while it is on no host"),
    row(Pending, Failed, "the sweeper: no host had room in time; or its image cannot be run"),
    row(Starting, Running, "the host: its `start` event returned ok"),
    row(
        Starting,
        Pending,
        "the host is full, cordoned, unreachable, lost or drains: the scheduler tries another",
    ),
    row(Starting, Terminating, "its owner deletes it, or its lifetime is over"),
    row(
        Starting,
        Failed,
        "the host: its `start` event failed; the sweeper: it did not end in time, or the host is lost",
    ),
    row(Running, Suspending, "its owner suspends it"),
    row(Running, Suspended, "the host: it was idle, or memory was short, and its checkpoint is durable"),
    row(Running, Migrating, "its host drains: a durable checkpoint, then another host"),
    row(Running, Resuming, "its host is lost and it has a checkpoint; or its owner restores an earlier one"),
    row(
        Running,
        Pending,
        "its host is lost (`host_lost`) or drains (`host_drain`) and there is no checkpoint it can go on from: started anew",
    ),
    row(Running, Terminating, "its owner deletes it, or its lifetime is over"),
    row(Running, Terminated, "the host: it ended by itself"),
    row(
        Running,
        Failed,
        "the host: it trapped or used up a limit; or its host is lost and it is not to be started again",
    ),
    row(Suspending, Suspended, "the host, or in its place the sweeper: its last durable checkpoint counts"),
    row(
        Suspending,
        Running,
        "the host: it did not come to rest, so it goes on; the sweeper: there is no checkpoint to keep it as",
    ),
    row(Suspending, Migrating, "its host drains: a durable checkpoint, then another host"),
    row(
        Suspending,
        Resuming,
        "its host is lost or did not answer in time, and it is wanted running again: its last checkpoint counts",
    ),
    row(
        Suspending,
        Pending,
        "its host is lost or drains and there is no checkpoint it can go on from: started anew",
    ),
    row(Suspending, Terminating, "its owner deletes it, or its lifetime is over"),
    row(Suspending, Terminated, "the host: it ended by itself before it came to rest"),
    row(
        Suspending,
        Failed,
        "the host: it trapped before it came to rest; or its host is lost and it is not to be started again",
    ),
    row(Suspended, Resuming, "a key press, a message, a timer or its owner wakes it"),
    row(Suspended, Terminating, "its owner deletes it, or its lifetime is over"),
    row(Suspended, Failed, "its checkpoint cannot be read"),
    row(Resuming, Running, "the host: it is back"),
    row(
        Resuming,
        Suspended,
        "its owner suspends it while it waits; the sweeper: no host brought it back in time, and the next event tries again",
    ),
    row(Resuming, Pending, "there is no checkpoint it can go on from: started anew"),
    row(Resuming, Terminating, "its owner deletes it, or its lifetime is over"),
    row(
        Resuming,
        Failed,
        "the host: its checkpoint cannot be restored; or its host is lost and it is not to be started again",
    ),
    row(Migrating, Running, "the new host has it"),
    row(
        Migrating,
        Resuming,
        "the sweeper: the move did not end in time; or the new host is lost: its last checkpoint counts",
    ),
    row(Migrating, Suspended, "its owner suspends it while it waits for a host"),
    row(Migrating, Pending, "there is no checkpoint it can go on from: started anew"),
    row(Migrating, Terminating, "its owner deletes it, or its lifetime is over"),
    row(Migrating, Terminated, "the host: it ended by itself before it moved"),
    row(
        Migrating,
        Failed,
        "the host: it trapped before it moved; or its host is lost and it is not to be started again",
    ),
    row(Terminating, Terminated, "the host: it is ended; or the sweeper, which needs no answer"),
    row(Terminating, Failed, "its host is lost before it said how the agent ended"),
];

/// Whether a row may go from one status to another.
#[must_use]
pub fn legal(from: Status, to: Status) -> bool {
    TRANSITIONS.iter().any(|row| row.from == from && row.to == to)
}

/// How long a transient status may last, seconds; `None` for one that may last.
///
/// The time of a row that waits for a host (`pending`; `resuming` and `migrating` without one) runs only
/// while a host is there that could take it: the application clears its deadline meanwhile.
#[must_use]
pub const fn deadline_seconds(status: Status) -> Option<u32> {
    match status {
        Pending | Migrating => Some(120),
        Starting | Suspending | Resuming => Some(30),
        Terminating => Some(60),
        Running | Suspended | Terminated | Failed => None,
    }
}

/// When a status entered now is overdue; `None` for one that may last.
#[must_use]
pub fn deadline(status: Status, now: Timestamp) -> Option<Timestamp> {
    let seconds = deadline_seconds(status)?;
    // Past the year 9999 there is nothing to be overdue for.
    now.checked_add(SignedDuration::from_secs(i64::from(seconds))).ok()
}

/// What becomes of a transient status whose deadline has passed, with no host asked; `None` for a
/// status that has no deadline. What has no checkpoint has nothing to go back to.
#[must_use]
pub const fn overdue(
    status: Status,
    desired: DesiredStatus,
    has_checkpoint: bool,
) -> Option<(Status, StatusReason)> {
    use DesiredStatus as Wants;
    Some(match (status, desired, has_checkpoint) {
        (Running | Suspended | Terminated | Failed, ..) => return None,
        (Terminating, ..) | (Pending, Wants::Terminated, _) => (Terminated, StatusReason::UserRequest),
        (_, Wants::Terminated, _) => (Terminating, StatusReason::UserRequest),
        (Pending, ..) => (Failed, StatusReason::InsufficientCapacity),
        (Starting, ..) => (Failed, StatusReason::InitTimeout),
        (Suspending, _, false) => (Running, StatusReason::UserRequest),
        (Suspending | Migrating, Wants::Suspended, true) => (Suspended, StatusReason::UserRequest),
        (Suspending | Migrating, _, true) => (Resuming, StatusReason::Restoring),
        (Resuming, _, true) => (Suspended, StatusReason::InitTimeout),
        (Resuming | Migrating, _, false) => (Pending, StatusReason::Scheduling),
    })
}

/// What becomes of an agent whose lifetime is over; `None` when it is ending or ended already.
#[must_use]
pub const fn expired(status: Status) -> Option<(Status, StatusReason)> {
    match status {
        Terminating | Terminated | Failed => None,
        Pending => Some((Terminated, StatusReason::MaxLifetime)),
        Starting | Running | Suspending | Suspended | Resuming | Migrating => {
            Some((Terminating, StatusReason::MaxLifetime))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DESIRED: [DesiredStatus; 3] =
        [DesiredStatus::Running, DesiredStatus::Suspended, DesiredStatus::Terminated];

    fn any_status() -> impl Strategy<Value = Status> {
        proptest::sample::select(&Status::ALL[..])
    }

    #[test]
    fn no_row_is_written_twice_or_goes_nowhere() {
        for (index, row) in TRANSITIONS.iter().enumerate() {
            assert_ne!(row.from, row.to);
            assert!(!row.when.is_empty());
            assert!(
                !TRANSITIONS[..index].iter().any(|other| (other.from, other.to) == (row.from, row.to)),
                "{row:?}"
            );
        }
    }

    #[test]
    fn every_status_is_reachable_from_pending() {
        let mut seen = vec![Pending];
        let mut next = 0;
        while let Some(&status) = seen.get(next) {
            next += 1;
            for row in TRANSITIONS.iter().filter(|row| row.from == status) {
                if !seen.contains(&row.to) {
                    seen.push(row.to);
                }
            }
        }
        for status in Status::ALL {
            assert!(seen.contains(&status), "{status:?}");
        }
    }

    #[test]
    fn every_live_status_can_fail_with_its_host_and_be_deleted() {
        for status in Status::ALL.into_iter().filter(|s| !s.is_final()) {
            assert!(legal(status, Failed), "{status:?}");
            assert!(status == Terminating || legal(status, Terminating), "{status:?}");
        }
    }

    #[test]
    fn the_promised_deadlines() {
        let promised = [
            (Pending, 120),
            (Starting, 30),
            (Suspending, 30),
            (Resuming, 30),
            (Migrating, 120),
            (Terminating, 60),
        ];
        for status in Status::ALL {
            let seconds = promised.iter().find(|(s, _)| *s == status).map(|(_, seconds)| *seconds);
            assert_eq!(deadline_seconds(status), seconds, "{status:?}");
        }
    }

    #[test]
    fn an_expired_agent_takes_a_legal_step_towards_its_end() {
        for status in Status::ALL {
            match expired(status) {
                Some((to, reason)) => {
                    assert!(legal(status, to), "{status:?}");
                    assert_eq!(reason, StatusReason::MaxLifetime);
                }
                None => assert!(status.is_final() || status == Terminating),
            }
        }
    }

    proptest! {
        #[test]
        fn final_statuses_have_no_exit(from in any_status(), to in any_status()) {
            prop_assert!(!(from.is_final() && legal(from, to)));
            prop_assert!(!legal(from, from));
        }

        #[test]
        fn a_deadline_and_an_exit_without_the_host_come_together(
            status in any_status(),
            desired in proptest::sample::select(&DESIRED[..]),
            has_checkpoint: bool,
        ) {
            let next = overdue(status, desired, has_checkpoint);
            prop_assert_eq!(deadline_seconds(status).is_some(), next.is_some());
            if let Some((to, _)) = next {
                prop_assert!(legal(status, to));
            }
        }

        #[test]
        fn the_sweeper_alone_brings_everything_to_rest(
            status in any_status(),
            desired in proptest::sample::select(&DESIRED[..]),
            has_checkpoint: bool,
        ) {
            let mut status = status;
            for _ in 0..3 {
                let Some((to, _)) = overdue(status, desired, has_checkpoint) else { break };
                status = to;
            }
            prop_assert!(deadline_seconds(status).is_none(), "{status:?}");
            if desired == DesiredStatus::Terminated && status != Running && status != Suspended {
                prop_assert!(status.is_final());
            }
        }
    }
}
