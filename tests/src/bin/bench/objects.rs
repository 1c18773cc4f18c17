//! Objects written per agent and hour, counted at the object store.
//!
//! Three kinds of agents, each alone on its host and with others of its kind, in clouds with a store of their own, all
//! at the same time. An hour is so many times the window as fit: what is written depends on what happens in seconds.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cloud_tests::{Cloud, Terminal, cloud::Setup};
use depot::{Counts, Depot};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{common::applied, parts};

const TOGETHER: usize = 50;
/// The first checkpoints are over by then.
const SETTLED: Duration = Duration::from_secs(20);
const WINDOW: Duration = Duration::from_secs(180);
const HOUR: f64 = 3600.0;

/// What an agent does, and how often.
const KINDS: [(&str, Option<Duration>); 3] = [
    ("idle", None),
    ("chatting, a line every 10 s", Some(Duration::from_secs(10))),
    ("busy, an event every 0.25 s", Some(Duration::from_millis(250))),
];

struct Group {
    what: &'static str,
    every: Option<Duration>,
    depot: Depot,
    _dir: TempDir,
    _cloud: Arc<Cloud>,
    terminals: Vec<Terminal>,
}

impl Group {
    async fn new(what: &'static str, every: Option<Duration>, count: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::local(dir.path()).unwrap();
        let setup = Setup { depot: Some(depot.clone()), ..parts::setup(&["shell"], 64) };
        let cloud = Arc::new(Cloud::with(setup).await);
        let mut terminals = Vec::new();
        for _ in 0..count {
            let agent = cloud.spawn(json!({ "image": "shell" })).await;
            let mut terminal = cloud.terminal(&agent).await;
            terminal.wait("$").await;
            terminals.push(terminal);
        }
        Self { what, every, depot, _dir: dir, _cloud: cloud, terminals }
    }

    /// Works from `begin` on until `end`: what was stored between, and how many events there were.
    async fn work(mut self, begin: Instant, end: Instant) -> (Self, Counts, usize) {
        tokio::time::sleep_until(begin.into()).await;
        let before = self.depot.counts();
        let every = self.every;
        let events = match every {
            None => 0,
            Some(every) => {
                let (count, each) = (self.terminals.len(), self.terminals.drain(..).enumerate());
                let each = each.map(|(n, terminal)| {
                    // Not all at the same moment, as people are not.
                    let first = begin + every * u32::try_from(n).unwrap() / u32::try_from(count).unwrap();
                    tokio::spawn(type_lines(terminal, first, every, end))
                });
                join_all(each).await.into_iter().map(Result::unwrap).sum()
            }
        };
        tokio::time::sleep_until(end.into()).await;
        let now = self.depot.counts();
        let stored =
            Counts { puts: now.puts - before.puts, bytes_out: now.bytes_out - before.bytes_out, ..now };
        (self, stored, events)
    }
}

async fn type_lines(mut terminal: Terminal, first: Instant, every: Duration, end: Instant) -> usize {
    let (mut next, mut events) = (first, 0);
    while next < end {
        tokio::time::sleep_until(next.into()).await;
        terminal.run(&format!("N={events}; echo it is $N")).await;
        applied(&mut terminal).await;
        events += 1;
        next += every;
    }
    events
}

pub(crate) async fn run() -> Value {
    let mut groups = Vec::new();
    for (what, every) in KINDS {
        for count in [1, TOGETHER] {
            groups.push((count, Group::new(what, every, count).await));
        }
    }
    let begin = Instant::now() + SETTLED;
    let end = begin + WINDOW;
    let works = groups.into_iter().map(|(count, group)| async move { (count, group.work(begin, end).await) });
    #[allow(clippy::cast_precision_loss, reason = "small counts")]
    let per = |count: u64, agents: usize, hours: f64| count as f64 / agents as f64 / hours;
    let hours = WINDOW.as_secs_f64() / HOUR;
    let mut results = Vec::new();
    for (count, (group, stored, events)) in join_all(works).await {
        let (each, kib) = (per(stored.puts, count, hours), per(stored.bytes_out, count, hours) / 1024.0);
        println!(
            "{:<28} {count:>3} of them: {:>4} objects in {:.0} s, {events} events: {each:>7.1} objects and {kib:>9.0} KiB \
             an agent and hour",
            group.what,
            stored.puts,
            WINDOW.as_secs_f64(),
        );
        results.push(json!({
            "agents": count, "what": group.what, "seconds": WINDOW.as_secs(), "events": events, "objects": stored.puts,
            "bytes": stored.bytes_out, "objects_an_agent_and_hour": each, "kib_an_agent_and_hour": kib,
        }));
    }
    results.into()
}
