//! `cp` and `mv`.

use std::{
    fs::{self, File, Metadata},
    io,
    path::{Path, PathBuf},
};

use super::{
    Pace, describe, links, locate, misuse,
    options::{self, Options},
    pause,
    streams::{Out, open_file},
    walk::{Stage, Visit, Walk},
};
use crate::{
    command::{Call, Failure},
    io::{Reader, Writer},
};

const LONG: &[(&str, char)] = &[
    ("archive", 'a'),
    ("force", 'f'),
    ("no-clobber", 'n'),
    ("no-dereference", 'P'),
    ("dereference", 'L'),
    ("preserve=?", 'p'),
    ("recursive", 'r'),
    ("target-directory=", 't'),
    ("no-target-directory", 'T'),
    ("update", 'u'),
    ("verbose", 'v'),
];

/// `cp`.
pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "adfHLnPprRt:Tuv", LONG)?;
    transfer(call, &options, false).await
}

/// `mv`.
pub(crate) async fn mv(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "fnt:Tuv", LONG)?;
    transfer(call, &options, true).await
}

/// Several sources into a directory, or one to a name.
async fn transfer(call: &Call, options: &Options, moving: bool) -> Result<u8, Failure> {
    let mut sources = options.operands.clone();
    let target = match options.value('t') {
        Some(directory) => directory.to_owned(),
        None => {
            let target = sources.pop().ok_or_else(|| misuse(call, "missing file operand"))?;
            if sources.is_empty() {
                return Err(misuse(call, format_args!("missing destination file operand after '{target}'")));
            }
            target
        }
    };
    let into = locate(call, &target).is_dir() && !options.has('T');
    if !into && (sources.len() > 1 || options.has('t')) {
        let word = if options.has('t') { "target directory" } else { "target" };
        return Err(Failure::Message(1, format!("{word} '{target}': {}", missing_or_file(call, &target))));
    }
    let copy = Copy {
        call,
        moving,
        recursive: moving || options.last_of("rRa").is_some(),
        preserve: moving || options.last_of("pa").is_some(),
        links: moving || options.last_of("PLad").map_or(options.last_of("rR").is_some(), |c| c != 'L'),
        keep: options.has('n'),
        update: options.has('u'),
        verbose: options.has('v'),
    };
    let mut out = Out::new(call);
    for source in &sources {
        let to = if into {
            let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let base = target.trim_end_matches('/');
            // `.` and `..` have no name of their own: their content goes into the target.
            if matches!(name, "." | "..") { base.to_owned() } else { format!("{base}/{name}") }
        } else {
            target.clone()
        };
        copy.one(source, &to, &mut out).await?;
    }
    out.finish().await
}

fn missing_or_file(call: &Call, target: &str) -> &'static str {
    if locate(call, target).exists() { "Not a directory" } else { "No such file or directory" }
}

/// What of a copy failed.
enum Fault {
    Open(io::Error),
    Create(io::Error),
    Copy(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Copy(error)
    }
}

struct Copy<'a> {
    call: &'a Call,
    moving: bool,
    recursive: bool,
    preserve: bool,
    /// Links are copied as links.
    links: bool,
    keep: bool,
    update: bool,
    verbose: bool,
}

