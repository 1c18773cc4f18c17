//! `claw logs`.

use futures_util::StreamExt as _;
use reqwest::Method;
use wire::log::{Level, LogEntry, Source};

use crate::{
    cli::Logs,
    client::Client,
    failure::Failure,
    output::{Output, printable},
};

/// Longest line that is kept, bytes; the API's entries are far shorter.
const MAX_LINE: usize = 1024 * 1024;

/// Prints an agent's log, entry by entry as they come.
pub(crate) async fn run(client: &Client, args: Logs, out: Output) -> Result<(), Failure> {
    let agent = client.agent(&args.agent).await?;
    let mut query = vec![("follow", args.follow.to_string())];
    query.extend(args.level.map(|level| ("level", level)));
    query.extend(args.after.map(|after| ("after", after.to_string())));
    let request = client.request(Method::GET, &format!("/v1/agents/{}/logs", agent.id)).query(&query);
    let mut body = client.send(request).await?.bytes_stream();
    let mut line = Vec::new();
    while let Some(part) = body.next().await {
        let lost = |source: reqwest::Error| Failure::Unreachable {
            url: client.url().to_owned(),
            source: Box::new(source.without_url()),
        };
        for piece in part.map_err(lost)?.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece);
            if line.ends_with(b"\n") {
                print(&line, out)?;
                line.clear();
            } else if line.len() > MAX_LINE {
                return Err(Failure::Answer { url: client.url().to_owned(), status: 200 });
            }
        }
    }
    if line.is_empty() { Ok(()) } else { print(&line, out) }
}

fn print(line: &[u8], out: Output) -> Result<(), Failure> {
    match serde_json::from_slice::<LogEntry>(line) {
        Ok(entry) if !out.json => out.line(&text(&entry)),
        Ok(_) => out.bytes(line),
        // An entry of a newer cloud: shown as it is.
        Err(_) => out.line(&printable(String::from_utf8_lossy(line).trim_end())),
    }
}

fn text(entry: &LogEntry) -> String {
    let level = match entry.level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info ",
        Level::Warn => "warn ",
        Level::Error => "error",
    };
    let source = match entry.source {
        Source::Agent => "agent ",
        Source::Stderr => "stderr",
        Source::Host => "host  ",
    };
    let mut text = format!("{:.3} {level} {source} {}", entry.time, printable(&entry.message));
    for (name, value) in &entry.fields {
        text.push_str(&format!(" {}={}", printable(name), printable(value)));
    }
    text
}
