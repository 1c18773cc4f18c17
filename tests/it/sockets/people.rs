//! Several people on one agent.

use std::time::{Duration, Instant};

use cloud_tests::{Cloud, Terminal};
use wire::{
    access::Role,
    terminal::{ClientControl, ServerControl},
};

use super::{hello, ping, presence};

/// Within which a client that is gone is no longer counted.
const FORGOTTEN: Duration = Duration::from_secs(2);

async fn resize(terminal: &mut Terminal, cols: u16, rows: u16) {
    terminal.send(&ClientControl::Resize { cols, rows }).await;
}

async fn resized(terminal: &mut Terminal, cols: u16, rows: u16) {
    let wanted = ServerControl::Resized { cols, rows };
    terminal.wait_control(|message| (*message == wanted).then_some(())).await;
}

#[tokio::test]
async fn everybody_is_counted_while_there() {
    let cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let mut first = cloud.terminal(&agent).await;
    presence(&mut first, 1, 0).await;
    let mut viewer = cloud.socket(&agent, Role::Viewer).await;
    presence(&mut viewer, 1, 1).await;
    presence(&mut first, 1, 1).await;
    let second = cloud.terminal(&agent).await;
    presence(&mut first, 2, 1).await;
    drop(second);
    presence(&mut first, 1, 1).await;
    // No close, no end of the stream: the connection is just gone.
    viewer.vanish();
    let begun = Instant::now();
    presence(&mut first, 1, 0).await;
    assert!(begun.elapsed() < FORGOTTEN, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn whoever_typed_last_sets_the_size() {
    let cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let mut first = cloud.terminal(&agent).await;
    let mut second = cloud.socket(&agent, Role::Operator).await;
    second.attach("second").await;
    let mut viewer = cloud.socket(&agent, Role::Viewer).await;
    first.keys("a").await;
    first.wait("> a").await;
    resize(&mut first, 100, 30).await;
    for terminal in [&mut first, &mut second, &mut viewer] {
        resized(terminal, 100, 30).await;
    }
    // Neither of these has typed.
    resize(&mut second, 90, 20).await;
    ping(&mut second).await;
    resize(&mut viewer, 70, 10).await;
    ping(&mut viewer).await;
    resize(&mut first, 101, 31).await;
    for terminal in [&mut first, &mut second, &mut viewer] {
        resized(terminal, 101, 31).await;
    }
    second.keys("b").await;
    for terminal in [&mut first, &mut second, &mut viewer] {
        resized(terminal, 90, 20).await;
        let seen = |message: &&ServerControl| matches!(message, ServerControl::Resized { .. });
        assert_eq!(terminal.control.iter().filter(seen).count(), 0, "{:?}", terminal.control);
    }
}

#[tokio::test]
async fn sizes_are_brought_into_bounds() {
    let cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let mut terminal = cloud.terminal(&agent).await;
    resize(&mut terminal, 0, 9999).await;
    resized(&mut terminal, 2, 200).await;
    resize(&mut terminal, u16::MAX, 0).await;
    resized(&mut terminal, 500, 1).await;
}
