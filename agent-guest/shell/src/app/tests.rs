//! The terminal's side of the shell, on the fake host.

use std::{path::Path, time::Duration};

use agent::{
    testing::FakeHost,
    types::{Next, ResumeCause, StopReason},
};

/// An agent whose home is a fresh directory.
struct Agent {
    host: FakeHost,
    home: tempfile::TempDir,
}

impl Agent {
    fn new() -> Self {
        Self::with_config("null")
    }

    fn with_config(config: &str) -> Self {
        Self::start(config, tempfile::tempdir().unwrap())
    }

    fn start(config: &str, home: tempfile::TempDir) -> Self {
        let mut host = FakeHost::new();
        let path = home.path().to_str().unwrap().to_owned();
        host.start_with(config, move |start| async move { super::run(start, &path).await });
        Self { host, home }
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    /// What appears when this is typed, without colours and such.
    fn types(&mut self, text: &str) -> String {
        self.host.take_output();
        self.host.input(text);
        self.shown()
    }

    fn shown(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.host.take_output()).into_owned();
        plain(&text)
    }
}

/// Text without escape sequences.
fn plain(text: &str) -> String {
    let mut result = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                if chars.next() == Some('[') {
                    chars.by_ref().find(|c| c.is_ascii_alphabetic());
                }
            }
            '\r' => {}
            c => result.push(c),
        }
    }
    result
}

#[test]
fn begins_with_a_prompt() {
    let mut agent = Agent::new();
    assert_eq!(agent.shown(), "~ $ ");
}

#[test]
fn runs_a_line_and_prompts_again() {
    let mut agent = Agent::new();
    let shown = agent.types("echo hello | tr a-z A-Z\r");
    assert!(shown.ends_with("HELLO\n~ $ "), "{shown:?}");
}

#[test]
fn the_prompt_shows_a_status_and_the_directory() {
    let mut agent = Agent::new();
    assert!(agent.types("false\r").ends_with("~ 1 $ "));
    assert!(agent.types("mkdir -p a/b; cd a/b\r").ends_with("~/a/b $ "));
    assert!(agent.types("PS1='\\u:\\W> '\r").ends_with("agent:b> "));
}

#[test]
fn read_takes_a_line_from_the_terminal() {
    let mut agent = Agent::new();
    agent.types("read x; echo \"got $x\"\r");
    assert_eq!(agent.types("so"), "so");
    assert_eq!(agent.types("\x7fat"), "\x08 \x08at");
    assert_eq!(agent.types("\r"), "\ngot sat\n~ $ ");
}

#[test]
fn cat_ends_with_control_d() {
    let mut agent = Agent::new();
    agent.types("cat\r");
    assert_eq!(agent.types("one\r"), "one\none\n");
    assert_eq!(agent.types("\x04"), "~ $ ");
    // And only that read ended: the next one is as good as the first.
    agent.types("cat\r");
    assert_eq!(agent.types("two\r"), "two\ntwo\n");
    assert!(agent.types("\x04").ends_with("$ "));
}

#[test]
fn control_c_ends_an_endless_loop() {
    let mut agent = Agent::new();
    agent.host.set_turns(3);
    agent.host.input("while :; do :; done\r");
    assert_eq!(agent.host.run(), Next::Again, "it yields, and goes on");
    let shown = agent.types("\x03");
    assert!(shown.ends_with("^C\n~ 130 $ "), "{shown:?}");
    assert!(agent.types("echo $?\r").ends_with("130\n~ $ "));
}

#[test]
fn control_c_ends_a_sleep_and_cancels_it() {
    let mut agent = Agent::new();
    agent.host.input("sleep 100\r");
    assert_eq!(agent.host.pending().len(), 1);
    assert!(agent.types("\x03").ends_with("^C\n~ 130 $ "));
    assert_eq!(agent.host.pending().len(), 0);
}

#[test]
fn control_c_ends_every_stage_and_runs_the_trap() {
    let mut agent = Agent::new();
    agent.types("trap 'echo trapped' INT\r");
    agent.host.input("sleep 100 | { sleep 200; echo never; } | cat\r");
    assert_eq!(agent.host.pending().len(), 2);
    let shown = agent.types("\x03");
    assert!(shown.ends_with("^C\ntrapped\n~ 130 $ "), "{shown:?}");
    assert_eq!(agent.host.pending().len(), 0);
}

#[test]
fn control_c_gives_streams_and_locals_back() {
    let mut agent = Agent::new();
    agent.types("x=out; f() { local x=in; sleep 100; }; { f; } > file\r");
    agent.types("\x03");
    assert!(agent.types("echo $x $#\r").ends_with("\nout 0\n~ $ "));
    assert!(agent.types("break\r").contains("only meaningful"));
}

