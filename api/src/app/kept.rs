//! What is read of an agent that is on no host: its files and its log, from its checkpoint.

use std::{cmp::Ordering, collections::VecDeque, ops::Range};

use axum::body::Body;
use bytes::Bytes;
use checkpoint::{
    Checkpoint, ChunkRef, Expect,
    manifest::{Content, Entry, FILE_PIECE_BYTES, Node, Tree},
};
use depot::{Depot, DepotError};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use wire::{
    agent::Page,
    file::{ByteRange, FileEntry, FileKind},
    log::{Level, LogEntry},
    problem::Code,
};

use super::App;
use crate::{domain::agent::Agent, edge::Chain, error::Error, hosts::Streamed};

/// Pieces of a file that are fetched at once.
const PIECES: usize = 16;
/// Links followed on the way to a file.
const MAX_LINKS: usize = 32;

impl App {
    /// A file's bytes, or the part that `range` names.
    pub(super) async fn kept_file(
        &self,
        agent: &Agent,
        path: &str,
        range: Option<&str>,
    ) -> Result<Streamed, Error> {
        let tree = self.kept_tree(agent).await?;
        let content = match find(&tree, path)? {
            Node::File(content) => content.clone(),
            Node::Directory => return Err(Error::with(Code::InvalidState, "it is a directory")),
            Node::Link(_) => return Err(Error::not_found()),
        };
        let part = range.and_then(ByteRange::parse).map(|range| range.of(content.size));
        let mut headers = HeaderMap::new();
        let mut set = |name, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        set(header::ACCEPT_RANGES, "bytes".to_owned());
        let (status, bytes) = match part {
            None => (StatusCode::OK, 0..content.size),
            Some(Some(bytes)) => {
                let last = bytes.end - 1;
                set(header::CONTENT_RANGE, format!("bytes {}-{last}/{}", bytes.start, content.size));
                (StatusCode::PARTIAL_CONTENT, bytes)
            }
            Some(None) => {
                let detail = format!("the file has {} bytes", content.size);
                return Err(Error::with(Code::RangeNotSatisfiable, detail));
            }
        };
        set(header::CONTENT_LENGTH, (bytes.end - bytes.start).to_string());
        let body = Body::from_stream(read(self.depot.clone(), content, bytes));
        Ok(Streamed { status, headers, body })
    }

    /// Entries below a prefix, in the order of hosts' own listings: name by name.
    pub(super) async fn kept_files(
        &self,
        agent: &Agent,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<FileEntry>, Error> {
        let tree = self.kept_tree(agent).await?;
        let after = |entry: &Entry<ChunkRef>| {
            cursor.is_none_or(|cursor| by_names(&entry.path, cursor) == Ordering::Greater)
        };
        let mut found: Vec<&Entry<ChunkRef>> =
            tree.entries.iter().filter(|entry| entry.path.starts_with(prefix) && after(entry)).collect();
        found.sort_unstable_by(|a, b| by_names(&a.path, &b.path));
        let more = found.len() > limit;
        found.truncate(limit);
        let data: Vec<FileEntry> = found.into_iter().map(view).collect();
        let next_cursor = data.last().filter(|_| more).map(|entry| entry.path.clone());
        Ok(Page { data, next_cursor })
    }

    /// Log entries as JSON lines, as a host gives them; there are no more to follow.
    pub(super) async fn kept_logs(
        &self,
        agent: &Agent,
        after: Option<u64>,
        level: Option<Level>,
    ) -> Result<Streamed, Error> {
        let checkpoint = self.kept(agent).await?;
        let tail = checkpoint.journal.tail;
        let read = self.depot.chunks(&tail.segments).await.map_err(unreadable)?;
        let mut bytes = Vec::with_capacity(read.iter().map(Bytes::len).sum::<usize>() + tail.rest.len());
        read.iter().for_each(|segment| bytes.extend_from_slice(segment));
        bytes.extend_from_slice(&tail.rest);
        let (after, level) = (after.unwrap_or(0), level.unwrap_or(Level::Trace));
        let mut lines = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            // The first may be the rest of one that was dropped.
            let Ok(entry) = serde_json::from_slice::<LogEntry>(line) else { continue };
            if entry.seq > after && entry.level >= level {
                lines.extend_from_slice(line);
            }
        }
        Ok(Streamed { status: StatusCode::OK, headers: HeaderMap::new(), body: lines.into() })
    }

