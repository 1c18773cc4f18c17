//! Skips what is up to date: a stamp remembers a hash of the inputs' contents and of the outputs' dates.
//!
//! Contents, not dates, for inputs, because a fresh checkout or a switched branch changes dates only; dates
//! for outputs, because somebody may have built them by other means since.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;

/// Directories that are made, not written.
const MADE: [&str; 5] = ["target", "node_modules", "dist", ".git", ".claw"];

/// One step's inputs and outputs.
pub(crate) struct Stamp {
    file: PathBuf,
    inputs: u64,
    outputs: Vec<PathBuf>,
}

impl Stamp {
    /// A step called `name` that makes `outputs` (absolute) of `inputs` (relative to the repository) and of
    /// `extra`, whatever else decides the result.
    pub(crate) fn new(
        ws: &Workspace,
        name: &str,
        inputs: &[&str],
        extra: &str,
        outputs: Vec<PathBuf>,
    ) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        extra.hash(&mut hasher);
        for input in inputs {
            hash_tree(&ws.root.join(input), &mut hasher).with_context(|| format!("cannot read {input}"))?;
        }
        Ok(Self { file: ws.state().join("stamps").join(name), inputs: hasher.finish(), outputs })
    }

    /// Whether the outputs were made of these very inputs.
    pub(crate) fn is_fresh(&self) -> bool {
        let Ok(written) = fs::read_to_string(&self.file) else { return false };
        self.text().is_ok_and(|now| now == written)
    }

    /// Remembers that the outputs are now made of the inputs.
    pub(crate) fn write(&self) -> Result<()> {
        if let Some(dir) = self.file.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::write(&self.file, self.text()?).with_context(|| format!("cannot write {}", self.file.display()))
    }

    fn text(&self) -> io::Result<String> {
        let mut text = format!("{:016x}\n", self.inputs);
        for output in &self.outputs {
            let meta = fs::metadata(output)?;
            let modified = meta.modified()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
            text.push_str(&format!("{} {} {}\n", output.display(), meta.len(), modified.as_nanos()));
        }
        Ok(text)
    }
}

fn hash_tree(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        // Absent is an input too: the step runs again once it is there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    path.hash(hasher);
    if !meta.is_dir() {
        fs::read(path)?.hash(hasher);
        return Ok(());
    }
    let mut entries: Vec<PathBuf> =
        fs::read_dir(path)?.map(|e| e.map(|e| e.path())).collect::<io::Result<_>>()?;
    entries.sort();
    for entry in entries {
        if !entry.file_name().is_some_and(|name| MADE.iter().any(|made| name == *made)) {
            hash_tree(&entry, hasher)?;
        }
    }
    Ok(())
}

/// The stamp of a single file's contents, for `extra`; empty when it is absent.
pub(crate) fn content(path: &Path) -> String {
    let Ok(bytes) = fs::read(path) else { return String::new() };
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
