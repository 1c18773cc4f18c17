//! The utilities, one file each, and the table that names them.
//!
//! They follow POSIX and the GNU options that people use. All of them stream in bounded memory, except
//! those that must see everything first (`sort`, `tac`, `diff`), which hold at most [`HOLD_BYTES`].

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::command::{Call, Failure, Utility};

mod base64;
mod cat;
mod columns;
mod copy;
mod curl;
mod cut;
mod date;
mod diff;
mod digest;
mod du;
mod dump;
mod expr;
mod find;
mod glob;
mod grep;
mod head;
mod lines;
mod links;
mod ls;
mod mkdir;
mod names;
mod options;
pub(crate) mod regex;
mod rm;
mod sed;
mod seq;
mod sort;
mod stat;
mod streams;
mod system;
mod tail;
mod tee;
#[cfg(test)]
mod tests;
mod time;
mod touch;
mod tr;
mod uniq;
mod walk;
mod wc;

/// Where the workspace is mounted: all that an agent has.
const WORKSPACE: &str = "/work";

/// Most bytes that a utility which cannot stream holds in memory: a quarter of what an agent has by default,
/// since a collection that grows is there twice for a moment.
pub const HOLD_BYTES: usize = 16 * 1024 * 1024;

/// What a held line costs besides its bytes: its allocation, and its place in a collection that doubles.
const LINE_COST_BYTES: usize = 40;

/// A row of [`ALL`]; `--help` before a `--` prints the help line instead.
macro_rules! utility {
    ($name:literal, $function:path, $help:literal) => {
        Utility {
            name: $name,
            help: $help,
            run: |call| {
                if wants_help(call) { Box::pin(show_help(call, $help)) } else { Box::pin($function(call)) }
            },
        }
    };
}

/// Every utility, sorted by name.
pub const ALL: &[Utility] = &[
    utility!("base64", base64::run, "base64 [-di] [-w N] [FILE] — encode or decode base64"),
    utility!(
        "basename",
        names::run,
        "basename [-a] [-s SUFFIX] NAME... [SUFFIX] — strip directories from names"
    ),
    utility!("cat", cat::run, "cat [-AbEnsTv] [FILE]... — join files and print them"),
    utility!("clear", system::clear, "clear — clear the screen"),
    utility!("cmp", diff::cmp, "cmp [-ls] FILE [FILE] — compare two files byte by byte"),
    utility!("comm", columns::comm, "comm [-123] FILE FILE — compare two sorted files line by line"),
    utility!("cp", copy::run, "cp [-aprnuvT] [-t DIRECTORY] SOURCE... TARGET — copy files and directories"),
    utility!(
        "curl",
        curl::run,
        "curl [-fiIs] [-X METHOD] [-H HEADER] [-d DATA|@FILE] [-m SECONDS] [-o FILE] URL — send a request"
    ),
    utility!("cut", cut::run, "cut -b|-c|-f LIST [-d C] [-s] [FILE]... — print parts of lines"),
    utility!("date", date::run, "date [-u] [-d DATE|-r FILE] [-I|-R|+FORMAT] — print a date, in UTC"),
    utility!("diff", diff::run, "diff [-biqsuwN] [-U N] FILE FILE — compare two files line by line"),
    utility!("dirname", names::dirname, "dirname NAME... — strip the last part from names"),
    utility!("du", du::run, "du [-abcdhms] [FILE]... — add up the sizes of files"),
    utility!("env", system::env, "env [-i] [-u NAME] [NAME=VALUE]... — print the environment"),
    utility!("expr", expr::run, "expr EXPRESSION — evaluate arithmetic, comparisons and matches"),
    utility!("find", find::run, "find [DIRECTORY]... [EXPRESSION] — find files by name, type, size or age"),
    utility!("fold", lines::fold, "fold [-bs] [-w N] [FILE]... — wrap long lines"),
    utility!("grep", grep::run, "grep [-EFivnclLqrwxoABC] PATTERN [FILE]... — print lines that match"),
    utility!("hd", dump::run, "hd [-v] [-n N] [-s N] [FILE]... — print bytes as hexdump -C does"),
    utility!("head", head::run, "head [-n N|-c N] [FILE]... — print the first part of files"),
    utility!("hexdump", dump::run, "hexdump [-Cbcdoxv] [-n N] [-s N] [FILE]... — print bytes as numbers"),
    utility!("hostname", system::hostname, "hostname — print the name of the agent"),
    utility!("id", system::id, "id [-ugGn] — print user and group"),
    utility!("ln", links::run, "ln [-sfnvT] TARGET... [NAME] — make links"),
    utility!("ls", ls::run, "ls [-1AFRSadhlrt] [FILE]... — list directories"),
    utility!("mkdir", mkdir::run, "mkdir [-pv] DIRECTORY... — make directories"),
    utility!("mv", copy::mv, "mv [-fnuvT] [-t DIRECTORY] SOURCE... TARGET — move or rename files"),
    utility!("nl", lines::nl, "nl [-b STYLE] [-v N] [-i N] [-w N] [-s TEXT] [FILE]... — number lines"),
    utility!(
        "paste",
        columns::paste,
        "paste [-s] [-d CHARACTERS] [FILE]... — join lines of files side by side"
    ),
    utility!("printenv", system::printenv, "printenv [NAME]... — print variables of the environment"),
    utility!("readlink", links::readlink, "readlink [-efmn] FILE... — print where links lead"),
    utility!("realpath", links::realpath, "realpath [-ems] FILE... — print absolute paths without links"),
    utility!("rev", lines::rev, "rev [FILE]... — reverse each line"),
    utility!("rm", rm::run, "rm [-dfrv] FILE... — remove files and directories"),
    utility!("rmdir", mkdir::rmdir, "rmdir [-pv] DIRECTORY... — remove empty directories"),
    utility!("sed", sed::run, "sed [-Einsz] SCRIPT [FILE]... — edit a stream"),
    utility!("seq", seq::run, "seq [-w] [-s TEXT] [-f FORMAT] [FIRST [STEP]] LAST — print numbers"),
    utility!("sha256sum", digest::run, "sha256sum [-c] [FILE]... — print or check SHA-256 sums"),
    utility!("sort", sort::run, "sort [-bcdfghnorstuV] [-k KEY] [FILE]... — sort lines"),
    utility!("stat", stat::run, "stat [-L] [-c FORMAT] FILE... — print what is known of files"),
    utility!("tac", tail::tac, "tac [FILE]... — print lines last first"),
    utility!("tail", tail::run, "tail [-n N|-c N] [FILE]... — print the last part of files"),
    utility!("tee", tee::run, "tee [-a] [FILE]... — copy input to files and output"),
    utility!(
        "touch",
        touch::run,
        "touch [-acm] [-d DATE|-r FILE] FILE... — create files, or set their times"
    ),
    utility!("tr", tr::run, "tr [-cdst] SET1 [SET2] — translate, squeeze or delete characters"),
    utility!("uname", system::uname, "uname [-amnoprsv] — print the name of the system"),
    utility!("uniq", uniq::run, "uniq [-cdDiu] [-f N] [-s N] [-w N] [INPUT [OUTPUT]] — drop repeated lines"),
    utility!("wc", wc::run, "wc [-clmwL] [FILE]... — count lines, words and bytes"),
    utility!("whoami", system::whoami, "whoami — print the user"),
    utility!("xxd", dump::xxd, "xxd [-pu] [-c N] [-g N] [-l N] [-s N] [FILE] — print bytes as hexadecimal"),
    utility!("yes", seq::yes, "yes [TEXT]... — print a line until stopped"),
];

