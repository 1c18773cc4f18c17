//! Which bytes a client gets.

use cloud_tests::{Cloud, Terminal};
use serde_json::json;
use wire::{
    access::Role,
    log::{LogEntry, Source},
    terminal::{ClientControl, From, ServerControl},
};

use super::{BEGIN, from_begin, hello, hostile};

/// What the `burst` attack writes, from the first byte of its terminal on.
const READY: &[u8] = b"ready\r\n";
const LINE: u64 = 9;
const BURST: u64 = 120_000 * LINE;

/// Asserts that each byte received is the one that belongs to its offset.
fn assert_burst(terminal: &Terminal) {
    let mut at = 0;
    for (offset, length) in &terminal.frames {
        for (index, byte) in terminal.data[at..at + length].iter().enumerate() {
            let offset = offset + index as u64;
            let Some(written) = offset.checked_sub(READY.len() as u64) else {
                assert_eq!(*byte, READY[usize::try_from(offset).unwrap()]);
                continue;
            };
            if written < BURST {
                let line = format!("{:07}\r\n", written / LINE);
                let within = usize::try_from(written % LINE).unwrap();
                assert_eq!(*byte, line.as_bytes()[within], "at offset {offset}");
            }
        }
        at += length;
    }
    assert_eq!(at, terminal.data.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_arrives_in_order_and_once() {
    let cloud = Cloud::start().await;
    let agent = hostile(&cloud, "burst").await;
    let mut terminal = from_begin(&cloud, &agent, Role::Operator).await;
    terminal.wait("ready").await;
    terminal.keys("x").await;
    terminal.wait_line("done").await;
    assert_burst(&terminal);
    // What was not sent was said to be missing, and stands on a snapshot.
    let gaps: Vec<(u64, u64)> = terminal
        .control
        .iter()
        .filter_map(|message| match message {
            ServerControl::Gap { stream: 0, from, to } => Some((*from, *to)),
            _ => None,
        })
        .collect();
    assert!(gaps.iter().all(|(from, to)| from < to), "{gaps:?}");
    assert_eq!(terminal.snapshots, gaps.len());
    let mut next = 0;
    for (offset, length) in &terminal.frames {
        assert!(*offset == next || gaps.iter().any(|(from, _)| *from == next), "a hole at {next}");
        next = offset + *length as u64;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_comes_back_misses_and_repeats_nothing() {
    let cloud = Cloud::start().await;
    // About 100 kB at once and 50 kB in each second: never more than is kept between two connections.
    let agent = cloud
        .spawn(json!({
            "image": "hostile", "config": { "attack": "burst" }, "limits": { "fuel_per_second": 1_000_000 },
        }))
        .await;
    let mut terminal = from_begin(&cloud, &agent, Role::Operator).await;
    terminal.wait("ready").await;
    terminal.keys("x").await;
    let (mut data, mut frames) = (Vec::new(), Vec::new());
    for wanted in [30_000, 90_000, 130_000, 170_000] {
        terminal.wait_for("more bytes", |terminal| terminal.position.1 > wanted).await;
        let (generation, offset) = terminal.position;
        data.append(&mut terminal.data);
        frames.append(&mut terminal.frames);
        terminal.vanish();
        terminal = cloud.socket(&agent, Role::Operator).await;
        terminal.attach_at(From::Position { generation, offset }, Some("begin")).await;
        assert_eq!(terminal.position, (generation, offset));
        assert_eq!(terminal.snapshots, 0);
    }
    terminal.data.splice(..0, data);
    terminal.frames.splice(..0, frames);
    assert_burst(&terminal);
    let mut next = 0;
    for (offset, length) in &terminal.frames {
        assert_eq!(*offset, next);
        next = offset + *length as u64;
    }
    assert!(next > 170_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_was_away_for_too_long_gets_the_screen() {
    let cloud = Cloud::start().await;
    let agent = hostile(&cloud, "burst").await;
    let mut operator = cloud.terminal(&agent).await;
    operator.wait("ready").await;
    operator.keys("x").await;
    operator.wait_line("done").await;
    let mut late = cloud.socket(&agent, Role::Viewer).await;
    late.attach_at(BEGIN, None).await;
    late.wait_line("done").await;
    let gap = late.wait_control(|message| match message {
        ServerControl::Gap { stream: 0, from: 0, to } => Some(*to),
        _ => None,
    });
    let to = gap.await;
    assert!(to > 0 && to < late.position.1, "{to}");
    assert_eq!((late.snapshots, late.screen()), (1, operator.screen()));
    assert_eq!(late.position, operator.position);
}

#[tokio::test]
async fn everybody_sees_the_same_bytes() {
    let cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let mut seen = Vec::new();
    for role in [Role::Operator, Role::Viewer, Role::Viewer] {
        seen.push(from_begin(&cloud, &agent, role).await);
    }
    seen[0].run("good morning").await;
    for terminal in &mut seen {
        terminal.wait_line("You said: good morning").await;
    }
    let length = seen.iter().map(|terminal| terminal.data.len()).min().unwrap();
    let text = String::from_utf8_lossy(&seen[0].data[..length]).into_owned();
    assert!(text.starts_with("Hello! I am Ada.") && text.contains("You said: good morning"), "{text}");
    for terminal in &seen[1..] {
        assert_eq!(String::from_utf8_lossy(&terminal.data[..length]), text);
    }
}

#[tokio::test]
async fn a_snapshot_draws_the_screen_as_it_was() {
    let cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let mut terminal = from_begin(&cloud, &agent, Role::Operator).await;
    terminal.run("first").await;
    terminal.wait_line("You said: first").await;
    terminal.keys("half a li").await;
    terminal.wait("> half a li").await;
    let mut again = cloud.terminal(&agent).await;
    again.wait("> half a li").await;
    assert_eq!((again.snapshots, again.data.len()), (1, 0));
    assert_eq!(again.screen(), terminal.screen());
    // It goes on from there, cursor and all.
    again.keys("ne\r").await;
    for shown in [&mut again, &mut terminal] {
        shown.wait_line("You said: half a line").await;
        // And its prompt behind it.
        shown.wait_for("the next prompt", |now| now.screen().trim_end().ends_with('>')).await;
    }
    assert_eq!(again.screen().trim_end(), terminal.screen().trim_end());
}

#[tokio::test]
async fn the_log_is_a_stream_of_json_lines_that_follows() {
    let cloud = Cloud::start().await;
    let agent = hostile(&cloud, "fetch").await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.keys("x").await;
    terminal.wait("refused").await;
    terminal.keys("y").await;
    terminal.wait_line("alive").await;
    terminal.send(&ClientControl::Attach { stream: 1, from: BEGIN, input_session: None }).await;
    terminal
        .wait_control(|message| {
            matches!(message, ServerControl::Attached { stream: 1, offset: 0, .. }).then_some(())
        })
        .await;
    let entries = |terminal: &Terminal| -> Vec<LogEntry> {
        let text = String::from_utf8(terminal.log.clone()).unwrap();
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let alive = |terminal: &Terminal| {
        entries(terminal)
            .iter()
            .filter(|entry| entry.source == Source::Agent && entry.message == "alive")
            .count()
    };
    terminal.wait_for("entry of before", |terminal| alive(terminal) == 1).await;
    terminal.keys("z").await;
    terminal.wait_for("entry of now", |terminal| alive(terminal) == 2).await;
    let entries = entries(&terminal);
    assert!(entries.iter().map(|entry| entry.seq).eq(1..=entries.len() as u64), "{entries:?}");
}
