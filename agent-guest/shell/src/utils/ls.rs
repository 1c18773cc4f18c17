//! `ls`.

use std::{cmp::Ordering, fs::Metadata, path::PathBuf};

use super::{
    describe, locate,
    options::{self, Options},
    pause,
    streams::Out,
    time::{self, Civil},
    walk,
};
use crate::command::{Call, Failure};

mod columns;

const LONG: &[(&str, char)] = &[
    ("all", 'a'),
    ("almost-all", 'A'),
    ("classify", 'F'),
    ("color=?", '*'),
    ("directory", 'd'),
    ("human-readable", 'h'),
    ("recursive", 'R'),
    ("reverse", 'r'),
    ("size", 's'),
    ("inode", 'i'),
    ("file-type", 'p'),
    ("group-directories-first", '/'),
];

/// Half a year, after which `-l` shows the year and not the time of day.
const RECENT: i64 = 15_778_476;

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "1ACFRSUadfghklmnopqrstux", LONG)?;
    let mut out = Out::new(call);
    let ls = Ls::new(call, &options, &out);
    let mut operands = options.operands.clone();
    if operands.is_empty() {
        operands.push(".".to_owned());
    }
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    for operand in &operands {
        let path = locate(call, operand);
        // A link given by name is followed, except where links themselves are looked at.
        let followed =
            if ls.long || ls.directory || ls.classify { path.symlink_metadata() } else { path.metadata() };
        match followed.or_else(|_| path.symlink_metadata()) {
            Ok(metadata) => {
                let entry = Entry::new(operand, path, metadata);
                if entry.metadata.is_dir() && !ls.directory { &mut directories } else { &mut files }
                    .push(entry);
            }
            Err(error) => {
                let text = format!("cannot access '{operand}': {}", describe(&error));
                out.complain_with(2, text).await?;
            }
        }
    }
    ls.sort(&mut files);
    ls.sort(&mut directories);
    let titled = operands.len() > 1 || ls.recursive;
    let mut gap = !files.is_empty();
    ls.show(&files, false, &mut out).await?;
    // Those still to list, last first; with -R each puts those below it on top.
    let mut open: Vec<(Entry, usize)> = directories.into_iter().rev().map(|entry| (entry, 0)).collect();
    while let Some((directory, depth)) = open.pop() {
        pause().await;
        if titled {
            let gap = if std::mem::replace(&mut gap, true) { "\n" } else { "" };
            out.put(format!("{gap}{}:\n", directory.name)).await?;
        }
        let Some(entries) = ls.entries(&directory, &mut out).await? else { continue };
        ls.show(&entries, true, &mut out).await?;
        if ls.recursive && depth < walk::MAX_DEPTH {
            let base = directory.name.trim_end_matches('/');
            let below = entries
                .into_iter()
                .rev()
                .filter(|entry| entry.metadata.is_dir() && !matches!(entry.name.as_str(), "." | ".."));
            open.extend(below.map(|entry| {
                let name = format!("{base}/{}", entry.name);
                (Entry { name, ..entry }, depth + 1)
            }));
        }
    }
    out.finish().await
}

/// A file to show.
struct Entry {
    name: String,
    path: PathBuf,
    metadata: Metadata,
    link: Option<String>,
}

impl Entry {
    fn new(name: &str, path: PathBuf, metadata: Metadata) -> Self {
        let link = if metadata.is_symlink() { path.read_link().ok() } else { None };
        let link = link.map(|to| to.to_string_lossy().into_owned());
        Self { name: name.to_owned(), path, metadata, link }
    }
}

struct Ls {
    all: bool,
    dots: bool,
    directory: bool,
    recursive: bool,
    long: bool,
    owner: bool,
    group: bool,
    human: bool,
    blocks: bool,
    classify: bool,
    slash: bool,
    commas: bool,
    colour: bool,
    /// Width of a terminal when names go in columns.
    columns: Option<usize>,
    width: usize,
    across: bool,
    by: char,
    reverse: bool,
    directories_first: bool,
    user: String,
    now: i64,
}

impl Ls {
    fn new(call: &Call, options: &Options, out: &Out<'_>) -> Self {
        let format = options.last_of("1lCxmgon");
        let wide = call.columns.map_or(80, usize::from);
        Self {
            all: options.last_of("aAf").is_some(),
            dots: matches!(options.last_of("aAf"), Some('a' | 'f')),
            directory: options.has('d'),
            recursive: options.has('R'),
            long: options.last_of("lgon").is_some(),
            owner: !options.has('g'),
            group: !options.has('o'),
            human: options.has('h'),
            blocks: options.has('s'),
            classify: options.has('F'),
            slash: options.has('p'),
            commas: format == Some('m'),
            colour: match options.value('*') {
                Some("always" | "") => true,
                Some("never") => false,
                _ => out.is_terminal(),
            },
            columns: match format {
                Some('C' | 'x') => Some(wide),
                None => call.columns.filter(|_| out.is_terminal()).map(usize::from),
                Some(_) => None,
            },
            width: wide,
            across: format == Some('x'),
            by: options.last_of("StUf").unwrap_or('n'),
            reverse: options.has('r'),
            directories_first: options.has('/'),
            user: call.env.get("USER").cloned().unwrap_or_else(|| "agent".to_owned()),
            now: time::now(),
        }
    }

