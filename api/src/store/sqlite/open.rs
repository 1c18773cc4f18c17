//! Opens connections: settings, and the schema's version.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{OpenError, schema::MIGRATIONS};

/// How long opening waits for another process that writes: an accident, or a backup tool.
const BUSY_OPENING: Duration = Duration::from_secs(1);
/// How long a step waits for one.
const BUSY: Duration = Duration::from_secs(5);
/// Statements a connection keeps compiled; lists have some shapes more than the rest.
const STATEMENTS: usize = 128;
/// Marks a file as ours: "CLAW".
const APPLICATION_ID: i64 = 0x434C_4157;

/// The writing connection; makes the file and brings its schema up to date.
pub(super) fn writer(path: &Path) -> Result<Connection, OpenError> {
    // SQLite says of a directory that is not there no more than that it cannot open the file.
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        let there = std::fs::metadata(directory);
        there.map_err(|source| OpenError::Io { path: directory.to_owned(), source: source.into() })?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let open = || {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_OPENING)?;
        Ok(connection)
    };
    let mut connection = open().map_err(|source| OpenError::sqlite(path, source))?;
    // Before anything is written: a file of somebody else's or of a newer version stays as it is.
    check(&connection, path)?;
    // SQLite opens a file it may not write for reading only, without a word.
    let is_readonly = connection.is_readonly(rusqlite::MAIN_DB).map_err(|e| OpenError::sqlite(path, e))?;
    if is_readonly {
        return Err(OpenError::ReadOnly { path: path.to_owned() });
    }
    prepare(&mut connection).map_err(|source| OpenError::sqlite(path, source))?;
    Ok(connection)
}

/// A reading connection of a file that [`writer`] opened.
pub(super) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        settle(&connection)?;
        Ok(connection)
    };
    open().map_err(|source| OpenError::sqlite(path, source))
}

/// A connection to a file in memory.
pub(super) fn memory() -> Result<Connection, OpenError> {
    let open = || {
        let mut connection = Connection::open_in_memory()?;
        prepare(&mut connection)?;
        Ok(connection)
    };
    open().map_err(|source| OpenError::sqlite(Path::new(":memory:"), source))
}

fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let at = |source| OpenError::sqlite(path, source);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(at);
    let (version, application) = (pragma("user_version")?, pragma("application_id")?);
    let is_new = pragma("schema_version")? == 0 && version == 0 && application == 0;
    if !is_new && application != APPLICATION_ID {
        let source = rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB),
            Some("a database of another application".to_owned()),
        );
        return Err(at(source));
    }
    let supported = latest();
    if version > supported {
        return Err(OpenError::Newer { path: path.to_owned(), found: version, supported });
    }
    Ok(())
}

fn latest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    // Answers with the mode it has now; a database in memory keeps its own.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Pages (16 MiB): a commit that also writes the log back waits for two more `fsync`s.
    connection.query_row("PRAGMA wal_autocheckpoint = 4000", [], |_| Ok(()))?;
    // After a burst the log is cut back to this, bytes.
    connection.query_row("PRAGMA journal_size_limit = 67108864", [], |_| Ok(()))?;
    migrate(connection)?;
    settle(connection)
}

/// Does the migrations that are missing, all or none.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
    let missing = MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0));
    let is_current = missing.len() == 0;
    for migration in missing {
        transaction.execute_batch(migration)?;
    }
    if !is_current {
        transaction.pragma_update(None, "user_version", latest())?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    transaction.commit()
}

fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // The schema is ours, but a file can be edited: nothing in it may call what SQL should not.
    connection.pragma_update(None, "trusted_schema", false)?;
    // Negative is KiB.
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}
