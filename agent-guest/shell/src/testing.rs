//! Runs scripts for tests, on the SDK's fake host.

use std::{cell::RefCell, path::Path, rc::Rc};

use agent::testing::FakeHost;

use crate::{
    io::{Reader, Writer},
    shell::{Shell, fds::Fds},
};

/// What a script came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) status: u8,
}

/// Runs a script in a fresh shell, in a fresh directory.
pub(crate) fn run(script: &str) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    run_in(directory.path(), script, b"")
}

/// Runs a script in a directory, with standard input.
pub(crate) fn run_in(directory: &Path, script: &str, stdin: &[u8]) -> Ran {
    let mut host = FakeHost::new();
    host.set_turns(usize::MAX);
    let result = Rc::new(RefCell::new(None));
    let own = result.clone();
    let (directory, script, stdin) = (directory.to_owned(), script.to_owned(), stdin.to_vec());
    host.start(move |_| async move {
        let (stdout, out) = Writer::capture(64 * 1024 * 1024);
        let (stderr, err) = Writer::capture(64 * 1024 * 1024);
        let fds = Fds::new(Reader::from_bytes(stdin), stdout, stderr, false);
        let shell = Shell::new(&directory, fds);
        let flow = shell.run_text(&script).await;
        let status = shell.leave(flow).await;
        let text = |bytes: &RefCell<Vec<u8>>| String::from_utf8_lossy(&bytes.borrow()).into_owned();
        *own.borrow_mut() = Some(Ran { out: text(&out), err: text(&err), status });
        Ok::<(), String>(())
    });
    host.settle();
    let ran = result.borrow_mut().take();
    ran.expect("the script ends")
}

/// Standard output of a script that must succeed without a word on standard error.
#[track_caller]
pub(crate) fn out(script: &str) -> String {
    let ran = run(script);
    assert_eq!((ran.err.as_str(), ran.status), ("", 0), "{script}\n{}", ran.out);
    ran.out
}
