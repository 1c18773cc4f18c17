//! The query of a list: filters, limit and cursor.

use std::str::FromStr as _;

use axum::http::Uri;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use wire::{
    AgentId,
    agent::{MAX_METADATA, MAX_METADATA_BYTES, MAX_NAME_BYTES, Status},
};

use crate::{app::Mistakes, error::Error, store::Filter};

/// Items of a page when nobody says.
pub(super) const LIMIT: usize = 50;
/// Most items of a page.
pub(super) const MAX_LIMIT: usize = 100;

/// What a list is asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    /// Which.
    pub(super) filter: Filter,
    /// Only older ones.
    pub(super) after: Option<AgentId>,
    /// How many at most.
    pub(super) limit: usize,
}

/// Reads a query; every mistake is named.
pub(super) fn parse(query: &str) -> Result<Asked, Error> {
    let pairs = Uri::from_str(&format!("/?{query}")).ok().and_then(|uri| {
        axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).ok().map(|query| query.0)
    });
    let Some(pairs) = pairs else { return Err(Error::field("", "not a query")) };
    let mut asked = Asked { filter: Filter::default(), after: None, limit: LIMIT };
    let mut mistakes = Mistakes::default();
    for (name, value) in pairs {
        match name.as_str() {
            "status" => {
                for status in value.split(',') {
                    let known = Status::parse(status);
                    mistakes.unless(known.is_some(), "/status", "no such status");
                    asked.filter.status.extend(known);
                }
            }
            "name" => {
                mistakes.unless(value.len() <= MAX_NAME_BYTES, "/name", "longer than any name");
                asked.filter.name = Some(value);
            }
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                mistakes.unless(limit.is_some(), "/limit", format!("must be from 1 to {MAX_LIMIT}"));
                asked.limit = limit.unwrap_or(LIMIT);
            }
            "cursor" => {
                asked.after = read_cursor(&value);
                mistakes.unless(asked.after.is_some(), "/cursor", "not a cursor of this list");
            }
            other => match other.strip_prefix("metadata.") {
                Some(key) if !key.is_empty() => {
                    let fits = key.len() <= MAX_METADATA_BYTES && value.len() <= MAX_METADATA_BYTES;
                    mistakes.unless(fits, "/metadata", "longer than any pair");
                    asked.filter.metadata.push((key.to_owned(), value));
                }
                _ => mistakes.unless(false, "", "unknown parameter"),
            },
        }
    }
    mistakes.unless(
        asked.filter.metadata.len() <= MAX_METADATA,
        "/metadata",
        "more pairs than an agent may have",
    );
    asked.filter.status.sort_unstable_by_key(|status| status.as_str());
    asked.filter.status.dedup();
    mistakes.none()?;
    Ok(asked)
}

/// Where the next page begins; opaque, so that it may come to mean something else.
pub(super) fn cursor(last: AgentId) -> String {
    URL_SAFE_NO_PAD.encode(format!("1:{last}"))
}

fn read_cursor(cursor: &str) -> Option<AgentId> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.strip_prefix("1:")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_query_reads_as_meant() {
        let last = AgentId::new();
        let query =
            format!("status=running,failed&name=a%20b&metadata.team=blue&limit=2&cursor={}", cursor(last));
        let asked = parse(&query).unwrap();
        assert_eq!(asked.filter.status, [Status::Failed, Status::Running]);
        assert_eq!(asked.filter.name.as_deref(), Some("a b"));
        assert_eq!(asked.filter.metadata, [("team".to_owned(), "blue".to_owned())]);
        assert_eq!((asked.after, asked.limit), (Some(last), 2));
    }

    #[test]
    fn mistakes_are_named() {
        for (query, pointer) in [
            ("status=sleeping", "/status"),
            ("limit=0", "/limit"),
            ("limit=101", "/limit"),
            ("limit=ten", "/limit"),
            ("cursor=abc", "/cursor"),
            ("colour=red", ""),
            ("metadata.=x", ""),
        ] {
            let error = parse(query).unwrap_err();
            assert_eq!(error.errors.first().map(|e| e.pointer.as_str()), Some(pointer), "{query}");
        }
    }
}