    async fn kept_tree(&self, agent: &Agent) -> Result<Tree, Error> {
        match self.kept(agent).await?.tree {
            Some(tree) => self.depot.tree(&tree).await.map_err(unreadable),
            None => Ok(Tree::default()),
        }
    }

    /// An agent's last checkpoint, or the one before when that is damaged.
    async fn kept(&self, agent: &Agent) -> Result<Checkpoint, Error> {
        let none = || Error::with(Code::InvalidState, "the agent has no checkpoint yet");
        let last = agent.checkpoint.as_ref().ok_or_else(none)?;
        let expect = |at: &wire::checkpoint::CheckpointRef| Expect {
            // A fork's first one is another agent's.
            agent: agent.parent.is_none_or(|from| from.checkpoint != at.id).then_some(agent.id),
            ..Expect::default()
        };
        let error = match self.depot.manifest(last, &expect(last)).await {
            Ok(checkpoint) => return Ok(checkpoint),
            Err(error) => error,
        };
        match agent.previous.as_ref().filter(|_| !error.is_temporary()) {
            Some(previous) => {
                tracing::error!(agent = %agent.id, error = %Chain(&error), "a checkpoint is damaged");
                self.depot.manifest(previous, &expect(previous)).await.map_err(unreadable)
            }
            None => Err(unreadable(error)),
        }
    }
}

fn unreadable(error: DepotError) -> Error {
    if error.is_temporary() {
        let told = Error::with(Code::Unavailable, "the agent's checkpoint cannot be read now");
        return Error { source: Some(std::sync::Arc::new(error)), ..told }
            .retry_after(std::time::Duration::from_secs(1));
    }
    Error::internal(error)
}

fn view(entry: &Entry<ChunkRef>) -> FileEntry {
    let (kind, size_bytes) = match &entry.node {
        Node::File(content) => (FileKind::File, content.size),
        Node::Directory => (FileKind::Directory, 0),
        Node::Link(target) => (FileKind::Symlink, target.len() as u64),
    };
    // A guest may have set a time that no calendar knows.
    let modified_at = Timestamp::from_nanosecond(entry.modified_ns.into()).unwrap_or(Timestamp::UNIX_EPOCH);
    FileEntry { path: entry.path.clone(), kind, size_bytes, modified_at }
}

/// A directory before what is in it, and that before its next neighbour.
fn by_names(a: &str, b: &str) -> Ordering {
    a.split('/').cmp(b.split('/'))
}

fn entry<'a>(tree: &'a Tree, path: &str) -> Option<&'a Node<ChunkRef>> {
    let at = tree.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
    Some(&tree.entries[at].node)
}

/// What a path leads to, links followed as far as they stay inside.
fn find<'a>(tree: &'a Tree, path: &str) -> Result<&'a Node<ChunkRef>, Error> {
    let mut left: VecDeque<String> = path.split('/').map(str::to_owned).collect();
    let mut at: Vec<String> = Vec::new();
    let mut links = 0;
    let mut found = &Node::Directory;
    while let Some(part) = left.pop_front() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                // Above `/work` there is nothing to be found.
                at.pop().ok_or_else(Error::not_found)?;
                found = &Node::Directory;
                continue;
            }
            _ => at.push(part),
        }
        found = entry(tree, &at.join("/")).ok_or_else(Error::not_found)?;
        if let Node::Link(target) = found {
            links += 1;
            if links > MAX_LINKS || target.starts_with('/') {
                return Err(Error::not_found());
            }
            at.pop();
            for part in target.split('/').rev() {
                left.push_front(part.to_owned());
            }
            found = &Node::Directory;
        }
    }
    Ok(found)
}

