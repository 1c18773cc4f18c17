//! What reaches the agent: every key once, in order.

use cloud_tests::Cloud;
use tokio_tungstenite::tungstenite::Message;
use wire::{
    access::Role,
    terminal::{Header, Kind, ServerControl, close},
};

use super::{hello, hostile, ping};

fn input(offset: u64, bytes: &[u8]) -> Message {
    let header = Header { kind: Kind::Input as u8, flags: 0, stream: 0, offset };
    Message::binary(header.frame(bytes))
}

#[tokio::test]
async fn what_is_sent_again_after_a_reconnect_is_typed_once() {
    let cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let mut terminal = cloud.socket(&agent, Role::Operator).await;
    terminal.attach("mine").await;
    terminal.keys("abc").await;
    // Gone before anything is acknowledged: nobody knows what arrived.
    terminal.vanish();
    let mut terminal = cloud.socket(&agent, Role::Operator).await;
    terminal.attach("mine").await;
    assert!(terminal.sent <= 3, "{}", terminal.sent);
    terminal.send_raw(input(0, b"abc")).await;
    terminal.send_raw(input(0, b"abcdef")).await;
    terminal.send_raw(input(4, b"ef\r")).await;
    terminal.wait_line("You said: abcdef").await;
    terminal
        .wait_control(|message| {
            matches!(message, ServerControl::InputAck { applied: 7, durable: 7 }).then_some(())
        })
        .await;
    // Another session counts on its own.
    let mut other = cloud.socket(&agent, Role::Operator).await;
    other.attach("theirs").await;
    assert_eq!(other.sent, 0);
    terminal.attach("mine").await;
    assert_eq!(terminal.sent, 7);
}

/// The agent takes nothing for a while, so that what is typed waits at every step of its way when the
/// client comes back with the same input session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_busy_agent_is_not_typed_twice() {
    const LETTERS: usize = 100_000;
    /// What the host queues for an agent.
    const QUEUED: u64 = 64 * 1024;
    let letters: Vec<u8> = (b'a'..=b'z').cycle().take(LETTERS).collect();
    let cloud = Cloud::start().await;
    let agent = hostile(&cloud, "census").await;
    let mut first = cloud.socket(&agent, Role::Operator).await;
    first.attach("mine").await;
    first.keys("!").await;
    first.wait_line("busy").await;
    first.keys(&letters).await;
    let mut second = cloud.socket(&agent, Role::Operator).await;
    let begun = tokio::time::Instant::now();
    while second.sent < QUEUED {
        assert!(begun.elapsed() < cloud_tests::cloud::PATIENCE, "only {} are queued", second.sent);
        second.attach("mine").await;
    }
    let rest = usize::try_from(second.sent).unwrap() - 1;
    second.keys(&letters[rest..]).await;
    second.keys(".").await;
    let mut third = cloud.socket(&agent, Role::Operator).await;
    third.attach("another").await;
    third.keys("\x03").await;
    third.wait_line(&format!("counted {LETTERS}")).await;
    drop(first);
}

#[tokio::test]
async fn a_viewer_cannot_type() {
    let cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let mut viewer = cloud.socket(&agent, Role::Viewer).await;
    viewer.attach("mine").await;
    viewer.keys("x\r").await;
    assert_eq!(viewer.wait_close().await, close::ROLE);
    let mut operator = cloud.terminal(&agent).await;
    operator.run("y").await;
    operator.wait_line("You said: y").await;
    assert!(!operator.screen().contains('x'), "{}", operator.screen());
}

#[tokio::test]
async fn input_needs_a_session_and_has_no_holes() {
    let cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let mut terminal = cloud.socket(&agent, Role::Operator).await;
    terminal.send_raw(input(0, b"x")).await;
    assert_eq!(terminal.wait_close().await, close::BAD_FRAME);
    let mut terminal = cloud.socket(&agent, Role::Operator).await;
    terminal.attach("mine").await;
    terminal.send_raw(input(1, b"x")).await;
    assert_eq!(terminal.wait_close().await, close::BAD_FRAME);
    // What was refused was not typed.
    let mut terminal = cloud.socket(&agent, Role::Operator).await;
    terminal.attach("mine").await;
    assert_eq!(terminal.sent, 0);
    ping(&mut terminal).await;
    assert!(!terminal.screen().contains('x'), "{}", terminal.screen());
}
