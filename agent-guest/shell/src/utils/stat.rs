//! `stat`.

use std::{fs::Metadata, path::Path};

use super::{date, describe, locate, ls, misuse, options, streams::Out, time};
use crate::command::{Call, Failure};

const HUMAN: &str =
    "  File: %N\n  Size: %-12s%F\nAccess: (%a/%A)  Uid: %U  Gid: %G\nAccess: %x\nModify: %y\n";

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long = [("dereference", 'L'), ("format=", 'c'), ("printf=", '%'), ("terse", 't')];
    let options = options::parse(call, "Lc:t", &long)?;
    if options.operands.is_empty() {
        return Err(misuse(call, "missing operand"));
    }
    let mut out = Out::new(call);
    for operand in &options.operands {
        let path = locate(call, operand);
        let found = if options.has('L') { path.metadata() } else { path.symlink_metadata() };
        let metadata = match found {
            Ok(metadata) => metadata,
            Err(error) => {
                out.complain(format_args!("cannot statx '{operand}': {}", describe(&error))).await?;
                continue;
            }
        };
        let user = call.env.get("USER").map_or("agent", String::as_str);
        let file = File { name: operand, path: &path, metadata: &metadata, user };
        let text = match (options.last_of("c%t"), options.value('c'), options.value('%')) {
            (Some('c'), Some(format), _) => file.format(format, false) + "\n",
            (Some('%'), _, Some(format)) => file.format(format, true),
            (Some(_), ..) => file.format("%n %s %Y\n", false),
            (None, ..) => file.format(HUMAN, false),
        };
        out.put(text).await?;
    }
    out.finish().await
}

struct File<'a> {
    name: &'a str,
    path: &'a Path,
    metadata: &'a Metadata,
    user: &'a str,
}

impl File<'_> {
    fn format(&self, format: &str, escapes: bool) -> String {
        let mut text = String::new();
        let mut chars = format.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' if escapes => match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(other) => text.push(other),
                    None => text.push('\\'),
                },
                '%' => {
                    let mut spec = String::new();
                    while let Some(c) = chars.next_if(|c| c.is_ascii_digit() || *c == '-') {
                        spec.push(c);
                    }
                    let Some(letter) = chars.next() else {
                        text.push('%');
                        break;
                    };
                    let value = self.value(letter);
                    /// Nobody wants a wider column.
                    const WIDEST: usize = 200;
                    let width = spec.trim_start_matches('-').parse().unwrap_or(0).min(WIDEST);
                    match spec.starts_with('-') {
                        true => text.push_str(&format!("{value:<width$}")),
                        false => text.push_str(&format!("{value:>width$}")),
                    }
                }
                _ => text.push(c),
            }
        }
        text
    }

    fn value(&self, letter: char) -> String {
        let metadata = self.metadata;
        let accessed = || metadata.accessed().map_or(0, |at| time::since_epoch(at).0);
        let stamp = |seconds: i64| date::format("%Y-%m-%d %H:%M:%S.%N +0000", seconds, 0);
        let nanos = metadata.modified().map_or(0, |at| time::since_epoch(at).1);
        match letter {
            'n' => self.name.to_owned(),
            'N' => match self.path.read_link() {
                Ok(to) if metadata.is_symlink() => format!("{} -> {}", self.name, to.display()),
                _ => self.name.to_owned(),
            },
            's' => metadata.len().to_string(),
            'b' => metadata.len().div_ceil(512).to_string(),
            'B' => "512".to_owned(),
            'F' => match metadata.file_type() {
                kind if kind.is_dir() => "directory",
                kind if kind.is_symlink() => "symbolic link",
                _ if metadata.len() == 0 => "regular empty file",
                _ => "regular file",
            }
            .to_owned(),
            'a' => if metadata.is_symlink() {
                "777"
            } else if metadata.is_dir() {
                "755"
            } else {
                "644"
            }
            .to_owned(),
            'A' => ls::mode(metadata).to_owned(),
            'h' => "1".to_owned(),
            'U' | 'G' => self.user.to_owned(),
            'u' | 'g' => "1000".to_owned(),
            'X' => accessed().to_string(),
            'x' => stamp(accessed()),
            'Y' | 'Z' => time::modified(metadata).to_string(),
            'y' | 'z' => date::format("%Y-%m-%d %H:%M:%S.%N +0000", time::modified(metadata), nanos),
            '%' => "%".to_owned(),
            other => format!("%{other}"),
        }
    }
}
