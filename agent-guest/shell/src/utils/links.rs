//! `ln`, `readlink`, `realpath`.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use super::{describe, locate, misuse, options, streams::Out};
use crate::command::{Call, Failure};

/// Links followed on the way to one file.
const MAX_LINKS: usize = 40;

/// Makes a symbolic link.
pub(super) fn symlink(to: &Path, at: &Path) -> io::Result<()> {
    #[allow(deprecated, reason = "its successors differ by system and have no stable name on WASI")]
    fs::soft_link(to, at)
}

/// `ln`.
pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long = [
        ("symbolic", 's'),
        ("force", 'f'),
        ("no-dereference", 'n'),
        ("verbose", 'v'),
        ("no-target-directory", 'T'),
    ];
    let options = options::parse(call, "sfnvT", &long)?;
    let mut sources = options.operands.clone();
    let target = match sources.len() {
        0 => return Err(misuse(call, "missing file operand")),
        1 => ".".to_owned(),
        _ => sources.pop().unwrap_or_default(),
    };
    let at = locate(call, &target);
    let keep_link = options.last_of("nT").is_some() && at.is_symlink();
    let into = at.is_dir() && !options.has('T') && !keep_link;
    if sources.len() > 1 && !into {
        return Err(Failure::Message(1, format!("target '{target}': Not a directory")));
    }
    let mut out = Out::new(call);
    for source in &sources {
        let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let shown = match (into, target.as_str()) {
            (true, ".") if options.operands.len() == 1 => name.to_owned(),
            (true, _) => format!("{}/{name}", target.trim_end_matches('/')),
            (false, _) => target.clone(),
        };
        let at = locate(call, &shown);
        let kind = if options.has('s') { "symbolic" } else { "hard" };
        if options.has('f') && at.symlink_metadata().is_ok_and(|there| !there.is_dir()) {
            out.check(format_args!("cannot remove '{shown}'"), fs::remove_file(&at)).await?;
        }
        let made = if options.has('s') {
            symlink(Path::new(source), &at)
        } else if locate(call, source).is_dir() {
            out.complain(format_args!("{source}: hard link not allowed for directory")).await?;
            continue;
        } else {
            fs::hard_link(locate(call, source), &at)
        };
        match made {
            Ok(()) if options.has('v') => {
                let arrow = if options.has('s') { "->" } else { "=>" };
                out.put(format!("'{shown}' {arrow} '{source}'\n")).await?;
            }
            Ok(()) => {}
            Err(error) if !options.has('s') && error.kind() == io::ErrorKind::NotFound => {
                out.complain(format_args!("failed to access '{source}': {}", describe(&error))).await?;
            }
            Err(error) => {
                let to = if options.has('s') { String::new() } else { format!(" => '{source}'") };
                let text = format!("failed to create {kind} link '{shown}'{to}: {}", describe(&error));
                out.complain(text).await?;
            }
        }
    }
    out.finish().await
}

/// The path with every link followed and no `.` or `..`. All of it must exist but for the last part.
pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
    let parent = path.parent().filter(|_| path.file_name().is_some());
    match parent.filter(|_| path.symlink_metadata().is_err()) {
        Some(parent) => {
            let parent = follow(parent, true)?;
            if parent.exists() && !parent.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            Ok(parent.join(path.file_name().unwrap_or_default()))
        }
        None => follow(path, false),
    }
}

/// Follows links part by part: WASI has no call for it. `strict` refuses parts that do not exist.
fn follow(path: &Path, strict: bool) -> io::Result<PathBuf> {
    let mut found = PathBuf::new();
    let mut todo: Vec<PathBuf> = parts(path);
    let mut links = 0;
    while let Some(part) = todo.pop() {
        match part.components().next() {
            Some(Component::RootDir) => found.push("/"),
            Some(Component::ParentDir) => {
                found.pop();
            }
            Some(Component::Normal(name)) => {
                let next = found.join(name);
                match next.read_link() {
                    Ok(to) => {
                        links += 1;
                        if links > MAX_LINKS {
                            return Err(io::Error::other("Too many levels of symbolic links"));
                        }
                        if to.is_absolute() {
                            found = PathBuf::new();
                        }
                        todo.extend(parts(&to));
                    }
                    Err(error) if strict && error.kind() == io::ErrorKind::NotFound => return Err(error),
                    Err(_) => found = next,
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The parts of a path, the last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    path.components().rev().map(|part| PathBuf::from(part.as_os_str())).collect()
}

/// Like [`resolve`], but of a path all of which must exist.
fn resolve_existing(path: &Path) -> io::Result<PathBuf> {
    let found = follow(path, true)?;
    found.symlink_metadata()?;
    Ok(found)
}

/// `readlink`.
pub(crate) async fn readlink(call: &Call) -> Result<u8, Failure> {
    let long = [
        ("canonicalize", 'f'),
        ("canonicalize-existing", 'e'),
        ("canonicalize-missing", 'm'),
        ("no-newline", 'n'),
        ("quiet", 'q'),
        ("silent", 's'),
        ("verbose", 'v'),
    ];
    let options = options::parse(call, "femnqsv", &long)?;
    if options.operands.is_empty() {
        return Err(misuse(call, "missing operand"));
    }
    let mut out = Out::new(call);
    for operand in &options.operands {
        let path = locate(call, operand);
        let found = match options.last_of("fem") {
            Some('f') => resolve(&path),
            Some('e') => resolve_existing(&path),
            Some(_) => follow(&path, false),
            None => path.read_link(),
        };
        match found {
            Ok(found) => {
                out.put(found.to_string_lossy().as_bytes()).await?;
                out.put(if options.has('n') { "" } else { "\n" }).await?;
            }
            Err(error) if options.has('v') => {
                out.complain(format_args!("{operand}: {}", describe(&error))).await?;
            }
            Err(_) => out.status = 1,
        }
    }
    out.finish().await
}

/// `realpath`.
pub(crate) async fn realpath(call: &Call) -> Result<u8, Failure> {
    let long = [
        ("canonicalize-existing", 'e'),
        ("canonicalize-missing", 'm'),
        ("quiet", 'q'),
        ("strip", 's'),
        ("no-symlinks", 's'),
        ("relative-to=", '>'),
    ];
    let options = options::parse(call, "emqs", &long)?;
    if options.operands.is_empty() {
        return Err(misuse(call, "missing operand"));
    }
    let mut out = Out::new(call);
    for operand in &options.operands {
        let path = locate(call, operand);
        let found = match options.last_of("ems") {
            Some('e') => resolve_existing(&path),
            Some('m') => follow(&path, false),
            Some(_) => Ok(lexical(&path)),
            None => resolve(&path),
        };
        let found = match options.value('>') {
            Some(base) => found.map(|path| relative(&path, &lexical(&locate(call, base)))),
            None => found,
        };
        match found {
            Ok(found) => out.put(format!("{}\n", found.display())).await?,
            Err(_) if options.has('q') => out.status = 1,
            Err(error) => out.complain(format_args!("{operand}: {}", describe(&error))).await?,
        }
    }
    out.finish().await
}

/// Without `.` and `..`, whatever the links.
fn lexical(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                found.pop();
            }
            part => found.push(part),
        }
    }
    found
}

/// How to get to `path` from `base`.
fn relative(path: &Path, base: &Path) -> PathBuf {
    let shared = path.components().zip(base.components()).take_while(|(a, b)| a == b).count();
    let up = base.components().skip(shared).map(|_| Component::ParentDir);
    let found: PathBuf = up.chain(path.components().skip(shared)).collect();
    if found.as_os_str().is_empty() { PathBuf::from(".") } else { found }
}
