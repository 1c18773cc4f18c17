//! The one thread that writes.
//!
//! It takes all the steps that are waiting into one transaction, each in a savepoint of its own, so
//! sixteen callers pay for one `fsync` and a step that fails takes nobody with it. A large step has a
//! transaction of its own and no savepoint: SQLite keeps what a savepoint would have to undo in a list, and
//! walks all of it after each statement that has something to undo of its own.

use std::{io, thread::JoinHandle};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::step::{Failure, Step};

/// Most steps in one transaction: bounds how long the first of them waits for the others.
const MAX_BATCH: usize = 128;

pub(super) fn spawn(
    connection: Connection,
    mut queue: mpsc::Receiver<Box<dyn Step>>,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
        let mut held = None;
        while let Some(first) = held.take().or_else(|| queue.blocking_recv()) {
            held = batch(&connection, first, &mut queue);
        }
        close(connection);
    })
}

/// Does the first step and all that are waiting, commits, then answers them. A large one that is met is
/// given back, to be the first of the next.
fn batch(
    connection: &Connection,
    mut first: Box<dyn Step>,
    queue: &mut mpsc::Receiver<Box<dyn Step>>,
) -> Option<Box<dyn Step>> {
    let (mut done, mut held) = (Vec::new(), None);
    let result = if first.is_large() {
        let result = alone(connection, first.as_mut());
        done.push(first);
        result
    } else {
        transaction(connection, first, queue, &mut done, &mut held)
    };
    if let Err(failure) = &result {
        tracing::error!(error = %failure.error, steps = done.len(), "a transaction of the store failed");
    }
    for step in done {
        step.answer(result.clone());
    }
    held
}

/// Does a step in a transaction of its own, kept only when the step is.
fn alone(connection: &Connection, step: &mut dyn Step) -> Result<(), Failure> {
    if !step.is_wanted() {
        return Ok(());
    }
    let result = execute(connection, "BEGIN IMMEDIATE").and_then(|()| {
        if step.work(connection) {
            execute(connection, "COMMIT")
        } else if connection.is_autocommit() {
            // Space ran out, and SQLite itself has rolled back by now.
            Ok(())
        } else {
            execute(connection, "ROLLBACK")
        }
    });
    if !connection.is_autocommit() {
        // As below.
        let _ = execute(connection, "ROLLBACK");
    }
    result
}

fn transaction(
    connection: &Connection,
    first: Box<dyn Step>,
    queue: &mut mpsc::Receiver<Box<dyn Step>>,
    done: &mut Vec<Box<dyn Step>>,
    held: &mut Option<Box<dyn Step>>,
) -> Result<(), Failure> {
    let mut result = execute(connection, "BEGIN IMMEDIATE");
    let mut next = Some(first);
    while let Some(mut step) = next {
        if result.is_ok() && step.is_wanted() {
            result = in_savepoint(connection, step.as_mut());
        }
        done.push(step);
        let has_room = result.is_ok() && done.len() < MAX_BATCH;
        next = if has_room { queue.try_recv().ok() } else { None };
        if next.as_ref().is_some_and(|step| step.is_large()) {
            *held = next.take();
        }
    }
    let result = result.and_then(|()| execute(connection, "COMMIT"));
    if !connection.is_autocommit() {
        // Should this fail too, the next `BEGIN` says so: nothing is acknowledged meanwhile.
        let _ = execute(connection, "ROLLBACK");
    }
    result
}

/// Does a step; what it did is undone unless it is to be kept. An error means that the transaction
/// around it is no more, or of no more use.
fn in_savepoint(connection: &Connection, step: &mut dyn Step) -> Result<(), Failure> {
    execute(connection, "SAVEPOINT step")?;
    if !step.work(connection) {
        // When space ran out, SQLite itself may have rolled back all of the transaction, savepoint and
        // all: then this fails, and the steps before it in this transaction are told why.
        execute(connection, "ROLLBACK TO step").map_err(|failure| failure.or_full(step.was_full()))?;
    }
    execute(connection, "RELEASE step")
}

fn execute(connection: &Connection, sql: &str) -> Result<(), Failure> {
    connection.prepare_cached(sql).and_then(|mut s| s.execute([])).map(drop).map_err(Failure::from)
}

/// Leaves one file: the log is written back and removed.
fn close(connection: Connection) {
    if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::warn!(%error, "the store's log was not written back; the next start does it");
    }
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "the store was not closed cleanly");
    }
}
