//! Values between rows and the domain.

use std::{fmt::Display, str::FromStr};

use jiff::Timestamp;
use rusqlite::{Row, types::Type};
use serde::{Serialize, de::DeserializeOwned};
use wire::{agent::DesiredStatus, fleet::HostState};

use crate::store::StoreError;

/// Nanoseconds since 1970; what is before 1677 or after 2262 counts as those.
pub(super) fn nanos(time: Timestamp) -> i64 {
    let nanos = time.as_nanosecond();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

/// The time in a column.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let nanos: i64 = row.get(column)?;
    Timestamp::from_nanosecond(i128::from(nanos)).map_err(|e| unreadable(column, e))
}

/// The time in a column that may be `NULL`.
pub(super) fn time_or_null(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let is_null = row.get_ref(column)? == rusqlite::types::ValueRef::Null;
    if is_null { Ok(None) } else { time(row, column).map(Some) }
}

/// The id or another text of a closed form in a column.
pub(super) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get_ref(column)?.as_str()?.parse().map_err(|e| unreadable(column, e))
}

/// [`parsed`] for a column that may be `NULL`.
pub(super) fn parsed_or_null<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map(|text| text.parse().map_err(|e| unreadable(column, e))).transpose()
}

/// The JSON in a column.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|e| unreadable(column, e))
}

/// The counter in a column.
pub(super) fn counter(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// The word in a column, by the closed list of what it may be.
pub(super) fn word<T>(row: &Row<'_>, column: usize, read: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    read(text).ok_or_else(|| unreadable(column, UnknownWord(text.to_owned())))
}

/// A counter as it is stored. None of ours comes near the bound; one that did would be refused here.
pub(super) fn stored(counter: u64) -> Result<i64, StoreError> {
    i64::try_from(counter).map_err(|source| unwritable("counter", source))
}

/// A value as JSON text.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| unwritable("value", source))
}

/// How many rows a caller wants, as SQL takes it.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn desired_text(desired: DesiredStatus) -> &'static str {
    match desired {
        DesiredStatus::Running => "running",
        DesiredStatus::Suspended => "suspended",
        DesiredStatus::Terminated => "terminated",
    }
}

pub(super) fn desired(text: &str) -> Option<DesiredStatus> {
    [DesiredStatus::Running, DesiredStatus::Suspended, DesiredStatus::Terminated]
        .into_iter()
        .find(|desired| desired_text(*desired) == text)
}

pub(super) fn host_state_text(state: HostState) -> &'static str {
    match state {
        HostState::Active => "active",
        HostState::Draining => "draining",
        HostState::Dead => "dead",
    }
}

pub(super) fn host_state(text: &str) -> Option<HostState> {
    [HostState::Active, HostState::Draining, HostState::Dead]
        .into_iter()
        .find(|state| host_state_text(*state) == text)
}

#[derive(Debug, thiserror::Error)]
#[error("unknown word {0:?}")]
struct UnknownWord(String);

fn unreadable(column: usize, source: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(source))
}

fn unwritable(what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Corrupt { what, source: Box::new(source) }
}

/// Text for a parameter.
pub(super) fn text(id: impl Display) -> String {
    id.to_string()
}
