//! A tenant's list: SQL put together from a filter, values always as parameters.

use rusqlite::{Connection, ToSql, params_from_iter};
use wire::{AgentId, TenantId};

use super::{
    agents::{collect, select},
    row::{limit as sql_limit, text},
};
use crate::{
    domain::agent::Agent,
    store::{Filter, StoreError},
};

/// Most statuses or pairs of a filter that are looked at; there are no more of either than this.
const MAX_TERMS: usize = wire::agent::MAX_METADATA;

pub(super) fn agents(
    db: &Connection,
    tenant: TenantId,
    filter: &Filter,
    after: Option<AgentId>,
    limit: usize,
) -> Result<Vec<Agent>, StoreError> {
    let mut terms = Terms::default();
    terms.add("tenant = ?", [text(tenant)]);
    if let Some(after) = after {
        // Ids are ULIDs: their order is that of their making.
        terms.add("id < ?", [text(after)]);
    }
    if let Some(name) = &filter.name {
        terms.add("name = ?", [name.clone()]);
    }
    if !filter.status.is_empty() {
        let statuses = filter.status.iter().take(MAX_TERMS);
        let holes = vec!["?"; statuses.len()].join(", ");
        terms.add(&format!("status IN ({holes})"), statuses.map(|status| status.as_str().to_owned()));
        if filter.status.iter().all(|status| !status.is_final()) {
            // Says nothing new, but lets SQLite use the index of live agents.
            terms.add("status NOT IN ('terminated', 'failed')", []);
        }
    }
    for (key, value) in filter.metadata.iter().take(MAX_TERMS) {
        terms.add(
            "EXISTS (SELECT 1 FROM json_each(agents.metadata) AS pair WHERE pair.key = ? AND pair.value = ?)",
            [key.clone(), value.clone()],
        );
    }
    let sql =
        select(&format!("WHERE {} ORDER BY id DESC LIMIT {}", terms.sql.join(" AND "), sql_limit(limit)));
    collect(db, &sql, params_from_iter(terms.values.iter().map(|value| value as &dyn ToSql)))
}

#[derive(Default)]
struct Terms {
    sql: Vec<String>,
    values: Vec<String>,
}

impl Terms {
    fn add(&mut self, sql: &str, values: impl IntoIterator<Item = String>) {
        self.sql.push(sql.to_owned());
        self.values.extend(values);
    }
}
