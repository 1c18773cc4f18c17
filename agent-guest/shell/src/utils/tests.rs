//! Command lines against what the GNU utilities did with them: output, status and the tree they left.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    path::Path,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use super::ALL;
use crate::{
    command::{Call, Failure},
    io::{Reader, Writer, pipe},
};

mod behaviour;
mod corpus;
mod streaming;

/// Everything a test's output may take.
const CAPTURE: usize = 64 * 1024 * 1024;

/// Runs futures side by side, on one thread, until the last is done.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
    }
}

/// A directory with the files that the corpus is about.
pub(super) struct Fixture(pub(super) tempfile::TempDir);

impl Fixture {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (path, content) in corpus::FILES {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        Self(directory)
    }

    pub(super) fn call(&self, words: &[String], stdin: Reader, stdout: Writer, stderr: Writer) -> Call {
        Call {
            name: words[0].clone(),
            args: words[1..].to_vec(),
            cwd: self.0.path().to_owned(),
            env: BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "two words".to_owned())]),
            stdin,
            stdout,
            stderr,
            columns: None,
        }
    }

    /// Runs a line: its output, its errors, its status.
    pub(super) fn run(&self, line: &str, stdin: &[u8]) -> (String, String, u8) {
        let words = split(line);
        let (stdout, output) = Writer::capture(CAPTURE);
        let (stderr, errors) = Writer::capture(CAPTURE);
        let call = self.call(&words, Reader::from_bytes(stdin.to_vec()), stdout, stderr);
        let status = block_on(finish(&call, &errors));
        let text = |bytes: &Rc<RefCell<Vec<u8>>>| String::from_utf8_lossy(&bytes.borrow()).into_owned();
        (text(&output), text(&errors), status)
    }

    /// Every file with its content, one a line.
    fn tree(&self) -> String {
        fn walk(path: &Path, shown: &str, lines: &mut Vec<String>) {
            let mut names: Vec<_> =
                fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            for name in names {
                let (path, shown) = (path.join(&name), format!("{shown}{name}"));
                if path.is_symlink() {
                    lines.push(format!("{shown} -> {}", path.read_link().unwrap().display()));
                } else if path.is_dir() {
                    lines.push(format!("{shown}/"));
                    walk(&path, &format!("{shown}/"), lines);
                } else {
                    let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).replace('\n', "\\n");
                    lines.push(format!("{shown}={content}"));
                }
            }
        }
        let mut lines = Vec::new();
        walk(self.0.path(), "", &mut lines);
        lines.join("\n")
    }
}

/// Runs a utility as the interpreter does.
pub(super) async fn finish(call: &Call, errors: &Rc<RefCell<Vec<u8>>>) -> u8 {
    let utility = ALL.iter().find(|utility| utility.name == call.name).unwrap();
    match (utility.run)(call).await {
        Ok(status) => status,
        Err(Failure::BrokenPipe) => 141,
        Err(Failure::Message(status, text)) => {
            errors.borrow_mut().extend_from_slice(format!("{}: {text}\n", call.name).as_bytes());
            status
        }
    }
}

/// Words with single and double quotes, no expansions.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn names_are_sorted_and_unique() {
    assert!(ALL.windows(2).all(|pair| pair[0].name < pair[1].name));
    assert!(ALL.iter().all(|utility| utility.help.starts_with(utility.name)));
}

#[test]
fn corpus_agrees_with_gnu() {
    let mut wrong = Vec::new();
    let untouched = Fixture::new().tree();
    for case in corpus::cases() {
        let fixture = Fixture::new();
        let (stdout, stderr, status) = fixture.run(case.line, case.stdin.as_bytes());
        let tree = fixture.tree();
        let tree = if tree == untouched { String::new() } else { changes(&untouched, &tree) };
        let got = (stdout.as_str(), stderr.as_str(), status, tree.as_str());
        let want = (case.stdout, case.stderr, case.status, case.tree);
        if got != want {
            wrong.push(format!("{}\n   got {got:?}\n  want {want:?}", case.line));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Lines of a tree that went, with `-`, and that came, with `+`.
fn changes(before: &str, after: &str) -> String {
    let gone = before.lines().filter(|line| !after.lines().any(|l| l == *line)).map(|l| format!("-{l}\n"));
    let come = after.lines().filter(|line| !before.lines().any(|l| l == *line)).map(|l| format!("+{l}\n"));
    gone.chain(come).collect()
}

#[test]
fn help_and_unknown_options() {
    let fixture = Fixture::new();
    for utility in ALL {
        let (stdout, stderr, status) = fixture.run(&format!("{} --help", utility.name), b"");
        assert_eq!((stdout, stderr, status), (format!("Usage: {}\n", utility.help), String::new(), 0));
    }
    let (stdout, stderr, status) = fixture.run("ls -Z", b"");
    let hint = "ls: unrecognized option '-Z'\nTry 'ls --help' for more information.\n";
    assert_eq!((stdout.as_str(), stderr.as_str(), status), ("", hint, 2));
}
