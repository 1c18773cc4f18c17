//! An agent's log as lines, and as server-sent events.

use axum::{body::Body, response::sse};
use serde::Deserialize;
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::{
    codec::{FramedRead, LinesCodec},
    io::StreamReader,
};

/// Longest line taken from a host, bytes.
const MAX_LINE_BYTES: usize = 1024 * 1024;

/// JSON lines as events whose id is the entry's `seq`, so that `Last-Event-ID` goes on after it. A
/// stream that breaks just ends: the client comes back with the last id it saw.
pub(crate) fn events(lines: Body) -> impl Stream<Item = Result<sse::Event, std::convert::Infallible>> + Send {
    let bytes = lines.into_data_stream().map(|chunk| chunk.map_err(std::io::Error::other));
    let lines = FramedRead::new(StreamReader::new(bytes), LinesCodec::new_with_max_length(MAX_LINE_BYTES));
    lines.map_while(Result::ok).filter_map(|line| {
        let Numbered { seq } = serde_json::from_str(&line).ok()?;
        Some(Ok(sse::Event::default().id(seq.to_string()).event("log").data(line)))
    })
}

#[derive(Deserialize)]
struct Numbered {
    seq: u64,
}