/// A part of a file, a few pieces at a time.
fn read(
    depot: Depot,
    content: Content<ChunkRef>,
    part: Range<u64>,
) -> impl futures_util::Stream<Item = Result<Bytes, DepotError>> + Send {
    stream::try_unfold((part.start, VecDeque::new()), move |(mut at, mut ready): (u64, VecDeque<Bytes>)| {
        let (depot, content, end) = (depot.clone(), content.clone(), part.end);
        async move {
            if ready.is_empty() && at < end {
                ready = fetch(&depot, &content, at..end).await?;
            }
            let Some(bytes) = ready.pop_front() else { return Ok(None) };
            at += bytes.len() as u64;
            Ok(Some((bytes, (at, ready))))
        }
    })
}

/// The next pieces of a part of a file, cut to it; holes are zeros.
async fn fetch(
    depot: &Depot,
    content: &Content<ChunkRef>,
    part: Range<u64>,
) -> Result<VecDeque<Bytes>, DepotError> {
    const PIECE: u64 = FILE_PIECE_BYTES as u64;
    let first = usize::try_from(part.start / PIECE).unwrap_or(usize::MAX);
    let pieces = content.pieces.iter().enumerate().skip(first).take(PIECES);
    let pieces: Vec<(usize, Option<ChunkRef>)> = pieces.map(|(index, piece)| (index, *piece)).collect();
    let refs: Vec<ChunkRef> = pieces.iter().filter_map(|(_, piece)| *piece).collect();
    let mut read = depot.chunks(&refs).await?.into_iter();
    let mut ready = VecDeque::new();
    for (index, piece) in pieces {
        let begin = index as u64 * PIECE;
        let size = PIECE.min(content.size.saturating_sub(begin));
        let bytes = match piece {
            Some(_) => read.next().unwrap_or_default(),
            None => vec![0; usize::try_from(size).unwrap_or(0)].into(),
        };
        let from = part.start.saturating_sub(begin).min(bytes.len() as u64);
        let to = part.end.saturating_sub(begin).min(bytes.len() as u64);
        if from < to {
            let cut = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            ready.push_back(bytes.slice(cut(from)..cut(to)));
        }
    }
    Ok(ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(entries: &[(&str, Node<ChunkRef>)]) -> Tree {
        let mut entries: Vec<Entry<ChunkRef>> = entries
            .iter()
            .map(|(path, node)| Entry { path: (*path).to_owned(), modified_ns: 0, node: node.clone() })
            .collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Tree { entries }
    }

    fn link(target: &str) -> Node<ChunkRef> {
        Node::Link(target.to_owned())
    }

    #[test]
    fn links_are_followed_inside_and_nowhere_else() {
        let file = Node::File(Content::default());
        let tree = tree(&[
            ("a", Node::Directory),
            ("a/file", file.clone()),
            ("a/up", link("../b")),
            ("b", link("a/./file")),
            ("dir", link("a")),
            ("loop", link("loop")),
            ("out", link("../etc/passwd")),
            ("top", link("/work/a/file")),
        ]);
        for inside in ["a/file", "a/up", "b", "dir/file", "dir/up"] {
            assert_eq!(find(&tree, inside).unwrap(), &file, "{inside}");
        }
        for outside in ["loop", "out", "top", "a/none", "b/file", "none"] {
            assert_eq!(find(&tree, outside).unwrap_err().code, Code::NotFound, "{outside}");
        }
    }

    #[test]
    fn names_are_compared_part_by_part() {
        assert_eq!(by_names("a/x", "a-b"), Ordering::Less);
        assert_eq!(by_names("a", "a/x"), Ordering::Less);
        assert_eq!(by_names("a/x", "a/x"), Ordering::Equal);
    }
}
