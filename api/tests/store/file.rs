//! What SQLite promises about its file.

use std::{fs, path::Path, sync::Arc};

use api::store::{
    Store,
    sqlite::{OpenError, SqliteStore},
};
use rusqlite::Connection;
use tempfile::TempDir;
use wire::agent::Status;

use crate::fixture::{at_once, bring, new_host, spawn, tenant, token};

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
