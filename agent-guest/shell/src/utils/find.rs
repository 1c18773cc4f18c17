//! `find`.

use std::{fs, io::Write as _};

use super::{
    describe, locate,
    options::size,
    streams::Out,
    time::{self, DAY},
    walk::{Stage, Visit, Walk, list},
};
use crate::command::{Call, Failure};

mod parse;

/// A test or an action; expressions of them.
#[derive(Debug)]
pub(super) enum Test {
    Always(bool),
    Name(String, bool),
    Path(String, bool),
    Regex(Box<::regex::bytes::Regex>),
    Type(String),
    Size(Compare, u64),
    Empty,
    /// Changed after this moment, in seconds since the epoch.
    Newer(i64),
    /// Days or minutes of that many seconds since the last change.
    Age(Compare, i64),
    /// The text, with `true` if it ends in a NUL.
    Print(bool),
    Printf(String),
    Ls,
    Delete,
    Prune,
    Quit,
    Not(Box<Test>),
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
}

/// `+N`, `-N` or `N`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Compare {
    More(u64),
    Less(u64),
    Just(u64),
}

impl Compare {
    fn holds(self, value: u64) -> bool {
        match self {
            Self::More(than) => value > than,
            Self::Less(than) => value < than,
            Self::Just(wanted) => value == wanted,
        }
    }
}

/// A whole command line.
pub(super) struct Plan {
    pub(super) roots: Vec<String>,
    pub(super) test: Test,
    pub(super) min_depth: usize,
    pub(super) max_depth: usize,
    /// Directories after what is in them.
    pub(super) contents_first: bool,
}

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let plan = parse::plan(call)?;
    let mut out = Out::new(call);
    let mut finder = Finder { prune: false, quit: false, now: time::now() };
    for root in &plan.roots {
        let mut walk = Walk::new(locate(call, root), root);
        while let Some(visit) = walk.next() {
            super::pause().await;
            let visit = match visit {
                Ok(visit) => visit,
                Err((shown, error)) => {
                    out.complain(format_args!("'{shown}': {}", describe(&error))).await?;
                    continue;
                }
            };
            let last = visit.stage == Stage::Leave;
            if visit.stage == Stage::Enter && visit.depth >= plan.max_depth {
                walk.skip();
            }
            let skipped = match visit.stage {
                Stage::Leaf => false,
                Stage::Enter => plan.contents_first,
                Stage::Leave => !plan.contents_first,
            };
            if skipped || visit.depth < plan.min_depth || visit.depth > plan.max_depth {
                continue;
            }
            finder.prune = false;
            finder.check(&plan.test, &visit, &mut out).await?;
            if finder.prune && !last {
                walk.skip();
            }
            out.step().await?;
            if finder.quit {
                return out.finish().await;
            }
        }
    }
    out.finish().await
}

struct Finder {
    prune: bool,
    quit: bool,
    now: i64,
}

impl Finder {
    /// Whether the expression holds of an entry; what it prints goes to `out`.
    async fn check(&mut self, test: &Test, visit: &Visit, out: &mut Out<'_>) -> Result<bool, Failure> {
        Ok(match test {
            Test::And(a, b) => {
                Box::pin(self.check(a, visit, out)).await? && Box::pin(self.check(b, visit, out)).await?
            }
            Test::Or(a, b) => {
                Box::pin(self.check(a, visit, out)).await? || Box::pin(self.check(b, visit, out)).await?
            }
            Test::Not(a) => !Box::pin(self.check(a, visit, out)).await?,
            Test::Delete => self.delete(visit, out).await?,
            Test::Prune => {
                self.prune = true;
                true
            }
            Test::Quit => {
                self.quit = true;
                true
            }
            Test::Print(nul) => {
                let _ = write!(out, "{}{}", visit.shown, if *nul { '\0' } else { '\n' });
                true
            }
            Test::Printf(format) => {
                let _ = out.write(printf(format, visit).as_bytes());
                true
            }
            Test::Ls => {
                let (mode, size) = (super::ls::mode(&visit.metadata), visit.metadata.len());
                let _ = writeln!(out, "{mode} {size:>10} {} {}", stamp(visit), visit.shown);
                true
            }
            _ => self.holds(test, visit),
        })
    }

