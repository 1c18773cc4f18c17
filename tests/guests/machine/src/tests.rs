//! The conversation that every language must hold, on the fake host.

use std::fmt::Write as _;

use agent::testing::FakeHost;

use super::machine_agent;

const TRANSCRIPT: &str = include_str!("../transcript.txt");

fn started() -> FakeHost {
    let mut host = FakeHost::new();
    host.start(machine_agent);
    assert_eq!(host.text(), "machine ready\r\n");
    host.take_output();
    host
}

#[test]
fn it_holds_the_conversation() {
    let mut host = started();
    let mut said = String::new();
    for line in TRANSCRIPT.lines().filter_map(|line| line.strip_prefix("> ")) {
        host.input(format!("{line}\r"));
        host.settle();
        let _ = writeln!(said, "> {line}");
        said.push_str(&host.text().replace('\r', ""));
        host.take_output();
    }
    assert_eq!(said, TRANSCRIPT);
}

#[test]
fn input_may_be_split_anywhere_and_hold_several_lines() {
    let mut host = started();
    for piece in ["ad", "d 4", "\r\n\nadd -1\rha", "sh x\nadd 1"] {
        host.input(piece);
    }
    assert_eq!(host.text(), "sum 4\r\nsum 3\r\nhash fd0c5087\r\n");
}

#[test]
fn a_nap_holds_up_what_follows_and_takes_turns() {
    let mut host = started();
    host.set_turns(0);
    assert_eq!(host.input("nap 2\radd 1\r"), agent::types::Next::Again);
    assert_eq!(host.text(), "");
    host.input("add 1\r");
    host.message("text/plain", "hi\u{e9}");
    host.set_turns(100);
    host.run();
    assert_eq!(host.text(), "nap 2 2720347713\r\nsum 1\r\nsum 2\r\nmessage hi??\r\n");
}

#[test]
fn sleeps_end_in_their_own_time() {
    let mut host = started();
    host.input("later 50 b\rlater 10 a\rsteps 2 20 s\rpending\rwait\radd 1\r");
    assert_eq!(host.text(), "sleeping b\r\nsleeping a\r\nstepping s\r\npending 3\r\n");
    host.take_output();
    host.settle();
    assert_eq!(host.text(), "late a\r\nstep 1 s\r\nstep 2 s\r\nlate b\r\nwaited\r\nsum 1\r\n");
}
