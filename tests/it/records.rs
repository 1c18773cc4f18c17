//! What a cloud's API has written down: its database, read and changed behind its back.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use cloud_tests::Cloud;
use rusqlite::{Connection, params};
use serde_json::Value;
use wire::{agent::Agent, checkpoint::CheckpointRef};

/// See the module.
pub(crate) struct Records(Connection);

impl Records {
    pub(crate) fn of(cloud: &Cloud) -> Self {
        let records = Connection::open(cloud.dir().join("api/claw.db")).unwrap();
        // The API's own writes come first.
        records.busy_timeout(Duration::from_secs(10)).unwrap();
        Self(records)
    }

    /// Rows of every table.
    pub(crate) fn rows(&self) -> BTreeMap<String, u64> {
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
        let mut tables = self.0.prepare(sql).unwrap();
        let names = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
        names.map(|name| name.unwrap()).map(|name| (name.clone(), self.count(&name))).collect()
    }

    /// Rows of a table, such as `packs WHERE refs > 0`.
    pub(crate) fn count(&self, of: &str) -> u64 {
        let count: i64 =
            self.0.query_row(&format!("SELECT count(*) FROM {of}"), [], |row| row.get(0)).unwrap();
        count.try_into().unwrap()
    }

    /// Where an agent's last checkpoint is.
    pub(crate) fn last(&self, agent: &Agent) -> CheckpointRef {
        let sql = "SELECT about FROM checkpoints WHERE id = (SELECT checkpoint FROM agents WHERE id = ?1)";
        let about: String = self.0.query_row(sql, [agent.id.to_string()], |row| row.get(0)).unwrap();
        serde_json::from_value(serde_json::from_str::<Value>(&about).unwrap()["at"].take()).unwrap()
    }

    /// From now on the API believes that a checkpoint is there.
    pub(crate) fn forge(&self, at: &CheckpointRef) {
        let id = at.id.to_string();
        let sql = "UPDATE checkpoints SET about = json_set(about, '$.at', json(?2)) WHERE id = ?1";
        let changed = self.0.execute(sql, params![id, serde_json::to_string(at).unwrap()]).unwrap();
        assert_eq!(changed, 1);
        let sql = "UPDATE agents SET state = json_set(state, '$.checkpoint', json(?2)) WHERE checkpoint = ?1";
        let changed = self.0.execute(sql, params![id, serde_json::to_string(at).unwrap()]).unwrap();
        assert_eq!(changed, 1);
    }

    /// Packs that nobody refers to are as old as it takes for them to be deleted; those of the last seconds are not.
    pub(crate) fn age_packs(&self, but_seconds: u64) {
        let sql = "UPDATE packs SET created_at = 0 WHERE refs = 0 AND gone = 0
            AND created_at < (unixepoch('subsec') - ?1) * 1e9";
        self.0.execute(sql, [i64::try_from(but_seconds).unwrap()]).unwrap();
    }
}

/// Every pack below a directory, by name.
pub(crate) fn packs(cloud: &Cloud) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut left = vec![cloud.dir().join("depot")];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                left.push(entry.path());
            } else if name.starts_with("pck_") {
                found.insert(name, entry.path());
            }
        }
    }
    found
}