    fn holds(&self, test: &Test, visit: &Visit) -> bool {
        let metadata = &visit.metadata;
        match test {
            Test::Always(holds) => *holds,
            Test::Name(glob, fold) => {
                let name = visit.shown.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                super::glob::matches(glob, name, *fold)
            }
            Test::Path(glob, fold) => super::glob::matches(glob, &visit.shown, *fold),
            Test::Regex(regex) => regex.is_match(visit.shown.as_bytes()),
            Test::Type(kinds) => kinds.contains(kind(visit)),
            Test::Size(compare, unit) => compare.holds(metadata.len().div_ceil(*unit)),
            Test::Empty if metadata.is_dir() => list(&visit.path).is_ok_and(|names| names.is_empty()),
            Test::Empty => metadata.is_file() && metadata.len() == 0,
            Test::Newer(moment) => time::modified(metadata) > *moment,
            Test::Age(compare, unit) => {
                let age = (self.now - time::modified(metadata)).max(0) / unit;
                compare.holds(age.unsigned_abs())
            }
            _ => false,
        }
    }

    async fn delete(&self, visit: &Visit, out: &mut Out<'_>) -> Result<bool, Failure> {
        if visit.shown == "." {
            return Ok(true);
        }
        let result = match visit.metadata.is_dir() {
            true => fs::remove_dir(&visit.path),
            false => fs::remove_file(&visit.path),
        };
        let shown = format!("cannot delete '{}'", visit.shown);
        Ok(out.check(shown, result).await?.is_some())
    }
}

fn kind(visit: &Visit) -> char {
    let kind = visit.metadata.file_type();
    match () {
        () if kind.is_dir() => 'd',
        () if kind.is_symlink() => 'l',
        () => 'f',
    }
}

fn stamp(visit: &Visit) -> String {
    super::date::format("%Y-%m-%d %H:%M", time::modified(&visit.metadata), 0)
}

/// `%p %f %h %P %s %y %d %t %T@ %l %m`, and escapes.
fn printf(format: &str, visit: &Visit) -> String {
    let mut text = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('0') => text.push('\0'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            '%' => match chars.next() {
                Some('p') => text.push_str(&visit.shown),
                Some('f') => text.push_str(visit.shown.rsplit('/').next().unwrap_or_default()),
                Some('h') => text.push_str(visit.shown.rsplit_once('/').map_or(".", |(parent, _)| parent)),
                Some('s') => text.push_str(&visit.metadata.len().to_string()),
                Some('y') => text.push(kind(visit)),
                Some('d') => text.push_str(&visit.depth.to_string()),
                Some('m') => text.push_str(if visit.metadata.is_dir() { "755" } else { "644" }),
                Some('l') => {
                    let link = visit.path.read_link().unwrap_or_default();
                    text.push_str(&link.to_string_lossy());
                }
                Some('T') => {
                    let letter = chars.next().unwrap_or('@');
                    let format = if letter == '@' { "%s".to_owned() } else { format!("%{letter}") };
                    text.push_str(&super::date::format(&format, time::modified(&visit.metadata), 0));
                }
                Some('%') | None => text.push('%'),
                Some(other) => text.extend(['%', other]),
            },
            _ => text.push(c),
        }
    }
    text
}

/// `+5k` as a comparison and the size of its unit.
fn sized(text: &str) -> Option<(Compare, u64)> {
    let (digits, unit) = match text.chars().last()? {
        'c' => (&text[..text.len() - 1], 1),
        'w' => (&text[..text.len() - 1], 2),
        'b' => (&text[..text.len() - 1], 512),
        letter @ ('k' | 'M' | 'G') => (&text[..text.len() - 1], size(&format!("1{letter}"))?),
        _ => (text, 512),
    };
    Some((compared(digits)?, unit))
}

fn compared(text: &str) -> Option<Compare> {
    Some(match text.as_bytes() {
        [b'+', ..] => Compare::More(text[1..].parse().ok()?),
        [b'-', ..] => Compare::Less(text[1..].parse().ok()?),
        _ => Compare::Just(text.parse().ok()?),
    })
}

/// Seconds of the unit of `-mtime` and `-mmin`.
fn age_unit(word: &str) -> i64 {
    if word == "-mmin" { 60 } else { DAY }
}
