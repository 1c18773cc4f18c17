//! Pathname expansion.

use std::path::{Path, PathBuf};

use super::{Field, MAX_FIELDS, Pattern};
use crate::shell::{Jump, Shell, options::Options};

impl Shell {
    /// The names a field matches, sorted; itself when there are none.
    pub(super) async fn pathnames(&self, field: Field, into: &mut Vec<String>) -> Result<(), Jump> {
        if self.option(Options::NO_GLOB) || !may_match(&field.text, |at| field.magic.contains(&at)) {
            into.push(field.text);
            return Ok(());
        }
        let mut found = self.walk(&field).await?;
        if found.is_empty() {
            into.push(field.text);
        } else {
            found.sort();
            into.append(&mut found);
        }
        Ok(())
    }

    async fn walk(&self, field: &Field) -> Result<Vec<String>, Jump> {
        let cwd = self.cwd();
        let mut found = vec![String::new()];
        let mut start = 0;
        for part in field.text.split_inclusive('/') {
            let name = part.trim_end_matches('/');
            let slash = &part[name.len()..];
            let magic: Vec<usize> = field
                .magic
                .iter()
                .filter(|at| (start..start + name.len()).contains(*at))
                .map(|at| at - start)
                .collect();
            start += part.len();
            let mut next = Vec::new();
            if may_match(name, |at| magic.contains(&at)) {
                let pattern = Pattern::new(name, &magic);
                for before in &found {
                    self.step().await;
                    names(&cwd, before, &pattern, !slash.is_empty(), &mut next);
                    if next.len() > MAX_FIELDS {
                        return self.give_up(&format!("more than {MAX_FIELDS} words")).await;
                    }
                }
                next.iter_mut().for_each(|name| name.push_str(slash));
            } else {
                let literal = unescaped(name, &magic);
                next.extend(found.into_iter().map(|before| before + &literal + slash));
                // A plain part after a pattern must be there.
                next.retain(|path| path.ends_with('/') && literal.is_empty() || exists(&cwd, path));
            }
            found = next;
            if found.is_empty() {
                break;
            }
        }
        Ok(found)
    }
}

/// Whether text with these active characters is a pattern at all. `[` alone, the command, is none.
pub(super) fn may_match(text: &str, active: impl Fn(usize) -> bool) -> bool {
    text.bytes().enumerate().any(|(at, byte)| match byte {
        b'*' | b'?' => active(at),
        b'[' => active(at) && text[at..].contains(']'),
        _ => false,
    })
}

fn unescaped(name: &str, magic: &[usize]) -> String {
    name.char_indices().filter(|(at, c)| !(*c == '\\' && magic.contains(at))).map(|(_, c)| c).collect()
}

fn exists(cwd: &Path, path: &str) -> bool {
    cwd.join(path).symlink_metadata().is_ok()
}

fn names(cwd: &Path, before: &str, pattern: &Pattern, directories: bool, into: &mut Vec<String>) {
    let directory: PathBuf = cwd.join(before);
    let Ok(entries) = std::fs::read_dir(&directory) else { return };
    for entry in entries.flatten() {
        // A name that is no UTF-8 cannot be said in a word.
        let Ok(name) = entry.file_name().into_string() else { continue };
        if (name.starts_with('.') && !pattern.shows_hidden()) || !pattern.matches(&name) {
            continue;
        }
        if directories && !directory.join(&name).is_dir() {
            continue;
        }
        into.push(format!("{before}{name}"));
    }
}
