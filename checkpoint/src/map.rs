//! Going through everything a checkpoint names, always in the same order: pages, files that have no name any more,
//! the terminal, the log, the tree.

use crate::manifest::{
    Checkpoint, Content, Entry, Guest, Journal, Memory, Node, OpenFile, Tail, Terminal, Tree,
};

impl<A> Checkpoint<A> {
    /// The same checkpoint with other names for its bytes.
    ///
    /// # Errors
    /// The first one of `map`.
    pub fn try_map<B, E>(self, map: &mut impl FnMut(A) -> Result<B, E>) -> Result<Checkpoint<B>, E> {
        Ok(Checkpoint {
            agent: self.agent,
            id: self.id,
            epoch: self.epoch,
            timeline: self.timeline,
            taken_at_ms: self.taken_at_ms,
            image: self.image,
            instrumenter: self.instrumenter,
            guest: self.guest.map(|guest| guest.try_map(map)).transpose()?,
            operations: self.operations,
            mailbox: self.mailbox,
            inbox: self.inbox,
            terminal: self.terminal.try_map(map)?,
            journal: self.journal.try_map(map)?,
            inputs: self.inputs,
            monotonic_ns: self.monotonic_ns,
            meters: self.meters,
            tree: self.tree.map(map).transpose()?,
        })
    }

    /// Shows `see` every chunk, in the order of [`Self::try_map`].
    pub fn each_chunk(&self, see: &mut impl FnMut(&A)) {
        if let Some(guest) = &self.guest {
            guest.each_chunk(see);
        }
        self.terminal.tail.each_chunk(see);
        self.journal.tail.each_chunk(see);
        self.tree.iter().for_each(see);
    }
}

impl<A> Guest<A> {
    /// See [`Checkpoint::try_map`].
    ///
    /// # Errors
    /// The first one of `map`.
    pub fn try_map<B, E>(self, map: &mut impl FnMut(A) -> Result<B, E>) -> Result<Guest<B>, E> {
        let mut memories = Vec::with_capacity(self.memories.len());
        for Memory { wasm_pages, pages } in self.memories {
            let pages = pages.into_iter().map(|(index, page)| Ok((index, map(page)?)));
            memories.push(Memory { wasm_pages, pages: pages.collect::<Result<_, E>>()? });
        }
        let mut files = Vec::with_capacity(self.files.len());
        for OpenFile { path, content } in self.files {
            files.push(OpenFile { path, content: content.try_map(map)? });
        }
        Ok(Guest { memories, globals: self.globals, files, handles: self.handles })
    }

    /// See [`Checkpoint::each_chunk`].
    pub fn each_chunk(&self, see: &mut impl FnMut(&A)) {
        for memory in &self.memories {
            memory.pages.iter().for_each(|(_, page)| see(page));
        }
        for file in &self.files {
            file.content.each_chunk(see);
        }
    }
}

impl<A> Content<A> {
    /// See [`Checkpoint::try_map`].
    ///
    /// # Errors
    /// The first one of `map`.
    pub fn try_map<B, E>(self, map: &mut impl FnMut(A) -> Result<B, E>) -> Result<Content<B>, E> {
        let pieces = self.pieces.into_iter().map(|piece| piece.map(&mut *map).transpose());
        Ok(Content { size: self.size, pieces: pieces.collect::<Result<_, E>>()? })
    }

    /// See [`Checkpoint::each_chunk`].
    pub fn each_chunk(&self, see: &mut impl FnMut(&A)) {
        self.pieces.iter().flatten().for_each(see);
    }
}

impl<A> Tail<A> {
    /// See [`Checkpoint::try_map`].
    ///
    /// # Errors
    /// The first one of `map`.
    pub fn try_map<B, E>(self, map: &mut impl FnMut(A) -> Result<B, E>) -> Result<Tail<B>, E> {
        let segments = self.segments.into_iter().map(map).collect::<Result<_, E>>()?;
        Ok(Tail { from: self.from, segments, rest: self.rest })
    }

    /// See [`Checkpoint::each_chunk`].
    pub fn each_chunk(&self, see: &mut impl FnMut(&A)) {
        self.segments.iter().for_each(see);
    }
}

impl<A> Terminal<A> {
    /// See [`Checkpoint::try_map`].
    ///
    /// # Errors
    /// The first one of `map`.
    pub fn try_map<B, E>(self, map: &mut impl FnMut(A) -> Result<B, E>) -> Result<Terminal<B>, E> {
        Ok(Terminal {
            generation: self.generation,
            head: self.head,
            cols: self.cols,
            rows: self.rows,
            screen: self.screen,
            screen_at: self.screen_at,
            tail: self.tail.try_map(map)?,
        })
    }
}

impl<A> Journal<A> {
    /// See [`Checkpoint::try_map`].
    ///
    /// # Errors
    /// The first one of `map`.
    pub fn try_map<B, E>(self, map: &mut impl FnMut(A) -> Result<B, E>) -> Result<Journal<B>, E> {
        Ok(Journal { generation: self.generation, last_seq: self.last_seq, tail: self.tail.try_map(map)? })
    }
}

impl<A> Tree<A> {
    /// See [`Checkpoint::try_map`].
    ///
    /// # Errors
    /// The first one of `map`.
    pub fn try_map<B, E>(self, map: &mut impl FnMut(A) -> Result<B, E>) -> Result<Tree<B>, E> {
        let entries = self.entries.into_iter().map(|Entry { path, modified_ns, node }| {
            let node = match node {
                Node::File(content) => Node::File(content.try_map(map)?),
                Node::Directory => Node::Directory,
                Node::Link(target) => Node::Link(target),
            };
            Ok(Entry { path, modified_ns, node })
        });
        Ok(Tree { entries: entries.collect::<Result<_, E>>()? })
    }

    /// See [`Checkpoint::each_chunk`].
    pub fn each_chunk(&self, see: &mut impl FnMut(&A)) {
        for entry in &self.entries {
            if let Node::File(content) = &entry.node {
                content.each_chunk(see);
            }
        }
    }
}

/// What a checkpoint or a tree refers to, added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extent {
    /// Bytes, as stored; a chunk that is named twice counts twice.
    pub stored: u64,
    /// The packs they are in.
    pub packs: std::collections::BTreeSet<wire::PackId>,
}

impl Extent {
    /// Counts one more chunk.
    pub fn add(&mut self, chunk: &crate::ChunkRef) {
        self.stored = self.stored.saturating_add(u64::from(chunk.stored));
        self.packs.insert(chunk.pack);
    }
}

impl Checkpoint {
    /// All chunks it names itself: those of its tree are in the [`Tree`].
    #[must_use]
    pub fn chunks(&self) -> Vec<crate::ChunkRef> {
        let mut chunks = Vec::new();
        self.each_chunk(&mut |chunk| chunks.push(*chunk));
        chunks
    }

    /// What it refers to itself: what its tree does is in the [`Tree`].
    #[must_use]
    pub fn extent(&self) -> Extent {
        let mut extent = Extent::default();
        self.each_chunk(&mut |chunk| extent.add(chunk));
        extent
    }
}

impl Tree {
    /// All chunks of its files.
    #[must_use]
    pub fn chunks(&self) -> Vec<crate::ChunkRef> {
        let mut chunks = Vec::new();
        self.each_chunk(&mut |chunk| chunks.push(*chunk));
        chunks
    }

    /// What its files refer to.
    #[must_use]
    pub fn extent(&self) -> Extent {
        let mut extent = Extent::default();
        self.each_chunk(&mut |chunk| extent.add(chunk));
        extent
    }
}