impl Copy<'_> {
    /// One source, with all below it, to its new name.
    async fn one(&self, source: &str, target: &str, out: &mut Out<'_>) -> Result<(), Failure> {
        let (from, to) = (locate(self.call, source), locate(self.call, target));
        let found = if self.links { from.symlink_metadata() } else { from.metadata() };
        let verb = if self.moving { "move" } else { "copy" };
        let metadata = match found {
            Ok(metadata) => metadata,
            Err(error) => {
                return out.complain(format_args!("cannot stat '{source}': {}", describe(&error))).await;
            }
        };
        if same_file(&from, &to) {
            return out.complain(format_args!("'{source}' and '{target}' are the same file")).await;
        }
        if metadata.is_dir() {
            if !self.recursive {
                return out.complain(format_args!("-r not specified; omitting directory '{source}'")).await;
            }
            if inside(&from, &to) {
                let what = if self.moving { " to a subdirectory of itself" } else { ", into itself" };
                let kind = if self.moving { "" } else { "a directory, " };
                let target = if self.moving { target } else { target.trim_end_matches('/') };
                return out.complain(format_args!("cannot {verb} {kind}'{source}'{what}, '{target}'")).await;
            }
            if to.symlink_metadata().is_ok_and(|there| !there.is_dir()) {
                let text = "cannot overwrite non-directory";
                return out.complain(format_args!("{text} '{target}' with directory '{source}'")).await;
            }
        } else if to.is_dir() {
            return out
                .complain(format_args!("cannot overwrite directory '{target}' with non-directory"))
                .await;
        }
        if self.skips(&metadata, &to) {
            return Ok(());
        }
        if self.moving {
            return self.rename(source, target, &from, &to, out).await;
        }
        if !metadata.is_dir() {
            let result = self.file(&from, &to, &metadata).await;
            return self.report(source, target, result, out).await;
        }
        self.tree(source, target, out).await.map(|_| ())
    }

    fn skips(&self, metadata: &Metadata, to: &Path) -> bool {
        if metadata.is_dir() {
            return false;
        }
        let there = to.metadata().ok();
        let newer = |there: &Metadata| match (metadata.modified(), there.modified()) {
            (Ok(here), Ok(there)) => here > there,
            _ => true,
        };
        there.is_some_and(|there| self.keep || self.update && !newer(&there))
    }

    async fn rename(
        &self,
        source: &str,
        target: &str,
        from: &Path,
        to: &Path,
        out: &mut Out<'_>,
    ) -> Result<(), Failure> {
        match fs::rename(from, to) {
            Ok(()) if self.verbose => out.put(format!("renamed '{source}' -> '{target}'\n")).await,
            Ok(()) => Ok(()),
            Err(error) => {
                let text = format!("cannot move '{source}' to '{target}': {}", describe(&error));
                out.complain(text).await
            }
        }
    }

    async fn tree(&self, source: &str, target: &str, out: &mut Out<'_>) -> Result<bool, Failure> {
        let root = locate(self.call, source);
        let mut walk = Walk::new(root.clone(), source);
        let mut pace = Pace::default();
        let before = out.status;
        while let Some(visit) = walk.next() {
            pace.step().await;
            let visit = match visit {
                Ok(visit) => visit,
                Err((shown, error)) => {
                    out.complain(format_args!("cannot access '{shown}': {}", describe(&error))).await?;
                    continue;
                }
            };
            let below = visit.path.strip_prefix(&root).unwrap_or(Path::new(""));
            let to = if visit.depth == 0 {
                locate(self.call, target)
            } else {
                locate(self.call, target).join(below)
            };
            let shown = match visit.depth {
                0 => target.to_owned(),
                _ => format!("{}/{}", target.trim_end_matches('/'), below.display()),
            };
            if visit.stage == Stage::Leave {
                if self.preserve {
                    // Times of a directory are a courtesy: not every file system lets them be set.
                    let _ = keep_times(&to, &visit.metadata);
                }
                continue;
            }
            if self.skips(&visit.metadata, &to) {
                continue;
            }
            let (result, news) = self.visit(&visit, &to).await;
            if result.is_err() && visit.stage == Stage::Enter {
                walk.skip();
            }
            if news || result.is_err() {
                self.report(&visit.shown, &shown, result, out).await?;
            }
        }
        Ok(out.status == before)
    }

    /// Copies one entry of a tree; whether there is something to say about it.
    async fn visit(&self, visit: &Visit, to: &Path) -> (Result<(), Fault>, bool) {
        if visit.stage != Stage::Enter {
            return (self.file(&visit.path, to, &visit.metadata).await, true);
        }
        match fs::create_dir(to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && to.is_dir() => (Ok(()), false),
            result => (result.map_err(Fault::Create), true),
        }
    }

    async fn file(&self, from: &Path, to: &Path, metadata: &Metadata) -> Result<(), Fault> {
        if metadata.is_symlink() && self.links {
            if to.symlink_metadata().is_ok() {
                fs::remove_file(to).map_err(Fault::Create)?;
            }
            return links::symlink(&from.read_link()?, to).map_err(Fault::Create);
        }
        let reader = Reader::from_file(open_file(from).map_err(Fault::Open)?);
        let writer = Writer::to_file(File::create(to).map_err(Fault::Create)?);
        loop {
            pause().await;
            let bytes = reader.read().await?;
            if bytes.is_empty() {
                break;
            }
            writer.write_all(bytes).await?;
        }
        if self.preserve { Ok(keep_times(to, metadata)?) } else { Ok(()) }
    }

    async fn report(
        &self,
        source: &str,
        target: &str,
        result: Result<(), Fault>,
        out: &mut Out<'_>,
    ) -> Result<(), Failure> {
        match result {
            Ok(()) if self.verbose => out.put(format!("'{source}' -> '{target}'\n")).await,
            Ok(()) => Ok(()),
            Err(Fault::Open(error)) => {
                out.complain(format_args!("cannot open '{source}' for reading: {}", describe(&error))).await
            }
            Err(Fault::Create(error)) => {
                let kind = if locate(self.call, source).is_dir() { "directory" } else { "regular file" };
                out.complain(format_args!("cannot create {kind} '{target}': {}", describe(&error))).await
            }
            Err(Fault::Copy(error)) => {
                out.complain(format_args!("error copying '{source}' to '{target}': {}", describe(&error)))
                    .await
            }
        }
    }
}

fn keep_times(path: &Path, metadata: &Metadata) -> io::Result<()> {
    let mut times = fs::FileTimes::new();
    if let Ok(time) = metadata.modified() {
        times = times.set_modified(time);
    }
    if let Ok(time) = metadata.accessed() {
        times = times.set_accessed(time);
    }
    super::touch::open_for_times(path)?.set_times(times)
}

/// Whether two paths lead to one file: there are no inode numbers to ask for.
fn same_file(a: &Path, b: &Path) -> bool {
    matches!((links::resolve(a), links::resolve(b)), (Ok(a), Ok(b)) if a == b) && b.exists()
}

/// Whether `to` is below `from`, though it may not exist yet.
fn inside(from: &Path, to: &Path) -> bool {
    let Ok(from) = links::resolve(from) else { return false };
    let parent: PathBuf = to.parent().map(Path::to_path_buf).unwrap_or_default();
    [to, &parent].into_iter().filter_map(|path| links::resolve(path).ok()).any(|to| to.starts_with(&from))
}
