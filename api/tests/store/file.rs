//! What SQLite promises about its file.

use std::{fs, path::Path, sync::Arc};

use api::store::{
    Store,
    sqlite::{OpenError, SqliteStore},
};
use rusqlite::Connection;
use tempfile::TempDir;
use wire::{
    agent::Status,
    host::{Taken, Then},
};

use crate::{
    fixture::{
        at_once, bring, commit, host, insert, new_agent, new_host, spawn, start, taken, tenant, token,
    },
    inbox::deliver_bytes as deliver,
};

fn directory() -> (TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("claw.db");
    (directory, file)
}

fn open(file: &Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(file).unwrap())
}

#[tokio::test]
async fn everything_is_there_after_a_clean_close_in_one_file() {
    let (directory, file) = directory();
    let store = open(&file);
    let tenant = tenant(&store, 10).await;
    let token = token(&store, tenant).await;
    let host = new_host();
    store.register_host(host.clone()).await.unwrap();
    let agent = spawn(&store, tenant).await;
    let agent = bring(&store, agent.id, Status::Running).await;
    drop(store);
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["claw.db"]);

    let store = open(&file);
    assert_eq!(store.agent(agent.id).await.unwrap(), Some(agent));
    assert_eq!(store.token(token.id).await.unwrap(), Some(token));
    assert_eq!(store.hosts().await.unwrap(), [host]);
    assert_eq!(store.tenant(tenant).await.unwrap().unwrap().id, tenant);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let (_directory, file) = directory();
    let store = open(&file);
    let tenant = tenant(&store, 1000).await;
    let acknowledged = at_once(64, |_| {
        let store = Arc::clone(&store);
        async move { spawn(&store, tenant).await }
    })
    .await;

    // What a killed process leaves: the file and its log, as they are at this moment.
    let (_copies, copy) = self::directory();
    fs::copy(&file, &copy).unwrap();
    fs::copy(file.with_extension("db-wal"), copy.with_extension("db-wal")).unwrap();
    let after = open(&copy);
    for agent in acknowledged {
        assert_eq!(after.agent(agent.id).await.unwrap(), Some(agent));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_and_messages_are_there_after_a_kill_all_or_none_of_each() {
    let (_directory, file) = directory();
    let store = open(&file);
    let tenant = tenant(&store, 1000).await;
    let host = host(&store).await;
    let mut agents = Vec::new();
    for _ in 0..8 {
        // Small enough that the log is not written back meanwhile: a copy of two files is of one moment.
        let mut agent = new_agent(tenant);
        agent.spec.config = "null".to_owned();
        let id = insert(&store, agent).await.id;
        agents.push(start(&store, id, &host).await.id);
    }
    // What was acknowledged, and what a killed process leaves at any moment in between.
    let (copies, _) = self::directory();
    let mut acknowledged = Vec::new();
    for round in 0..12 {
        let done = at_once(agents.len(), |index| {
            let (store, host, id) = (Arc::clone(&store), host.clone(), agents[index]);
            async move {
                let seq = deliver(&store, id, b"x").await;
                let row = store.agent(id).await.unwrap().unwrap();
                let taken = Taken { inbox: seq, ..taken(&row) };
                let row = commit(&store, &host, &row, Some(taken), Then::Run {}).await;
                (row, deliver(&store, id, b"y").await)
            }
        });
        // Taken while the round is under way: it has at least what the rounds before it acknowledged.
        let copy = copies.path().join(format!("{round}.db"));
        let snapshot = async {
            fs::copy(file.with_extension("db-wal"), copy.with_extension("db-wal")).unwrap();
            fs::copy(&file, &copy).unwrap();
        };
        let (done, ()) = tokio::join!(done, snapshot);
        let before = std::mem::replace(&mut acknowledged, done);
        let after = open(&copy);
        for (row, last) in before {
            let there = after.agent(row.id).await.unwrap().unwrap();
            assert!(there.version >= row.version);
            let inbox = after.inbox(row.id, 0, 100).await.unwrap();
            assert!(inbox.last().is_some_and(|entry| entry.seq >= last));
            let at = there.checkpoint.unwrap();
            let checkpoint = after.checkpoint(at.id).await.unwrap().unwrap();
            // It was committed together with what it covers: what is not covered is there.
            assert!(inbox.iter().any(|entry| entry.seq == checkpoint.inbox + 1) || last <= checkpoint.inbox);
            let kept = after.checkpoints(row.id, None, 10).await.unwrap().len();
            assert!((round.min(2)..=2).contains(&kept), "{kept}");
        }
    }
}

#[test]
fn a_file_in_use_is_told_and_left() {
    let (_directory, file) = directory();
    drop(SqliteStore::open(&file).unwrap());
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = SqliteStore::open(&file).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 75);
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    SqliteStore::open(&file).unwrap();
}

/// Opening fails, and not a byte of the file is another one.
fn refused(file: &Path) -> OpenError {
    let before = fs::read(file).unwrap();
    let error = SqliteStore::open(file).unwrap_err();
    assert!(fs::read(file).unwrap() == before, "changed");
    error
}

#[test]
fn a_newer_file_is_told_and_left() {
    let (_directory, file) = directory();
    drop(SqliteStore::open(&file).unwrap());
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = refused(&file);
    assert!(matches!(error, OpenError::Newer { found: 99, supported: 2, .. }), "{error:?}");
    assert_eq!(error.exit_code(), 65);
    assert!(error.to_string().contains("upgrade claw"));
}

#[test]
fn a_damaged_or_foreign_file_is_told_and_left() {
    let (_directory, file) = directory();
    for damaged in [b"not a database, but long enough to be taken for one".repeat(200), b"short".to_vec()] {
        fs::write(&file, damaged).unwrap();
        let error = refused(&file);
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
        assert_eq!(error.exit_code(), 65);
    }
    fs::remove_file(&file).unwrap();
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(refused(&file), OpenError::Corrupt { .. }));
}

#[test]
fn a_file_that_cannot_be_written_is_told() {
    // Not even root makes files in sysfs, wherever it is mounted and however.
    let error = SqliteStore::open(Path::new("/sys/kernel/claw.db")).unwrap_err();
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 77);
}

#[test]
fn a_directory_that_is_not_there_is_told() {
    let (directory, _) = directory();
    let error = SqliteStore::open(&directory.path().join("nowhere/claw.db")).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 74);
}
