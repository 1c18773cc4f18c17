//! A tenant's list: SQL put together from a filter, values always as parameters.

use rusqlite::{Connection, ToSql, params_from_iter};
use wire::{AgentId, TenantId, agent::Status};

use super::{
    agents::{collect, select},
    row::{limit as sql_limit, text},
};
use crate::{
    domain::agent::Agent,
    store::{Filter, StoreError},
};

/// Most pairs of a filter that are looked at; there are no more than this.
const MAX_PAIRS: usize = wire::agent::MAX_METADATA;

/// One query for each status that is asked for, so that each is a walk along an index however many agents
/// are of another: the newest of all their answers are the answer.
pub(super) fn agents(
    db: &Connection,
    tenant: TenantId,
    filter: &Filter,
    after: Option<AgentId>,
    limit: usize,
) -> Result<Vec<Agent>, StoreError> {
    let asked: Vec<_> = Status::ALL.into_iter().filter(|status| filter.status.contains(status)).collect();
    if asked.is_empty() || asked.len() == Status::ALL.len() {
        return of(db, tenant, None, filter, after, limit);
    }
    let mut found = Vec::new();
    for status in asked {
        found.extend(of(db, tenant, Some(status), filter, after, limit)?);
    }
    found.sort_unstable_by_key(|agent| std::cmp::Reverse(agent.id));
    found.truncate(limit);
    Ok(found)
}

/// Those of one status, or of any.
fn of(
    db: &Connection,
    tenant: TenantId,
    status: Option<Status>,
    filter: &Filter,
    after: Option<AgentId>,
    limit: usize,
) -> Result<Vec<Agent>, StoreError> {
    let mut terms = Terms::default();
    terms.add("tenant = ?", [text(tenant)]);
    if let Some(status) = status {
        terms.add("status = ?", [status.as_str().to_owned()]);
    }
    if let Some(after) = after {
        // Ids are ULIDs: their order is that of their making.
        terms.add("id < ?", [text(after)]);
    }
    if let Some(name) = &filter.name {
        terms.add("name = ?", [name.clone()]);
    }
    for (key, value) in filter.metadata.iter().take(MAX_PAIRS) {
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
