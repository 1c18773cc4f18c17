//! What is seen only from inside: transactions that fail, steps that panic, rows that are damaged.

use std::{sync::mpsc as gate, time::Duration};

use futures_util::future::join_all;
use wire::fleet::HostState;

use super::*;

fn tenant(number: u128) -> Tenant {
    Tenant {
        id: TenantId::from_u128(number),
        name: "t".to_owned(),
        max_agents: 1,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

fn count(db: &Connection) -> Result<i64, StoreError> {
    Ok(db.query_row("SELECT count(*) FROM tenants", [], |row| row.get(0))?)
}

/// A tenant's row of this many bytes.
async fn insert(store: &SqliteStore, number: u128, bytes: usize) -> Result<bool, StoreError> {
    store.create_tenant(Tenant { name: "x".repeat(bytes), ..tenant(number) }).await
}

/// Steps that are queued while a first one runs are all in its transaction.
async fn hold<T>(store: &SqliteStore, then: impl Future<Output = T>) -> T {
    let (open, gate) = gate::channel::<()>();
    let held = store.write(move |_| Ok(gate.recv_timeout(Duration::from_secs(10)).is_ok()));
    let release = async {
        // By now the others were polled once, after the gate: they are in the queue behind it.
        tokio::task::yield_now().await;
        open.send(()).unwrap();
    };
    // The first may be refused with the others, but the gate is open.
    let (_, answers, ()) = tokio::join!(held, then, release);
    answers
}

#[tokio::test]
async fn a_step_that_panics_takes_nobody_with_it() {
    let store = SqliteStore::in_memory().unwrap();
    let panics = store.write(|db| -> Result<(), StoreError> {
        access::create_tenant(db, &tenant(1))?;
        panic!("as meant")
    });
    let (panicked, before, after) = tokio::join!(panics, insert(&store, 2, 1), insert(&store, 3, 1));
    assert!(matches!(panicked, Err(StoreError::Unavailable(_))));
    assert!(before.unwrap() && after.unwrap());
    assert_eq!(store.read(count).await.unwrap(), 2);
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_step_that_fails_leaves_nothing_and_takes_nobody_with_it() {
    let store = SqliteStore::in_memory().unwrap();
    let fails = store.write(|db| {
        access::create_tenant(db, &tenant(1))?;
        db.execute("INSERT INTO tenants (id) VALUES ('half')", [])?;
        Ok(())
    });
    let (failed, other) = hold(&store, async { tokio::join!(fails, insert(&store, 2, 1)) }).await;
    assert!(failed.is_err());
    assert!(other.unwrap());
    assert_eq!(store.tenant(tenant(1).id).await.unwrap(), None);
    assert_eq!(store.read(count).await.unwrap(), 1);
}

#[tokio::test]
async fn a_large_step_is_kept_or_not_on_its_own() {
    let store = SqliteStore::in_memory().unwrap();
    let fails = store.write_much(|db| -> Result<(), StoreError> {
        access::create_tenant(db, &tenant(1))?;
        db.execute("INSERT INTO tenants (id) VALUES ('half')", [])?;
        Ok(())
    });
    let panics = store.write_much(|db| -> Result<(), StoreError> {
        access::create_tenant(db, &tenant(2))?;
        panic!("as meant")
    });
    let is_done = store.write_much(|db| access::create_tenant(db, &tenant(3)));
    let all = async { tokio::join!(insert(&store, 4, 1), fails, panics, is_done, insert(&store, 5, 1)) };
    let (before, failed, panicked, done, after) = hold(&store, all).await;
    assert!(failed.is_err() && panicked.is_err());
    assert!(before.unwrap() && done.unwrap() && after.unwrap());
    assert_eq!(store.read(count).await.unwrap(), 3);
}

#[tokio::test]
async fn a_large_step_whose_commit_fails_is_not_acknowledged() {
    let store = SqliteStore::in_memory().unwrap();
    let broken = store
        .write_much(|db| {
            db.execute_batch("PRAGMA defer_foreign_keys = ON")?;
            db.execute("INSERT INTO codes VALUES (x'00', 'tok_nobody', 0)", [])?;
            Ok(())
        })
        .await;
    assert!(matches!(broken, Err(StoreError::Unavailable(_))), "{broken:?}");
    assert!(insert(&store, 1, 1).await.unwrap());
}

#[tokio::test]
async fn nothing_is_acknowledged_by_a_commit_that_fails() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("claw.db")).unwrap();
    // A broken reference that is looked at only by the commit.
    let breaks_the_commit = store.write(|db| {
        db.execute_batch("PRAGMA defer_foreign_keys = ON")?;
        db.execute("INSERT INTO codes VALUES (x'00', 'tok_nobody', 0)", [])?;
        Ok(())
    });
    let (broken, other) = hold(&store, async { tokio::join!(breaks_the_commit, insert(&store, 1, 1)) }).await;
    assert!(matches!(broken, Err(StoreError::Unavailable(_))), "{broken:?}");
    assert!(matches!(other, Err(StoreError::Unavailable(_))), "{other:?}");
    assert_eq!(store.read(count).await.unwrap(), 0);
    assert!(insert(&store, 1, 1).await.unwrap());
}

#[tokio::test]
async fn a_store_that_is_full_says_so_keeps_what_it_has_and_goes_on_when_it_can() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claw.db");
    let store = SqliteStore::open(&path).unwrap();
    assert!(insert(&store, 0, 1).await.unwrap());
    // SQLite's own bound on its file: it fails as a full disk does.
    let bound = |extra: i64| {
        store.write(move |db| {
            let pages: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            Ok(db.query_row(&format!("PRAGMA max_page_count = {}", pages + extra), [], |_| Ok(()))?)
        })
    };
    bound(4).await.unwrap();
    let answers = hold(&store, join_all((1..9).map(|n| insert(&store, n, 100_000)))).await;
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::Full(_))), "{answer:?}");
    }
    assert_eq!(store.read(count).await.unwrap(), 1);
    assert!(insert(&store, 20, 1).await.unwrap());
    bound(1000).await.unwrap();
    assert!(insert(&store, 21, 100_000).await.unwrap());
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.read(count).await.unwrap(), 3);
}

