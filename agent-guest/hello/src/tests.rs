//! The agent on the fake host: no cloud, and no waiting.

use std::time::Duration;

use agent::testing::FakeHost;

use super::hello;

/// What the terminal got, without the escape sequences that mark pastes.
fn text(host: &FakeHost) -> String {
    host.text().replace("\x1b[?2004h", "").replace("\x1b[?2004l", "")
}

#[test]
fn it_greets_and_answers_a_moment_later() {
    let mut host = FakeHost::new();
    host.start(hello);
    assert_eq!(text(&host), "Hello! I am test. Say something; Ctrl-D says goodbye.\r\n> ");
    host.take_output();
    host.input("cat\r");
    host.advance(Duration::from_millis(499));
    assert_eq!(text(&host), "cat\r\n");
    host.advance(Duration::from_millis(1));
    assert_eq!(text(&host), "cat\r\nYou said: cat\r\n> ");
}

#[test]
fn what_is_typed_while_it_waits_is_the_next_line() {
    let mut host = FakeHost::new();
    host.start(hello);
    host.input("one\rtwo\r");
    host.settle();
    assert!(text(&host).ends_with("> one\r\nYou said: one\r\n> two\r\nYou said: two\r\n> "));
}

#[test]
fn control_c_goes_on_and_control_d_ends() {
    let mut host = FakeHost::new();
    host.start(hello);
    host.take_output();
    host.input("x\x03");
    assert_eq!(text(&host), "x^C\r\nNothing to interrupt.\r\n> ");
    host.input("\x04");
    assert!(text(&host).ends_with("Goodbye.\r\n"));
    assert!(host.faults().is_empty());
}
