//! Redirections.

use std::{fs::OpenOptions, io, path::PathBuf};

use crate::{
    io::{Reader, Writer},
    shell::{
        Jump, Shell,
        fds::{Fd, Fds, MAX_FD, Restore},
        options::Options,
    },
    syntax::{Redirect, RedirectKind, Word},
};

impl Shell {
    /// Redirects this shell until the result is dropped. `None`: one failed, and it was said.
    ///
    /// # Errors
    /// An expansion failed.
    pub(crate) async fn redirect(&self, redirects: &[Redirect]) -> Result<Option<Restore<'_>>, Jump> {
        let restore = Restore { place: &self.fds, old: Some(self.fds()) };
        for redirect in redirects {
            // One after the other: `> file 2>&1` sees the file.
            let mut fds = self.fds();
            if let Err(text) = self.apply(redirect, &mut fds).await? {
                // The error goes where errors went before.
                drop(restore);
                self.complain(&text).await;
                return Ok(None);
            }
            *self.fds.borrow_mut() = fds;
        }
        Ok(Some(restore))
    }

    async fn apply(&self, redirect: &Redirect, fds: &mut Fds) -> Result<Result<(), String>, Jump> {
        let number = redirect.fd.unwrap_or(match redirect.kind {
            RedirectKind::Read(_)
            | RedirectKind::ReadWrite(_)
            | RedirectKind::DupIn(_)
            | RedirectKind::Here(..) => 0,
            _ => 1,
        });
        if number > MAX_FD {
            return Ok(Err(format!("{number}: Bad file descriptor")));
        }
        match &redirect.kind {
            RedirectKind::DupIn(word) | RedirectKind::DupOut(word) => {
                return self.duplicate(redirect, number, word, fds).await;
            }
            RedirectKind::Here(word, newline) => {
                let mut text = self.expand_string(word).await?;
                if *newline {
                    text.push('\n');
                }
                fds.set(number, Fd { reader: Some(Reader::from_bytes(text.into_bytes())), ..Fd::default() });
            }
            RedirectKind::Read(word)
            | RedirectKind::Write(word)
            | RedirectKind::Clobber(word)
            | RedirectKind::Append(word)
            | RedirectKind::ReadWrite(word)
            | RedirectKind::Both(word, _) => {
                let name = self.expand_string(word).await?;
                match self.open(&name, &redirect.kind, fds) {
                    Ok(fd) => {
                        if matches!(redirect.kind, RedirectKind::Both(..)) {
                            fds.set(2, fd.clone());
                        }
                        fds.set(number, fd);
                    }
                    Err(error) => return Ok(Err(format!("{name}: {error}"))),
                }
            }
        }
        Ok(Ok(()))
    }

    async fn duplicate(
        &self,
        redirect: &Redirect,
        number: u32,
        word: &Word,
        fds: &mut Fds,
    ) -> Result<Result<(), String>, Jump> {
        let source = self.expand_string(word).await?;
        let (source, moves) = match source.strip_suffix('-') {
            Some("") => {
                fds.close(number);
                return Ok(Ok(()));
            }
            Some(source) => (source.to_owned(), true),
            None => (source, false),
        };
        match source.parse::<u32>() {
            Ok(from) => {
                let Some(fd) = fds.get(from) else {
                    return Ok(Err(format!("{source}: Bad file descriptor")));
                };
                fds.set(number, fd);
                if moves {
                    fds.close(from);
                }
            }
            // `>& file` is `&> file`.
            Err(_) if matches!(redirect.kind, RedirectKind::DupOut(_)) && redirect.fd.is_none() => {
                match self.open(&source, &RedirectKind::Write(Word::default()), fds) {
                    Ok(fd) => {
                        fds.set(1, fd.clone());
                        fds.set(2, fd);
                    }
                    Err(error) => return Ok(Err(format!("{source}: {error}"))),
                }
            }
            Err(_) => return Ok(Err(format!("{source}: ambiguous redirect"))),
        }
        Ok(Ok(()))
    }

    fn open(&self, name: &str, kind: &RedirectKind, fds: &Fds) -> Result<Fd, String> {
        if let Some(fd) = special(name, fds) {
            return fd;
        }
        if name.is_empty() {
            return Err("No such file or directory".to_owned());
        }
        let path: PathBuf = self.cwd().join(name);
        let mut options = OpenOptions::new();
        match kind {
            RedirectKind::Read(_) => options.read(true),
            RedirectKind::ReadWrite(_) => options.read(true).write(true).create(true).truncate(false),
            RedirectKind::Append(_) | RedirectKind::Both(_, true) => options.append(true).create(true),
            RedirectKind::Write(_) | RedirectKind::Both(..) if self.option(Options::NO_CLOBBER) => {
                if path.is_file() {
                    return Err("cannot overwrite existing file".to_owned());
                }
                options.write(true).create(true).truncate(true)
            }
            _ => options.write(true).create(true).truncate(true),
        };
        let describe = |error: io::Error| crate::utils::describe(&error);
        let file = options.open(&path).map_err(describe)?;
        if path.is_dir() {
            return Err("Is a directory".to_owned());
        }
        Ok(match kind {
            RedirectKind::Read(_) => Fd { reader: Some(Reader::from_file(file)), ..Fd::default() },
            RedirectKind::ReadWrite(_) => {
                let other = file.try_clone().map_err(describe).ok();
                Fd {
                    reader: other.map(Reader::from_file),
                    writer: Some(Writer::to_file(file)),
                    terminal: false,
                }
            }
            _ => Fd { writer: Some(Writer::to_file(file)), ..Fd::default() },
        })
    }
}

/// The names that are no files.
fn special(name: &str, fds: &Fds) -> Option<Result<Fd, String>> {
    let number = match name {
        "/dev/null" => {
            return Some(Ok(Fd {
                reader: Some(Reader::empty()),
                writer: Some(Writer::null()),
                terminal: false,
            }));
        }
        "/dev/stdin" => 0,
        "/dev/stdout" => 1,
        "/dev/stderr" => 2,
        "/dev/tty" => {
            let terminal = (0..=2).filter_map(|n| fds.get(n)).filter(|fd| fd.terminal);
            let joined = terminal.reduce(|one, other| Fd {
                reader: one.reader.or(other.reader),
                writer: one.writer.or(other.writer),
                terminal: true,
            });
            return Some(joined.ok_or_else(|| "No such device or address".to_owned()));
        }
        _ => name.strip_prefix("/dev/fd/")?.parse().ok()?,
    };
    Some(fds.get(number).ok_or_else(|| "No such file or directory".to_owned()))
}