    async fn entries(&self, directory: &Entry, out: &mut Out<'_>) -> Result<Option<Vec<Entry>>, Failure> {
        let mut names = match walk::list(&directory.path) {
            Ok(names) => names,
            Err(error) => {
                let text = format!("cannot open directory '{}': {}", directory.name, describe(&error));
                out.complain_with(2, text).await?;
                return Ok(None);
            }
        };
        if self.dots {
            names.splice(0..0, [".".to_owned(), "..".to_owned()]);
        }
        let mut entries = Vec::new();
        for (index, name) in names.iter().enumerate() {
            if index % 256 == 255 {
                pause().await;
            }
            if name.starts_with('.') && !self.all {
                continue;
            }
            let path = directory.path.join(name);
            // `..` of the workspace itself is out of reach: shown as the directory is.
            let metadata = path.symlink_metadata().or_else(|error| match name.as_str() {
                ".." => Ok(directory.metadata.clone()),
                _ => Err(error),
            });
            match metadata {
                Ok(metadata) => entries.push(Entry::new(name, path, metadata)),
                Err(error) => {
                    let text = format!("cannot access '{}/{name}': {}", directory.name, describe(&error));
                    out.complain(text).await?;
                }
            }
        }
        self.sort(&mut entries);
        Ok(Some(entries))
    }

    fn sort(&self, entries: &mut [Entry]) {
        let time = |entry: &Entry| entry.metadata.modified().ok();
        entries.sort_by(|a, b| {
            let order = match self.by {
                't' => time(b).cmp(&time(a)),
                'S' => b.metadata.len().cmp(&a.metadata.len()),
                _ => Ordering::Equal,
            };
            order.then_with(|| a.name.cmp(&b.name))
        });
        if self.reverse {
            entries.reverse();
        }
        if self.directories_first {
            entries.sort_by_key(|entry| !entry.metadata.is_dir());
        }
    }

    async fn show(&self, entries: &[Entry], total: bool, out: &mut Out<'_>) -> Result<(), Failure> {
        if total && (self.long || self.blocks) {
            let bytes: u64 = entries.iter().map(|entry| entry.metadata.len().div_ceil(1024)).sum();
            let shown = if self.human { human(bytes * 1024) } else { bytes.to_string() };
            out.put(format!("total {shown}\n")).await?;
        }
        if self.long {
            return self.show_long(entries, out).await;
        }
        let cells: Vec<(String, usize)> = entries.iter().map(|entry| self.cell(entry)).collect();
        match self.columns {
            Some(width) if !cells.is_empty() => out.put(columns::lay_out(&cells, width, self.across)).await,
            _ if self.commas && !cells.is_empty() => out.put(columns::join(&cells, self.width)).await,
            _ => {
                for (text, _) in cells {
                    out.put(format!(
                        "{text}
"
                    ))
                    .await?;
                }
                Ok(())
            }
        }
    }

    /// A name as shown, and how many cells it takes.
    fn cell(&self, entry: &Entry) -> (String, usize) {
        let kind = entry.metadata.file_type();
        let mark = match () {
            () if kind.is_dir() && (self.classify || self.slash) => "/",
            () if kind.is_symlink() && self.classify && !self.long => "@",
            () => "",
        };
        let blocks =
            if self.blocks { format!("{:>4} ", entry.metadata.len().div_ceil(1024)) } else { String::new() };
        let name: String = entry.name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let name = if self.colour || self.columns.is_some() { &name } else { &entry.name };
        let width = blocks.len() + name.chars().count() + mark.len();
        let painted = match () {
            () if !self.colour => return (format!("{blocks}{name}{mark}"), width),
            () if kind.is_dir() => format!("\x1b[1;34m{name}\x1b[0m"),
            () if kind.is_symlink() => format!("\x1b[1;36m{name}\x1b[0m"),
            () => name.clone(),
        };
        (format!("{blocks}{painted}{mark}"), width)
    }

    async fn show_long(&self, entries: &[Entry], out: &mut Out<'_>) -> Result<(), Failure> {
        let size = |entry: &Entry| match self.human {
            true => human(entry.metadata.len()),
            false => entry.metadata.len().to_string(),
        };
        let width = entries.iter().map(|entry| size(entry).len()).max().unwrap_or(0);
        for entry in entries {
            let (name, _) = self.cell(entry);
            let arrow = entry.link.as_ref().map(|to| format!(" -> {to}")).unwrap_or_default();
            let owner = if self.owner { format!(" {}", self.user) } else { String::new() };
            let group = if self.group { format!(" {}", self.user) } else { String::new() };
            out.put(format!(
                "{} 1{owner}{group} {:>width$} {} {name}{arrow}\n",
                mode(&entry.metadata),
                size(entry),
                self.date(time::modified(&entry.metadata)),
            ))
            .await?;
        }
        Ok(())
    }

    fn date(&self, seconds: i64) -> String {
        let at = Civil::new(seconds);
        if (0..RECENT).contains(&(self.now - seconds)) {
            format!("{} {:>2} {:02}:{:02}", at.month_name(), at.day, at.hour, at.minute)
        } else {
            format!("{} {:>2}  {:>4}", at.month_name(), at.day, at.year)
        }
    }
}

/// Permissions as `ls -l` shows them. A workspace keeps none: everything is its agent's own.
pub(super) fn mode(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => "drwxr-xr-x",
        () if kind.is_symlink() => "lrwxrwxrwx",
        () => "-rw-r--r--",
    }
}

/// Bytes in the largest unit that keeps a digit before the point: `999`, `1.5K`, `12M`; rounded up.
pub(super) fn human(bytes: u64) -> String {
    if bytes < 1024 {
        return bytes.to_string();
    }
    let mut unit = 1024_u64;
    for letter in "KMGTPE".chars() {
        let tenths = (u128::from(bytes) * 10).div_ceil(u128::from(unit));
        if tenths < 100 {
            return format!("{}.{}{letter}", tenths / 10, tenths % 10);
        }
        let whole = bytes.div_ceil(unit);
        if whole < 1024 || letter == 'E' {
            return format!("{whole}{letter}");
        }
        unit <<= 10;
    }
    bytes.to_string()
}