#[test]
fn a_background_job_reports_above_the_prompt() {
    let mut agent = Agent::new();
    let shown = agent.types("{ sleep 2; echo late; } & echo now\r");
    assert!(shown.ends_with("[1] 100\nnow\n~ $ "), "{shown:?}");
    agent.types("ech");
    agent.host.advance(Duration::from_secs(2));
    let shown = agent.shown();
    assert!(shown.contains("late\n") && shown.ends_with("$ ech"), "{shown:?}");
    let shown = agent.types("o x\r");
    assert!(shown.contains("x\n[1]+  Done"), "{shown:?}");
}

#[test]
fn wait_waits() {
    let mut agent = Agent::new();
    let shown = agent.types("sleep 2 & echo now; wait; echo then\r");
    assert!(shown.ends_with("now\n"), "{shown:?}");
    agent.host.advance(Duration::from_secs(2));
    assert!(agent.shown().ends_with("then\n~ $ "));
}

#[test]
fn jobs_can_be_killed_and_fetched() {
    let mut agent = Agent::new();
    agent.types("sleep 50 &\r");
    assert!(agent.types("jobs\r").contains("[1]+  Running                 sleep 50 &"));
    assert!(agent.types("kill %1\r").contains("[1]+  Terminated"));
    agent.types("sleep 60 &\r");
    assert!(agent.types("fg\r").ends_with("sleep 60\n"));
    assert!(agent.types("\x03").ends_with("^C\n~ 130 $ "));
    assert_eq!(agent.host.pending().len(), 0);
}

#[test]
fn unfinished_lines_go_on() {
    let mut agent = Agent::new();
    for (first, rest, end) in [
        ("echo 'a\r", "b'\r", "a\nb\n"),
        ("if true\r", "then echo yes; fi\r", "yes\n"),
        ("cat <<X\r", "text\rX\r", "text\n"),
        ("echo a |\r", "cat\r", "a\n"),
        ("echo a\\\r", "b\r", "ab\n"),
        ("f() {\r", "echo f; }; f\r", "f\n"),
    ] {
        let shown = agent.types(first);
        assert!(shown.ends_with("> "), "{first:?}: {shown:?}");
        let shown = agent.types(rest);
        assert!(shown.ends_with(&format!("\n{end}~ $ ")), "{first:?}: {shown:?}");
    }
}

#[test]
fn type_ahead_is_kept() {
    let mut agent = Agent::new();
    let shown = agent.types("sleep 1\recho typed\r");
    assert!(!shown.contains("typed\n"), "{shown:?}");
    agent.host.advance(Duration::from_secs(1));
    let shown = agent.shown();
    assert!(shown.ends_with("echo typed\ntyped\n~ $ "), "{shown:?}");
}

#[test]
fn output_without_a_newline_gets_its_own_row() {
    let mut agent = Agent::new();
    let shown = agent.types("printf abc\r");
    assert!(shown.ends_with("abc\u{23ce}\n~ $ "), "{shown:?}");
}

#[test]
fn control_d_and_exit() {
    let mut agent = Agent::new();
    assert!(agent.types("\x04").contains("The agent lives on"));
    agent.types("x=1; trap 'echo bye' EXIT; sleep 9 &\r");
    let shown = agent.types("exit 3\r");
    assert!(shown.contains("bye\n") && shown.ends_with("exit 3; a fresh shell\n~ $ "), "{shown:?}");
    assert!(agent.types("echo [$x]\r").ends_with("[]\n~ $ "));
    assert_eq!(agent.host.pending().len(), 0, "jobs end with their shell");
}

#[test]
fn history_is_kept_in_the_workspace() {
    let mut agent = Agent::new();
    agent.types("echo one\r");
    agent.types("echo 'two\rrows'\r");
    agent.host.stop(StopReason::HostDrain);
    let home = std::mem::replace(&mut agent.home, tempfile::tempdir().unwrap());
    drop(agent);
    let mut agent = Agent::start("null", home);
    agent.shown();
    assert!(agent.types("history\r").contains("    1  echo one\n    2  echo 'two\nrows'\n    3  history\n"));
    assert!(agent.types("\x12one\r").ends_with("one\n~ $ "));
}

#[test]
fn tab_completes() {
    let mut agent = Agent::new();
    std::fs::write(agent.home().join("some file"), "inside\n").unwrap();
    std::fs::create_dir(agent.home().join("folder")).unwrap();
    assert!(agent.types("cat so\t\r").ends_with("inside\n~ $ "));
    assert!(agent.types("ec\tdone\r").ends_with("done\n~ $ "));
    assert!(agent.types("cd fo\t\r").ends_with("~/folder $ "));
    assert!(agent.types("echo $HOM\t/x\r").contains("/x\n"));
}

