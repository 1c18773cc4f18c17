//! Walking a tree, one entry at a time, each directory before and after its entries.

use std::{
    fs::{self, Metadata},
    io,
    path::PathBuf,
};

/// Deepest nesting walked: beyond it, a chain of directories is an error and not unbounded memory.
pub(crate) const MAX_DEPTH: usize = 256;

/// What the walk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A directory, before its entries.
    Enter,
    /// The same directory, after its entries.
    Leave,
    /// Anything else; also a link to a directory, which is never followed.
    Leaf,
}

/// One entry.
#[derive(Debug)]
pub(crate) struct Visit {
    /// Where it is in the file system.
    pub(crate) path: PathBuf,
    /// The path as the person would write it: the operand and names below it.
    pub(crate) shown: String,
    /// 0 for the operand itself.
    pub(crate) depth: usize,
    pub(crate) stage: Stage,
    pub(crate) metadata: Metadata,
}

/// A walk over one operand and all below it, names in order.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Each open directory with the entries still to visit, last first.
    open: Vec<(Visit, Vec<(PathBuf, String)>)>,
    root: Option<(PathBuf, String)>,
    enter: bool,
}

impl Walk {
    pub(crate) fn new(path: PathBuf, shown: &str) -> Self {
        Self { open: Vec::new(), root: Some((path, shown.to_owned())), enter: true }
    }

    /// Does not look into the directory that was just entered.
    pub(crate) fn skip(&mut self) {
        self.enter = false;
    }

    /// The next entry; an error names the path as shown and does not end the walk.
    #[allow(clippy::type_complexity, reason = "an error and the path it is about")]
    pub(crate) fn next(&mut self) -> Option<Result<Visit, (String, io::Error)>> {
        if let Some((path, shown)) = self.root.take() {
            return Some(self.visit(path, shown));
        }
        let depth = self.open.len();
        let (directory, entries) = self.open.last_mut()?;
        if !std::mem::replace(&mut self.enter, true) {
            entries.clear();
        } else if directory.stage == Stage::Enter {
            directory.stage = Stage::Leave;
            if depth >= MAX_DEPTH {
                let error = io::Error::other("directories are nested too deeply");
                return Some(Err((directory.shown.clone(), error)));
            }
            match list(&directory.path) {
                Ok(names) => {
                    let base = directory.shown.trim_end_matches('/');
                    *entries = names
                        .into_iter()
                        .rev()
                        .map(|name| (directory.path.join(&name), format!("{base}/{name}")))
                        .collect();
                }
                Err(error) => return Some(Err((directory.shown.clone(), error))),
            }
        }
        if let Some((path, shown)) = entries.pop() {
            return Some(self.visit(path, shown));
        }
        let (mut directory, _) = self.open.pop()?;
        directory.stage = Stage::Leave;
        Some(Ok(directory))
    }

    fn visit(&mut self, path: PathBuf, shown: String) -> Result<Visit, (String, io::Error)> {
        let metadata = fs::symlink_metadata(&path).map_err(|error| (shown.clone(), error))?;
        let stage = if metadata.is_dir() { Stage::Enter } else { Stage::Leaf };
        let depth = self.open.len();
        let visit = Visit { path, shown, depth, stage, metadata };
        if stage == Stage::Enter {
            let copy = Visit {
                path: visit.path.clone(),
                shown: visit.shown.clone(),
                metadata: visit.metadata.clone(),
                ..visit
            };
            self.open.push((copy, Vec::new()));
        }
        Ok(visit)
    }
}

/// The names in a directory, in order.
pub(crate) fn list(path: &std::path::Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}
