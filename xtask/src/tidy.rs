//! What no compiler says: files that grew too long, leftovers, and paths of one machine.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::{progress::Step, workspace::Workspace};

/// Longest source file without a reason, lines.
const LINES: usize = 500;
/// Kinds of files that are read.
const KINDS: [&str; 8] = [".rs", ".ts", ".mjs", ".css", ".wit", ".toml", ".md", ".html"];

/// `tidy.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exceptions {
    /// Files over the limit, each with its reason.
    #[serde(default)]
    long: BTreeMap<String, String>,
}

/// Tracked and new files, relative to the repository.
pub(crate) fn files(ws: &Workspace) -> Result<Vec<String>> {
    let mut list = ws.command("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    let output = list.output().context("cannot run git")?;
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.split('\0').filter(|name| !name.is_empty() && ws.root.join(name).is_file());
    Ok(names.map(str::to_owned).collect())
}

pub(crate) fn check(ws: &Workspace) -> Result<()> {
    let step = Step::begin("tidy");
    match problems(ws) {
        Ok(found) if found.is_empty() => {
            step.done("");
            Ok(())
        }
        Ok(found) => {
            step.failed();
            bail!("tidy:\n  {}", found.join("\n  "))
        }
        Err(error) => {
            step.failed();
            Err(error)
        }
    }
}

fn problems(ws: &Workspace) -> Result<Vec<String>> {
    let exceptions = fs::read_to_string(ws.root.join("tidy.toml")).unwrap_or_default();
    let exceptions: Exceptions = toml::from_str(&exceptions).context("tidy.toml")?;
    let mut found = Vec::new();
    let mut long: Vec<String> =
        exceptions.long.into_iter().filter(|(_, why)| !why.is_empty()).map(|(f, _)| f).collect();
    for file in files(ws)? {
        if !KINDS.iter().any(|kind| file.ends_with(kind)) {
            continue;
        }
        let Ok(text) = fs::read_to_string(ws.root.join(&file)) else {
            found.push(format!("{file} is not UTF-8"));
            continue;
        };
        let lines = text.lines().count();
        let source = file.ends_with(".rs") || file.ends_with(".ts");
        if source && lines > LINES {
            match long.iter().position(|name| *name == file) {
                Some(at) => _ = long.swap_remove(at),
                None => {
                    found.push(format!("{file}: {lines} lines; split it, or give the reason in tidy.toml"))
                }
            }
        }
        leftovers(ws, &file, &text, &mut found);
    }
    found.extend(long.into_iter().map(|file| format!("tidy.toml excuses {file}, which is not long")));
    Ok(found)
}

fn leftovers(ws: &Workspace, file: &str, text: &str, found: &mut Vec<String>) {
    // Written in two pieces, or this file would be the first one found.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[ig", "nore"),
    ];
    let root = ws.root.display().to_string();
    let home = ws.env.home.as_ref().map(|home| format!("{}/", home.display())).filter(|home| home.len() > 2);
    for (at, line) in text.lines().enumerate() {
        let at = at + 1;
        if let Some(word) = words.iter().find(|word| line.contains(**word)) {
            found.push(format!("{file}:{at}: {word}"));
        }
        if line.contains(&root) || home.as_ref().is_some_and(|home| line.contains(home)) {
            found.push(format!("{file}:{at}: a path of this machine"));
        }
    }
}