#[test]
fn config_runs_a_script_first() {
    let mut agent = Agent::with_config(r#"{"motd": "welcome", "run": "x=5; echo $((x * 2))", "later": 1}"#);
    assert_eq!(agent.shown(), "welcome\n10\n~ $ ");
    assert!(agent.types("echo $x\r").ends_with("5\n~ $ "));
    drop(agent);
    let agent = Agent::with_config(r#"{"run": 5}"#);
    assert_eq!(agent.host.faults(), ["config: `run` is no text"]);
}

#[test]
fn a_restart_is_told() {
    let mut agent = Agent::new();
    agent.shown();
    agent.host.resume(ResumeCause::Suspend, Duration::from_secs(60));
    assert_eq!(agent.shown(), "~ $ ");
    agent.host.resume(ResumeCause::Restart, Duration::from_secs(60));
    assert!(agent.shown().contains("restarted\n"));
}

#[test]
fn errors_are_as_a_shell_words_them() {
    let mut agent = Agent::new();
    assert!(agent.types("nosuch\r").ends_with("sh: nosuch: command not found\n~ 127 $ "));
    assert!(agent.types("fi\r").ends_with("sh: syntax error: near unexpected token `fi'\n~ 2 $ "));
    assert!(agent.types("echo $((1/0)); echo no\r").ends_with("sh: 1/0: division by 0\n~ 1 $ "));
    assert!(agent.types("cat nosuch\r").ends_with("cat: nosuch: No such file or directory\n~ 1 $ "));
}

#[test]
fn control_c_that_came_with_the_line_counts() {
    let mut agent = Agent::new();
    agent.host.set_turns(3);
    assert!(agent.types("while :; do :; done\r\x03").ends_with("^C\n~ 130 $ "));
}

#[test]
fn a_flood_of_output_can_be_interrupted() {
    let mut agent = Agent::new();
    agent.host.set_turns(2);
    agent.host.input("yes\r");
    assert_eq!(agent.host.run(), Next::Again);
    assert!(agent.types("\x03").ends_with("^C\n~ 130 $ "));
}

#[test]
fn a_request_is_sent_and_its_answer_shown() {
    use agent::types::{Failure, FailureCode, Fetch, Header, Operation, Outcome, Output, Response};

    let mut agent = Agent::new();
    std::fs::write(agent.home().join("body"), "a=1").unwrap();
    agent.types("curl -i -H 'X-A: b' -d @body -d c=2 -m 1.5 api.example.com/x & wait; echo $?\r");
    let (op, operation) = agent.host.pending().remove(0);
    let Operation::Fetch(Fetch { method, url, headers, body, timeout_ms, retryable, .. }) = operation else {
        panic!("{operation:?}")
    };
    assert_eq!((method.as_str(), url.as_str(), retryable), ("POST", "https://api.example.com/x", false));
    let headers: Vec<_> = headers.iter().map(|h| (h.name.as_str(), h.value.as_slice())).collect();
    let form: &[u8] = b"application/x-www-form-urlencoded";
    assert_eq!(headers, [("X-A", &b"b"[..]), ("content-type", form)]);
    assert_eq!((body.as_slice(), timeout_ms), (&b"a=1&c=2"[..], Some(1500)));
    let header = Header { name: "server".to_owned(), value: b"s".to_vec() };
    let response = Response { status: 201, headers: vec![header], body: b"made".to_vec() };
    agent.host.complete(op, Outcome::Done(Output::Fetched(response)));
    let shown = agent.shown();
    assert!(shown.contains("HTTP/1.1 201\nserver: s\n\nmade\n") && shown.contains("\n0\n"), "{shown:?}");

    for (command, outcome, expected) in [
        (
            "curl -f http://a/",
            Outcome::Done(Output::Fetched(Response { status: 404, headers: vec![], body: vec![] })),
            "curl: the server answered 404\n22\n",
        ),
        ("curl http://a/", Outcome::OutcomeUnknown("lost".to_owned()), "curl: outcome unknown: lost\n52\n"),
        (
            "curl http://a/",
            Outcome::Failed(Failure {
                code: FailureCode::Timeout,
                reason: "30 s".to_owned(),
                retryable: true,
            }),
            "curl: failed: 30 s\n28\n",
        ),
    ] {
        agent.types(&format!("{command}; echo $?\r"));
        let (op, _) = agent.host.pending().remove(0);
        agent.host.complete(op, outcome);
        let shown = agent.shown();
        assert!(shown.contains(expected), "{command}: {shown:?}");
    }
    assert!(agent.types("curl; echo $?\r").contains("one URL is needed"));
}