/// An I/O error as a person reads it: `No such file or directory`, without numbers.
#[must_use]
pub fn describe(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    let text = match error.kind() {
        Kind::NotFound => "No such file or directory",
        Kind::PermissionDenied => "Permission denied",
        Kind::AlreadyExists => "File exists",
        Kind::IsADirectory => "Is a directory",
        Kind::NotADirectory => "Not a directory",
        Kind::DirectoryNotEmpty => "Directory not empty",
        Kind::StorageFull => "No space left on device",
        Kind::QuotaExceeded => "Disk quota exceeded",
        Kind::FileTooLarge => "File too large",
        Kind::CrossesDevices => "Invalid cross-device link",
        Kind::TooManyLinks => "Too many links",
        Kind::InvalidFilename => "File name too long",
        Kind::ReadOnlyFilesystem => "Read-only file system",
        Kind::ResourceBusy => "Device or resource busy",
        Kind::BrokenPipe => "Broken pipe",
        Kind::OutOfMemory => "Cannot allocate memory",
        Kind::Unsupported => "Operation not supported",
        Kind::InvalidInput if error.raw_os_error().is_some() => "Invalid argument",
        _ => return without_number(&error.to_string()).to_owned(),
    };
    text.to_owned()
}

/// Some systems give an error no kind of its own; its text is right but for the number.
fn without_number(text: &str) -> &str {
    match text.split_once(" (os error").map_or(text, |(text, _)| text) {
        // How WASI says that a path leads out of the workspace.
        "Capabilities insufficient" => "Permission denied",
        // And that it begins outside.
        text if text.starts_with("failed to find a pre-opened file descriptor") => {
            "No such file or directory"
        }
        text => text,
    }
}

fn wants_help(call: &Call) -> bool {
    call.args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--help")
}

async fn show_help(call: &Call, help: &str) -> Result<u8, Failure> {
    call.stdout.write_all(format!("Usage: {help}\n")).await?;
    Ok(0)
}

/// Lets other commands, and Ctrl-C, have their turn. Long computations call it about every 1000 steps.
pub(crate) async fn pause() {
    agent::yield_now().await;
}

/// Calls [`pause`] once every thousand steps.
#[derive(Debug, Default)]
pub(crate) struct Pace(u32);

impl Pace {
    pub(crate) async fn step(&mut self) {
        self.0 += 1;
        if self.0 >= 1000 {
            self.0 = 0;
            pause().await;
        }
    }
}

/// An operand as a path of the file system.
pub(crate) fn locate(call: &Call, operand: &str) -> PathBuf {
    call.cwd.join(operand)
}

/// The last part of a path, as text.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.to_string_lossy().into_owned(), |n| n.to_string_lossy().into_owned())
}

/// A misuse: status 2 and where to read more.
pub(crate) fn misuse(call: &Call, text: impl std::fmt::Display) -> Failure {
    Failure::Message(2, format!("{text}\nTry '{} --help' for more information.", call.name))
}
