//! `GET /wire/v1/agents/{id}/logs`.

use axum::{
    body::Body,
    extract::{Path, Query, State},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use wire::log::Level;

use super::{AgentPath, Door, lines};

/// Lines sent at a time, bytes.
const BATCH_BYTES: usize = 64 * 1024;

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    after: u64,
    level: Level,
    follow: bool,
}

impl Default for Which {
    fn default() -> Self {
        Self { after: 0, level: Level::Trace, follow: false }
    }
}

/// Entries after a number; with `follow` until the agent is over.
pub(super) async fn read(
    State(door): State<Door>,
    Path(id): AgentPath,
    Query(which): Query<Which>,
) -> Result<Response, Response> {
    let agent = door.agent(&id)?;
    let changes = agent.changes();
    let live = agent.live();
    let stream = stream::unfold((which.after, changes, live), move |(mut after, mut changes, mut live)| {
        let agent = agent.clone();
        async move {
            loop {
                changes.mark_unchanged();
                let over = live.borrow().is_over();
                let (text, last) = agent.journal().after(after, which.level, BATCH_BYTES);
                let moved = last > after;
                after = last;
                if !text.is_empty() {
                    return Some((
                        Ok::<_, std::convert::Infallible>(Bytes::from(text)),
                        (after, changes, live),
                    ));
                }
                if moved {
                    continue;
                }
                if !which.follow || over {
                    return None;
                }
                tokio::select! {
                    // Both senders live in `agent`, which this holds.
                    _ = changes.changed() => {}
                    _ = live.changed() => {}
                }
            }
        }
    });
    Ok(lines(Body::from_stream(stream)))
}
