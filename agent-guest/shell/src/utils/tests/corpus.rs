//! What GNU coreutils 9.1, grep 3.8, sed 4.9, findutils 4.9 and diffutils 3.8 did, in `C.UTF-8`. Misuse is always
//! status 2 here, quotes are plain ones, and `find` goes by name.

mod copies;
mod cut_tr;
mod diff;
mod dump;
mod find;
mod grep;
mod lines;
mod print;
mod sed;
mod sort;
mod trees;
mod words;

/// The files there are when each line is run.
pub(super) const FILES: &[(&str, &str)] = &[
    ("a.txt", "apple\nbanana\ncherry\n"),
    ("b.txt", "banana\ndate\n"),
    ("csv.txt", "name,qty,price\nred,3,2.50\nblue,10,0.99\ngreen,3,12.00\n"),
    ("dir/.hidden", "h\n"),
    ("dir/one.txt", "one\n"),
    ("dir/sub/two.log", "two apple\n"),
    ("empty", ""),
    ("nonl.txt", "no newline"),
    ("num.txt", "10\n9\n2\n1.5\n-3\n10\n007\n"),
    ("space.txt", "  lead\n\n\n\ttab  end \nlast\n"),
    ("text.txt", "The quick brown fox\njumps over the lazy dog.\nfoo bar foo\nFOO Bar\nx1 y22 z333\nend\n"),
    ("utf8.txt", "héllo wörld\n日本語\n"),
];

/// A command line and what comes of it.
pub(super) struct Case {
    pub(super) line: &'static str,
    pub(super) stdin: &'static str,
    pub(super) stdout: &'static str,
    pub(super) stderr: &'static str,
    pub(super) status: u8,
    /// Changes to the files: lines that begin with `-` or `+`.
    pub(super) tree: &'static str,
}

impl Case {
    const fn new(line: &'static str, stdout: &'static str) -> Self {
        Self { line, stdin: "", stdout, stderr: "", status: 0, tree: "" }
    }

    const fn fed(self, stdin: &'static str) -> Self {
        Self { stdin, ..self }
    }

    const fn failed(self, status: u8, stderr: &'static str) -> Self {
        Self { status, stderr, ..self }
    }

    const fn left(self, tree: &'static str) -> Self {
        Self { tree, ..self }
    }
}

/// All of them.
pub(super) fn cases() -> impl Iterator<Item = &'static Case> {
    [
        copies::CASES,
        cut_tr::CASES,
        diff::CASES,
        dump::CASES,
        find::CASES,
        grep::CASES,
        lines::CASES,
        print::CASES,
        sed::CASES,
        sort::CASES,
        trees::CASES,
        words::CASES,
    ]
    .into_iter()
    .flatten()
}