#[tokio::test]
async fn a_step_nobody_waits_for_any_more_is_not_begun() {
    let store = SqliteStore::in_memory().unwrap();
    hold(&store, async {
        let mut given_up = Box::pin(insert(&store, 1, 1));
        assert!(futures_util::poll!(&mut given_up).is_pending());
    })
    .await;
    store.ping().await.unwrap();
    assert_eq!(store.read(count).await.unwrap(), 0);
}

#[tokio::test]
async fn a_row_it_cannot_read_is_said_to_be_corrupt() {
    let store = SqliteStore::in_memory().unwrap();
    insert(&store, 1, 1).await.unwrap();
    store.write(|db| Ok(db.execute("UPDATE tenants SET id = 'ten_?', max_agents = -1", [])?)).await.unwrap();
    assert!(matches!(store.tenants().await, Err(StoreError::Corrupt { what: "row", .. })));
}

#[tokio::test]
async fn the_long_dead_are_not_shown() {
    let store = SqliteStore::in_memory().unwrap();
    let host = Host {
        id: HostId::new(),
        incarnation: Incarnation::new(),
        state: HostState::Active,
        address: "127.0.0.1:1".to_owned(),
        public_url: None,
        capacity: 1,
        agents: 0,
        memory_bytes: 0,
        seq: 0,
        version: "1".to_owned(),
        images: Vec::new(),
        registered_at: Timestamp::UNIX_EPOCH,
        renewed_at: Timestamp::UNIX_EPOCH,
    };
    store.register_host(host.clone()).await.unwrap();
    assert!(store.bury_host(host.id, host.incarnation, 0).await.unwrap());
    assert_eq!(store.hosts().await.unwrap().len(), 1);
    store
        .write(|db| Ok(db.execute("UPDATE hosts SET died_at = died_at - 3600000000001", [])?))
        .await
        .unwrap();
    assert!(store.hosts().await.unwrap().is_empty());
}

