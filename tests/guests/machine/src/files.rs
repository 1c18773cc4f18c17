//! Files that stay open between events.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::machine::{number, word};
use crate::printable;

const ROOT: &str = "/work";
const MAX_OPEN: usize = 8;
const MAX_NAME: usize = 32;
/// The most that one `file read` reads, bytes.
const MAX_READ: u64 = 64;

/// Open files in the order they were opened; the last is the current one.
#[derive(Default)]
pub(crate) struct Files {
    open: Vec<(String, File)>,
}

impl Files {
    /// The answer to `file …`, or nothing when that is no command.
    pub(crate) fn answer(&mut self, words: &[&str]) -> Option<String> {
        let answer = match *words {
            ["open", p] => {
                if !is_name(p) {
                    return None;
                }
                self.open(p)
            }
            ["write", w] => self.write(word(w)?),
            ["read"] => self.read(),
            ["seek", n] => self.seek(number(n)?),
            ["close"] => Ok(self.open.pop().map(|(name, _)| format!("closed {name}"))),
            ["list"] => list().map(Some),
            _ => return None,
        };
        Some(match answer {
            Ok(Some(answer)) => answer,
            Ok(None) => "no file".to_owned(),
            Err(_) => "file failed".to_owned(),
        })
    }

    fn open(&mut self, name: &str) -> io::Result<Option<String>> {
        if let Some(at) = self.open.iter().position(|(open, _)| open == name) {
            let file = self.open.remove(at);
            self.open.push(file);
        } else if self.open.len() == MAX_OPEN {
            return Ok(Some("full".to_owned()));
        } else {
            let path = Path::new(ROOT).join(name);
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            self.open.push((name.to_owned(), file));
        }
        Ok(Some(format!("open {name}")))
    }

    fn write(&mut self, word: &str) -> io::Result<Option<String>> {
        let Some((_, file)) = self.open.last_mut() else { return Ok(None) };
        let bytes = format!("{word}\n");
        file.write_all(bytes.as_bytes())?;
        Ok(Some(format!("wrote {} at {}", bytes.len(), file.stream_position()?)))
    }

    fn read(&mut self) -> io::Result<Option<String>> {
        let Some((_, file)) = self.open.last_mut() else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(MAX_READ).read_to_end(&mut bytes)?;
        let count = bytes.len();
        for byte in &mut bytes {
            if *byte == b'\n' {
                *byte = b'/';
            }
        }
        Ok(Some(format!("read {count} {}", printable(&bytes))))
    }

    fn seek(&mut self, to: u32) -> io::Result<Option<String>> {
        let Some((_, file)) = self.open.last_mut() else { return Ok(None) };
        Ok(Some(format!("at {}", file.seek(SeekFrom::Start(u64::from(to)))?)))
    }
}

fn list() -> io::Result<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(ROOT)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        if let Some(name) = entry.file_name().to_str().filter(|name| is_name(name) && meta.is_file()) {
            files.push(format!(" {name}:{}", meta.len()));
        }
    }
    files.sort();
    Ok(format!("files{}", files.concat()))
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    (1..=MAX_NAME).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed)
}
