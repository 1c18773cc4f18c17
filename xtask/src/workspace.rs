//! Where things are, and how to call the tools.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

/// What `main` read from the process's environment.
pub(crate) struct Environment {
    /// The cargo that runs this.
    pub(crate) cargo: PathBuf,
    /// `CARGO_TARGET_DIR`.
    pub(crate) target: Option<PathBuf>,
    /// `PATH`.
    pub(crate) path: String,
    /// The user's home.
    pub(crate) home: Option<PathBuf>,
    /// Whether this is CI: then nothing optional is skipped silently.
    pub(crate) ci: bool,
    /// Where things that outlive a clone are kept.
    pub(crate) cache: Option<PathBuf>,
}

/// The repository and its surroundings.
pub(crate) struct Workspace {
    /// The repository.
    pub(crate) root: PathBuf,
    /// Cargo's target directory for the host.
    pub(crate) target: PathBuf,
    /// See [`Environment`].
    pub(crate) env: Environment,
}

impl Workspace {
    pub(crate) fn new(env: Environment) -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().unwrap_or(manifest).to_owned();
        let target = env.target.as_ref().map_or_else(|| root.join("target"), |dir| root.join(dir));
        Self { root, target, env }
    }

    /// A cargo command, run in the repository.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = self.command(&self.env.cargo);
        command.args(args);
        command
    }

    /// Another command, run in the repository.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// Stamps and logs of this program. Not in cargo's target directory of the host: what they describe
    /// (guests, page) is in the repository's own.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("target/xtask")
    }

    /// The first of `names` that `PATH` has.
    pub(crate) fn which(&self, names: &[&str]) -> Option<PathBuf> {
        let dirs: Vec<&str> = self.env.path.split(':').filter(|dir| !dir.is_empty()).collect();
        names
            .iter()
            .flat_map(|name| dirs.iter().map(move |dir| Path::new(dir).join(name)))
            .find(|path| path.is_file())
    }

    /// Whether a cargo subcommand such as `nextest` is installed.
    pub(crate) fn has_cargo(&self, subcommand: &str) -> bool {
        let name = format!("cargo-{subcommand}");
        let beside = self.env.home.as_ref().map(|home| home.join(".cargo/bin").join(&name));
        self.which(&[&name]).is_some() || beside.is_some_and(|path| path.is_file())
    }
}

/// An exclusive lock, released when dropped: two `xtask`s must not set up the same thing at once.
pub(crate) fn lock(path: &Path, waiting: impl FnOnce()) -> Result<File> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
        waiting();
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

/// Copies only when the contents differ, so that what depends on the time of `to` is not built again.
pub(crate) fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    match fs::read(to) {
        Ok(old) if old == bytes => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", to.display())),
    }
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    let part = to.with_extension("part");
    fs::write(&part, bytes).with_context(|| format!("cannot write {}", part.display()))?;
    fs::rename(&part, to).with_context(|| format!("cannot write {}", to.display()))
}