/// What SQLite would do for a query.
fn plan(db: &Connection, sql: &str) -> Result<String, StoreError> {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let values = rusqlite::params_from_iter(vec!["1"; statement.parameter_count()]);
    let lines = statement.query_map(values, |row| row.get::<_, String>(3))?;
    Ok(lines.collect::<rusqlite::Result<Vec<_>>>()?.join("; "))
}

#[tokio::test]
async fn queries_use_their_index() {
    let store = SqliteStore::in_memory().unwrap();
    let queries: Vec<(String, &[&str])> = vec![
        (agents::select(agents::ON_HOST), &["INDEX agents_by_host"]),
        (agents::select(agents::OVERDUE), &["INDEX agents_due"]),
        (agents::select(agents::WAITING), &["INDEX agents_waiting"]),
        (agents::select("WHERE tenant = ? ORDER BY id DESC LIMIT 10"), &["INDEX agents_by_tenant"]),
        (
            agents::select("WHERE tenant = ? AND status = ? AND id < ? ORDER BY id DESC LIMIT 10"),
            &["INDEX agents_by_status (tenant=? AND status=? AND id<?)"],
        ),
        (
            agents::select("WHERE tenant = ? AND name = ? ORDER BY id DESC LIMIT 10"),
            &["INDEX agents_by_name"],
        ),
        (mail::select_with_mail(), &["INDEX mailboxes_with_mail", "SEARCH agents USING PRIMARY KEY"]),
        (packs::UNUSED.to_owned(), &["INDEX packs_unused"]),
        (packs::GONE.to_owned(), &["INDEX packs_gone"]),
        (
            checkpoints::select("WHERE agent = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"),
            &["INDEX checkpoints_by_agent (agent=? AND id<?)"],
        ),
        (
            checkpoints::select(&format!("WHERE id = ?1 AND {}", checkpoints::UNUSED)),
            &["INDEX agents_by_checkpoint", "INDEX agents_by_previous"],
        ),
    ];
    let plans =
        store.write(|db| queries.into_iter().map(|(sql, uses)| Ok((plan(db, &sql)?, uses))).collect()).await;
    let plans: Vec<(String, &[&str])> = plans.unwrap();
    for (plan, uses) in plans {
        for index in uses {
            assert!(plan.contains(index), "{plan}");
        }
        assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN agents"), "{plan}");
    }
}

#[tokio::test]
async fn a_file_of_the_first_schema_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claw.db");
    let (id, host) = (AgentId::from_u128(1), HostId::from_u128(2));
    let old = Connection::open(&path).unwrap();
    old.execute_batch(schema::MIGRATIONS[0]).unwrap();
    old.execute_batch("PRAGMA user_version = 1; PRAGMA application_id = 1129070935").unwrap();
    access::create_tenant(&old, &tenant(1)).unwrap();
    let spec = format!(
        r#"{{"image":"shell","digest":"{}","config":"null","env":{{}},"limits":{{"memory_mib":64,
           "fuel_per_second":1000000,"disk_mib":1,"wall_seconds":0}},"created_at":"2026-01-01T00:00:00Z"}}"#,
        wire::Digest::from_bytes([1; 32])
    );
    let state = r#"{"ran":true,"updated_at":"2026-01-01T00:00:00Z"}"#;
    old.execute(
        "INSERT INTO agents VALUES (?1, ?2, 'old', 'pending', 'running', 3, 9, ?3, NULL, '{}', ?4, ?5)",
        [&id.to_string(), &tenant(1).id.to_string(), &host.to_string(), &spec, state],
    )
    .unwrap();
    old.close().unwrap();

    let store = SqliteStore::open(&path).unwrap();
    let agent = store.agent(id).await.unwrap().unwrap();
    assert_eq!((agent.host, agent.home), (None, Some(host)));
    assert_eq!((agent.timeline, agent.checkpoint.clone(), agent.spec.suspendable), (1, None, false));
    assert_eq!(store.waiting(None, 10).await.unwrap(), [agent]);
}
