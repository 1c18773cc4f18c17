//! Completion: commands where one begins, variables after `$`, names of files elsewhere.

use std::collections::BTreeSet;

use agent::editor::{Candidate, Completer, Completion};

use crate::{
    builtins,
    shell::Shell,
    syntax::{self, SyntaxError},
    utils,
};

/// Most entries of a directory that are looked at.
const MAX_ENTRIES: usize = 10_000;
/// After these a command begins.
const BEFORE_COMMAND: &[&str] =
    &["then", "do", "else", "elif", "if", "while", "until", "!", "time", "exec", "command"];

/// What the shell knows.
pub(super) struct Words<'a>(pub(super) &'a Shell);

impl Completer for Words<'_> {
    fn complete(&self, line: &str, cursor: usize) -> Completion {
        let before = &line[..cursor];
        let (start, quote) = word_start(before);
        let word = &before[start..];
        if let Some(at) = word.rfind('$')
            && quote != Some('\'')
            && word[at + 1..].trim_start_matches('{').chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            return self.variables(start + at, &word[at..]);
        }
        let head = before[..start].trim_end();
        let commands = head.is_empty()
            || head.ends_with([';', '|', '&', '(', '{', '`', '\n'])
            || head.rsplit([' ', '\t', ';', '\n']).next().is_some_and(|last| BEFORE_COMMAND.contains(&last));
        let mut candidates = Vec::new();
        if commands && quote.is_none() && !word.contains('/') {
            candidates = self.commands(word);
        }
        // `ls fo`, but also `./scr`, and a directory to begin a path with.
        if !commands || word.contains('/') || candidates.is_empty() {
            candidates.extend(self.files(word, quote));
        }
        Completion { start, candidates }
    }

    fn incomplete(&self, line: &str) -> bool {
        matches!(syntax::parse(line), Err(SyntaxError::Incomplete(_)))
    }
}

/// Where the word before the cursor begins, and the quote that is open in it.
fn word_start(before: &str) -> (usize, Option<char>) {
    let mut start = 0;
    let mut quote = None;
    let mut chars = before.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None | Some('"'), '\\') => drop(chars.next()),
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ' | '\t' | '\n' | ';' | '|' | '&' | '(' | ')' | '<' | '>' | '`' | '=') => start = at + 1,
            _ => {}
        }
    }
    (start, quote)
}

fn unquoted(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.extend(chars.next()),
            '\'' | '"' => {}
            c => text.push(c),
        }
    }
    text
}

fn quoted(name: &str, quote: Option<char>) -> String {
    match quote {
        Some('"') => {
            name.chars().flat_map(|c| ("\"$`\\".contains(c)).then_some('\\').into_iter().chain([c])).collect()
        }
        Some(_) => name.to_owned(),
        None => name
            .chars()
            .flat_map(|c| (" \t'\"\\$`&|;()<>*?[]#~!{}".contains(c)).then_some('\\').into_iter().chain([c]))
            .collect(),
    }
}

impl Words<'_> {
    fn variables(&self, start: usize, word: &str) -> Completion {
        let open = if word.starts_with("${") { "${" } else { "$" };
        let prefix = &word[open.len()..];
        let close = if open == "${" { "}" } else { "" };
        let vars = self.0.vars.borrow();
        let names = vars.iter().map(|(name, _)| name).filter(|name| name.starts_with(prefix));
        let candidates = names.map(|name| Candidate::new(format!("{open}{name}{close}")).open()).collect();
        Completion { start, candidates }
    }

    fn commands(&self, word: &str) -> Vec<Candidate> {
        let mut names: BTreeSet<String> =
            builtins::ALL.iter().map(|builtin| builtin.name.to_owned()).collect();
        names.extend(utils::ALL.iter().map(|utility| utility.name.to_owned()));
        names.extend(self.0.functions.borrow().keys().map(|name| name.to_string()));
        names.extend(self.0.aliases.borrow().keys().cloned());
        let keywords = [
            "case", "do", "done", "elif", "else", "esac", "for", "function", "then", "time", "until", "while",
        ];
        names.extend(keywords.map(str::to_owned));
        let found =
            names.into_iter().filter(|name| name.starts_with(word) && !name.starts_with(['[', ':', '.']));
        found.map(Candidate::new).collect()
    }

    fn files(&self, word: &str, quote: Option<char>) -> Vec<Candidate> {
        let text = unquoted(word);
        let (directory, prefix) = text.rsplit_once('/').map_or(("", &*text), |(d, p)| (&text[..=d.len()], p));
        let home = self.0.variable("HOME").unwrap_or_default();
        let path = match directory.strip_prefix("~/") {
            Some(rest) => std::path::Path::new(&home).join(rest),
            None => self.0.cwd().join(directory),
        };
        let Ok(entries) = std::fs::read_dir(&path) else { return Vec::new() };
        let tail = word.rfind('/').map_or(0, |at| at + 1);
        // What is typed stays as it is, up to the last part.
        let kept = if quote.is_some() && tail == 0 { &word[..1.min(word.len())] } else { &word[..tail] };
        let mut candidates: Vec<Candidate> = entries
            .flatten()
            .take(MAX_ENTRIES)
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let hidden = name.starts_with('.') && !prefix.starts_with('.');
                if hidden || !name.starts_with(prefix) || name.chars().any(char::is_control) {
                    return None;
                }
                let text = format!("{kept}{}", quoted(&name, quote));
                Some(if path.join(&name).is_dir() {
                    Candidate::new(text + "/").shown_as(name + "/").open()
                } else {
                    let close = quote.map(String::from).unwrap_or_default();
                    Candidate::new(text + &close).shown_as(name)
                })
            })
            .collect();
        candidates.sort_by(|a, b| a.display.cmp(&b.display));
        candidates
    }
}
