//! The directory everything durable of one machine's cloud lives in.
//!
//! One process at a time: it is locked for as long as a [`DataDir`] lives, and the operating system
//! lets go of the lock with the process, however that ends.
//!
//! | entry | what it is |
//! |---|---|
//! | `claw.lock` | the lock; its text is the process that has it |
//! | `format` | the version of this layout |
//! | `claw.db` | the store |
//! | `keys/` | 32 secret bytes each |

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

mod error;
mod key;

pub use error::DataDirError;

/// The version of the layout that this build writes.
pub const FORMAT: u32 = 1;
/// Less free space than this and nothing is started, bytes: a store that fills up in the middle of
/// its work helps nobody.
pub const MIN_FREE_BYTES: u64 = 16 * 1024 * 1024;
/// Longest `format` or `claw.lock` that is read, bytes.
const MAX_TEXT_BYTES: u64 = 64;

/// A data directory, locked.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Held, never read: dropping it unlocks.
    _lock: File,
}

impl DataDir {
    /// Opens a directory, making it (mode 0700) when it is not there.
    ///
    /// # Errors
    /// It is in use, not writable, nearly full or of a newer version; nothing in it was changed, and
    /// the error says what to do and with which code to exit.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let at = |source| DataDirError::io(path, source);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at)?;
        let lock = lock(path)?;
        let space = rustix::fs::statvfs(path).map_err(|source| at(source.into()))?;
        check_space(path, space.f_bavail.saturating_mul(space.f_frsize))?;
        check_format(path)?;
        sign(&lock).map_err(at)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the store's database is.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("claw.db")
    }

    /// A key of 32 random bytes, the same for ever after: made (mode 0600) when first asked for.
    /// `name` is a file name of ours, not a caller's.
    ///
    /// # Errors
    /// It cannot be read or made, or is not 32 bytes long.
    pub fn secret_key(&self, name: &'static str) -> Result<[u8; 32], DataDirError> {
        key::read_or_make(&self.path.join("keys"), name)
    }
}

fn lock(path: &Path) -> Result<File, DataDirError> {
    let file = path.join("claw.lock");
    let at = |source| DataDirError::io(&file, source);
    let lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&file)
        .map_err(at)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            let process = read_text(&file).ok().and_then(|text| text.trim().parse().ok());
            Err(DataDirError::Locked { path: path.to_owned(), process })
        }
        Err(TryLockError::Error(source)) => Err(at(source)),
    }
}

/// Writes who has the lock, for whoever comes second.
fn sign(mut lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn check_space(path: &Path, free_bytes: u64) -> Result<(), DataDirError> {
    if free_bytes < MIN_FREE_BYTES {
        return Err(DataDirError::NoSpace { path: path.to_owned(), free_bytes: Some(free_bytes) });
    }
    Ok(())
}

fn check_format(path: &Path) -> Result<(), DataDirError> {
    let file = path.join("format");
    let at = |source| DataDirError::io(&file, source);
    let text = match read_text(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return write_new(path, "format", format!("{FORMAT}\n").as_bytes()).map_err(at);
        }
        Err(error) if error.kind() == ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(at(error)),
    };
    match text.trim().parse::<u32>() {
        Ok(found) if found > FORMAT => {
            Err(DataDirError::Newer { path: path.to_owned(), found, supported: FORMAT })
        }
        Ok(1..) => Ok(()),
        _ => Err(DataDirError::Corrupt { path: file, what: "not the version of a data directory" }),
    }
}

fn read_text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(MAX_TEXT_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a file that is there whole or not at all, also after a power cut; one that is there stays.
fn write_new(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = directory.join(format!(".{name}.new"));
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let linked = match fs::hard_link(&temporary, directory.join(name)) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    };
    fs::remove_file(&temporary)?;
    linked?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests;
