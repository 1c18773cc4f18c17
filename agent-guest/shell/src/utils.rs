//! The utilities, one file each, and the table that names them.
//!
//! They follow POSIX and the GNU options that people use. All of them stream in bounded memory, except
//! those that must see everything first (`sort`, `tac`, `diff`), which hold at most [`HOLD_BYTES`].

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};

use crate::command::{Call, Failure, Utility};

mod cat;
mod cut;
mod glob;
mod grep;
mod head;
mod ls;
mod mkdir;
mod options;
mod regex;
mod rm;
mod sed;
mod sort;
mod streams;
mod tail;
#[cfg(test)]
mod tests;
mod time;
mod tr;
mod walk;
mod wc;

/// Most bytes that a utility which cannot stream holds in memory.
pub const HOLD_BYTES: usize = 64 * 1024 * 1024;

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
    utility!("cat", cat::run, "cat [-AbEnsTv] [FILE]... — join files and print them"),
    utility!("cut", cut::run, "cut -b|-c|-f LIST [-d C] [-s] [FILE]... — print parts of lines"),
    utility!("grep", grep::run, "grep [-EFivnclLqrwxoABC] PATTERN [FILE]... — print lines that match"),
    utility!("head", head::run, "head [-n N|-c N] [FILE]... — print the first part of files"),
    utility!("ls", ls::run, "ls [-1AFRSadhlrt] [FILE]... — list directories"),
    utility!("mkdir", mkdir::run, "mkdir [-pv] DIRECTORY... — make directories"),
    utility!("rm", rm::run, "rm [-dfrv] FILE... — remove files and directories"),
    utility!("sed", sed::run, "sed [-Einsz] SCRIPT [FILE]... — edit a stream"),
    utility!("sort", sort::run, "sort [-bcdfghnorstuV] [-k KEY] [FILE]... — sort lines"),
    utility!("tail", tail::run, "tail [-n N|-c N] [FILE]... — print the last part of files"),
    utility!("tr", tr::run, "tr [-cdst] SET1 [SET2] — translate, squeeze or delete characters"),
    utility!("wc", wc::run, "wc [-clmwL] [FILE]... — count lines, words and bytes"),
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
    text.split_once(" (os error").map_or(text, |(text, _)| text)
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
    struct Once(bool);
    impl Future for Once {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
    Once(false).await;
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
