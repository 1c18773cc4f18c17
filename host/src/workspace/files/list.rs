//! Listing a tree page by page, in the order of its paths.

use std::collections::BTreeSet;
use std::ops::Bound;

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use wire::file::{FileEntry, FileKind, MAX_LISTING};

use super::{blocking, entry_of};
use crate::workspace::tree::Tree;
use crate::workspace::{MAX_PATH_BYTES, Workspace, WorkspaceError, path};

/// Part of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// In the order of their paths, name by name: a directory comes before what it holds, and
    /// that before its next neighbour.
    pub entries: Vec<FileEntry>,
    /// Where the next part begins; `None` when this is the last one.
    pub next_cursor: Option<String>,
}

impl Workspace {
    /// Everything whose path begins with `prefix`, directories and links themselves included, at
    /// most `limit` and [`MAX_LISTING`] entries after `cursor`. Links are not followed. A prefix
    /// that names nothing has an empty listing.
    ///
    /// Each part is read as the tree is then: what exists throughout is listed exactly once.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::InvalidPath`], [`WorkspaceError::NameTooLong`], or when the disk refuses.
    pub async fn list(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Listing, WorkspaceError> {
        let (tree, prefix, cursor) = (self.tree.clone(), prefix.to_owned(), cursor.map(str::to_owned));
        blocking(move || list(&tree, &prefix, cursor.as_deref(), limit.clamp(1, MAX_LISTING))).await
    }
}

fn list(tree: &Tree, prefix: &str, cursor: Option<&str>, limit: usize) -> Result<Listing, WorkspaceError> {
    let (parent, name) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    if name.contains('\0') {
        return Err(WorkspaceError::InvalidPath);
    }
    if prefix.len() > MAX_PATH_BYTES {
        return Err(WorkspaceError::NameTooLong);
    }
    let nothing = Listing { entries: Vec::new(), next_cursor: None };
    let (dir, base) = if parent.is_empty() && prefix.len() == name.len() {
        (tree.root.try_clone()?, String::new())
    } else {
        match tree.root.open_dir(path::of_caller(parent)?).map_err(WorkspaceError::from) {
            Ok(dir) => (dir, format!("{parent}/")),
            Err(WorkspaceError::NotFound | WorkspaceError::NotDirectory) => return Ok(nothing),
            Err(error) => return Err(error),
        }
    };
    let after: Vec<&str> = match cursor {
        None => Vec::new(),
        Some(cursor) => {
            path::of_caller(cursor)?;
            // A cursor of another prefix is not this listing's.
            let below = cursor.strip_prefix(&base).ok_or(WorkspaceError::InvalidPath)?;
            below.split('/').collect()
        }
    };
    let mut page = Page { entries: Vec::new(), limit };
    page.walk(&dir, &base, name, &after)?;
    let more = page.entries.len() > limit;
    page.entries.truncate(limit);
    let next_cursor = page.entries.last().filter(|_| more).map(|entry| entry.path.clone());
    Ok(Listing { entries: page.entries, next_cursor })
}

struct Page {
    entries: Vec<FileEntry>,
    limit: usize,
}

impl Page {
    /// One more than the page holds is looked for, to know whether there is more.
    fn full(&self) -> bool {
        self.entries.len() > self.limit
    }

    /// `base` is the path of `dir` with its slash; `after` is the cursor below it, if it is there.
    fn walk(&mut self, dir: &Dir, base: &str, prefix: &str, after: &[&str]) -> Result<(), WorkspaceError> {
        let mut from = Bound::Included(after.first().copied().unwrap_or("").to_owned());
        while !self.full() {
            let names = first_names(dir, prefix, &from)?;
            for name in &names {
                if self.full() {
                    return Ok(());
                }
                // Gone since its directory was read.
                let Ok(stat) = Tree::stat(dir, name.as_ref(), false) else { continue };
                let Some(entry) = entry_of(format!("{base}{name}"), &stat) else { continue };
                let below = entry.kind == FileKind::Directory;
                let at_cursor = after.first() == Some(&name.as_str());
                let inside = format!("{base}{name}/");
                if !at_cursor {
                    self.entries.push(entry);
                }
                if below {
                    let Ok(dir) = dir.open_dir_nofollow(name) else { continue };
                    self.walk(&dir, &inside, "", if at_cursor { &after[1..] } else { &[] })?;
                }
            }
            match names.last() {
                Some(last) if names.len() == MAX_LISTING => from = Bound::Excluded(last.clone()),
                _ => return Ok(()),
            }
        }
        Ok(())
    }
}

/// A directory's first [`MAX_LISTING`] names from `from` on: the largest directory costs no more
/// memory than the longest page.
fn first_names(dir: &Dir, prefix: &str, from: &Bound<String>) -> Result<BTreeSet<String>, WorkspaceError> {
    let wanted = |name: &String| match from {
        Bound::Included(first) => name >= first,
        Bound::Excluded(last) => name > last,
        Bound::Unbounded => true,
    };
    let mut names = BTreeSet::new();
    for entry in dir.entries()? {
        // What is not UTF-8 has no path to be asked for by.
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if name.starts_with(prefix) && wanted(&name) {
            names.insert(name);
            if names.len() > MAX_LISTING {
                names.pop_last();
            }
        }
    }
    Ok(names)
}
