//! What hosts commit.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};
use wire::{
    HostId, Incarnation,
    fleet::HostState,
    host::{Commit, CommitRefusal, CommitRefused, Commits, Taken},
};

use super::{
    agents, checkpoints, mail, packs,
    row::{host_state, parsed, text, word},
};
use crate::{
    domain::{agent::Agent, checkpoint::Checkpoint, commit::Verdict},
    store::{Committed, MAX_PACKS, StoreError},
};

pub(super) fn commit(
    db: &Connection,
    host: HostId,
    commits: Commits,
    now: Timestamp,
) -> Result<Committed, StoreError> {
    if !holds(db, host, commits.incarnation)? {
        return Ok(Committed::Fenced);
    }
    for (pack, bytes) in commits.packs {
        // Also when no commit refers to it in the end: then it is garbage, and known.
        packs::register(db, pack, bytes, now)?;
    }
    let (mut refused, mut moved) = (Vec::new(), Vec::new());
    for commit in commits.commits {
        match one(db, host, &commit, now)? {
            Ok(agent) => moved.extend(agent),
            Err(why) => refused.push(CommitRefused { agent: commit.agent, why }),
        }
    }
    Ok(Committed::Done { refused, moved })
}

fn holds(db: &Connection, host: HostId, incarnation: Incarnation) -> Result<bool, StoreError> {
    let found = db
        .prepare_cached("SELECT incarnation, state FROM hosts WHERE id = ?1")?
        .query_row([text(host)], |row| Ok((parsed::<Incarnation>(row, 0)?, word(row, 1, host_state)?)))
        .optional()?;
    Ok(found.is_some_and(|(holder, state)| holder == incarnation && state != HostState::Dead))
}

/// The agent when it was suspended or released.
fn one(
    db: &Connection,
    host: HostId,
    commit: &Commit,
    now: Timestamp,
) -> Result<Result<Option<Agent>, CommitRefusal>, StoreError> {
    let Some(agent) = agents::get(db, commit.agent)? else { return Ok(Err(CommitRefusal::Stale {})) };
    let last = agent.checkpoint.as_ref().map(|at| checkpoints::get(db, at.id)).transpose()?.flatten();
    let taken = commit.taken.as_ref();
    let recorded = taken.map(|taken| checkpoints::get(db, taken.checkpoint.id)).transpose()?.flatten();
    if recorded.as_ref().is_some_and(|recorded| recorded.agent != agent.id) {
        return Ok(Err(CommitRefusal::Conflict {}));
    }
    let next = match agent.committed(host, commit, last.as_ref(), recorded.is_some(), now) {
        Verdict::Apply(next) => *next,
        Verdict::Replayed => return Ok(Ok(None)),
        Verdict::Refused(why) => return Ok(Err(why)),
    };
    let is_new = next.checkpoint != agent.checkpoint;
    let covered = match taken.filter(|_| is_new) {
        Some(taken) => match record(db, &agent, taken, now)? {
            Ok(checkpoint) => Some(checkpoint.inbox),
            Err(why) => return Ok(Err(why)),
        },
        None => None,
    };
    let previous = next.previous.as_ref().map(|at| checkpoints::get(db, at.id)).transpose()?.flatten();
    agents::write(db, &agent, &next)?;
    if let Some(covered) = covered {
        // Only what both have: the one before is gone on from when the last cannot be read.
        let both = previous.map_or(0, |previous| previous.inbox.min(covered));
        mail::cover(db, agent.id, covered, both, now)?;
    }
    let is_moved = (next.status, next.host) != (agent.status, agent.host);
    Ok(Ok(is_moved.then_some(next)))
}

/// Inserts a commit's checkpoint.
fn record(
    db: &Connection,
    agent: &Agent,
    taken: &Taken,
    now: Timestamp,
) -> Result<Result<Checkpoint, CommitRefusal>, StoreError> {
    let mut needed = taken.packs.clone();
    needed.push(taken.checkpoint.pack);
    needed.sort_unstable();
    needed.dedup();
    if needed.len() > MAX_PACKS {
        return Ok(Err(CommitRefusal::Conflict {}));
    }
    let missing = packs::missing(db, &needed)?;
    if !missing.is_empty() {
        return Ok(Err(CommitRefusal::PacksGone { packs: missing }));
    }
    let checkpoint = Checkpoint {
        at: taken.checkpoint.clone(),
        agent: agent.id,
        parent: taken.parent,
        kind: taken.kind,
        note: taken.note.clone(),
        image: taken.image.clone(),
        epoch: agent.epoch,
        timeline: agent.timeline,
        size_bytes: taken.size_bytes,
        unique_bytes: taken.unique_bytes,
        // It cannot cover what there is not yet.
        inbox: taken.inbox.min(mail::last(db, agent.id)?),
        created_at: now,
    };
    checkpoints::insert(db, &checkpoint, &needed)?;
    Ok(Ok(checkpoint))
}
