//! Checkpoints and trees as bytes.
//!
//! Both begin with eight bytes that say what they are, the version of the format (`u16`, little-endian), how the
//! body is stored (one byte: 0 as it is, 1 a zstd frame) and how long it is (`u32`, little-endian). The body is
//! postcard: the table of packs, the hashes of all chunks one after the other, where each of them lies, and the
//! value itself with a zero byte in the place of each chunk. Chunks come in the order of
//! [`Checkpoint::try_map`], and say where they lie by the distance from the end of the one before them in the same
//! pack, which mostly is none. A chunk so takes little more than its hash.
//!
//! A change to any type below [`manifest`](crate::manifest) changes the body: it takes a new version, and a reader
//! of both.

use std::borrow::Cow;

use serde::{Serialize, de::DeserializeOwned};
use wire::{AgentId, Digest};

use crate::{
    ChunkRef, frame,
    limits::{self, MAX_MANIFEST_BODY_BYTES, MAX_TREE_BODY_BYTES},
    manifest::{Checkpoint, Tree},
};

mod table;

use table::{Here, Table};

/// The version of the format that is written, and the only one there is.
pub const FORMAT: u16 = 1;
const CHECKPOINT_MAGIC: [u8; 8] = *b"OCCHKPT\n";
const TREE_MAGIC: [u8; 8] = *b"OCFTREE\n";
/// Magic, version, storage, length.
const HEADER_BYTES: usize = 8 + 2 + 1 + 4;
const AS_IT_IS: u8 = 0;
const ZSTD: u8 = 1;
/// Of zstd: mostly hashes, which no level makes smaller.
const LEVEL: i32 = 1;

/// Why bytes are no checkpoint that this reader takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They are something else.
    #[error("these bytes are something else")]
    Magic,
    /// Written by a newer version of this software.
    #[error("the format has version {found}, and this version reads up to {FORMAT}")]
    Version {
        /// Its version.
        found: u16,
    },
    /// They end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// Something is more than a reader takes.
    #[error("{what}: more than is taken")]
    TooLarge {
        /// What.
        what: &'static str,
    },
    /// They contradict themselves.
    #[error("it contradicts itself: {what}")]
    Inconsistent {
        /// What.
        what: &'static str,
    },
    /// A good checkpoint, but not the one that was asked for.
    #[error("of another {what} than was asked for")]
    Wrong {
        /// What.
        what: &'static str,
    },
}

/// What a checkpoint is read for; `None` is not looked at. One from elsewhere is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expect {
    /// Whose it must be; for a fork, the agent it is forked from.
    pub agent: Option<AgentId>,
    /// Which component it must continue.
    pub image: Option<Digest>,
    /// The version of the instrumenter it must be of.
    pub instrumenter: Option<u32>,
    /// The latest placement that may have taken it.
    pub max_epoch: Option<u64>,
}

impl Checkpoint {
    /// As bytes. A reader takes them if [`Self::check`] holds and there is not too much of it; see
    /// [`Self::try_encode`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut table = Table::default();
        let Ok(value) =
            self.clone().try_map(&mut |chunk| Ok::<_, std::convert::Infallible>(table.add(&chunk)));
        write(CHECKPOINT_MAGIC, &table, &value)
    }

    /// As bytes that a reader takes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn try_encode(&self) -> Result<Vec<u8>, DecodeError> {
        self.check()?;
        believable(self.encode(), MAX_MANIFEST_BODY_BYTES)
    }

    /// From bytes.
    ///
    /// # Errors
    /// When they are none, contradict themselves, or are not what `expect` says.
    pub fn decode(bytes: &[u8], expect: &Expect) -> Result<Self, DecodeError> {
        let (table, value) = read::<Checkpoint<Here>>(bytes, CHECKPOINT_MAGIC, MAX_MANIFEST_BODY_BYTES)?;
        let mut chunks = table.into_iter();
        let checkpoint = value.try_map(&mut |Here| chunks.next().ok_or(COUNT))?;
        if chunks.next().is_some() {
            return Err(COUNT);
        }
        checkpoint.check()?;
        expect.of(&checkpoint)?;
        Ok(checkpoint)
    }
}

impl Tree {
    /// As bytes. A reader takes them if [`Self::check`] holds and there is not too much of it; see
    /// [`Self::try_encode`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut table = Table::default();
        let Ok(value) =
            self.clone().try_map(&mut |chunk| Ok::<_, std::convert::Infallible>(table.add(&chunk)));
        write(TREE_MAGIC, &table, &value)
    }

    /// As bytes that a reader takes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn try_encode(&self) -> Result<Vec<u8>, DecodeError> {
        self.check()?;
        believable(self.encode(), MAX_TREE_BODY_BYTES)
    }

    /// From bytes.
    ///
    /// # Errors
    /// When they are none, or contradict themselves.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (table, value) = read::<Tree<Here>>(bytes, TREE_MAGIC, MAX_TREE_BODY_BYTES)?;
        let mut chunks = table.into_iter();
        let tree = value.try_map(&mut |Here| chunks.next().ok_or(COUNT))?;
        if chunks.next().is_some() {
            return Err(COUNT);
        }
        tree.check()?;
        Ok(tree)
    }
}

const COUNT: DecodeError = DecodeError::Inconsistent { what: "the number of chunks" };
const BODY: DecodeError = DecodeError::Inconsistent { what: "the body" };

impl Expect {
    fn of(&self, found: &Checkpoint) -> Result<(), DecodeError> {
        let is = |wanted: bool, what| if wanted { Ok(()) } else { Err(DecodeError::Wrong { what }) };
        is(self.agent.is_none_or(|agent| agent == found.agent), "agent")?;
        is(self.image.as_ref().is_none_or(|image| *image == found.image), "image")?;
        is(self.instrumenter.is_none_or(|version| version == found.instrumenter), "instrumenter")?;
        is(self.max_epoch.is_none_or(|max| found.epoch <= max), "epoch")
    }
}

fn write(magic: [u8; 8], table: &Table, value: &impl Serialize) -> Vec<u8> {
    let body = postcard::to_stdvec(&(table.stored(), value))
        .unwrap_or_else(|error| unreachable!("a Vec takes everything: {error}"));
    let (storage, stored) = match zstd::bulk::compress(&body, LEVEL) {
        Ok(packed) if packed.len() < body.len() => (ZSTD, packed),
        _ => (AS_IT_IS, Vec::new()),
    };
    let stored = if storage == ZSTD { &stored } else { &body };
    let mut bytes = Vec::with_capacity(HEADER_BYTES + stored.len());
    bytes.extend(magic);
    bytes.extend(FORMAT.to_le_bytes());
    bytes.push(storage);
    // What is longer than this field can say is longer than any reader takes.
    bytes.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(stored);
    bytes
}

/// The length that the header of what [`write`] made says, against the bound for it.
fn believable(bytes: Vec<u8>, max: usize) -> Result<Vec<u8>, DecodeError> {
    match bytes.get(11..HEADER_BYTES).and_then(|field| field.try_into().ok()).map(u32::from_le_bytes) {
        Some(length) if length as usize <= max => Ok(bytes),
        _ => Err(DecodeError::TooLarge { what: "the body" }),
    }
}

fn read<T: DeserializeOwned>(
    bytes: &[u8],
    magic: [u8; 8],
    max: usize,
) -> Result<(Vec<ChunkRef>, T), DecodeError> {
    parse(&body(bytes, magic, max)?)
}

/// The body of something with this magic.
fn body(bytes: &[u8], magic: [u8; 8], max: usize) -> Result<Cow<'_, [u8]>, DecodeError> {
    let begin = &bytes[..bytes.len().min(magic.len())];
    if begin != &magic[..begin.len()] {
        return Err(DecodeError::Magic);
    }
    let (header, stored) = bytes.split_at_checked(HEADER_BYTES).ok_or(DecodeError::Truncated)?;
    let &[.., v0, v1, storage, l0, l1, l2, l3] = header else { return Err(DecodeError::Truncated) };
    let found = u16::from_le_bytes([v0, v1]);
    if found != FORMAT {
        return Err(DecodeError::Version { found });
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > max {
        return Err(DecodeError::TooLarge { what: "the body" });
    }
    match storage {
        AS_IT_IS if stored.len() == length => Ok(stored.into()),
        AS_IT_IS if stored.len() < length => Err(DecodeError::Truncated),
        AS_IT_IS => Err(BODY),
        ZSTD => frame::Unpacker::default().unpack(stored, length).map(Cow::Owned).ok_or(BODY),
        _ => Err(DecodeError::Inconsistent { what: "how the body is stored" }),
    }
}

/// See [`fuzz::plain`](crate::fuzz::plain).
pub(crate) fn plain(bytes: &[u8], max: usize) -> Option<Vec<u8>> {
    let (magic, _) = bytes.split_first_chunk::<8>()?;
    let body = body(bytes, *magic, max).ok()?;
    let mut plain = bytes[..HEADER_BYTES].to_vec();
    plain[10] = AS_IT_IS;
    plain.extend_from_slice(&body);
    Some(plain)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<(Vec<ChunkRef>, T), DecodeError> {
    let (read, refused) = limits::budgeted(|| {
        let (table, rest) = postcard::take_from_bytes::<table::Stored<'_>>(body)?;
        let (value, rest) = postcard::take_from_bytes::<T>(rest)?;
        Ok::<_, postcard::Error>((table, value, rest))
    });
    if refused {
        return Err(DecodeError::TooLarge { what: "a list" });
    }
    let (table, value, rest) = read.map_err(|error| match error {
        postcard::Error::DeserializeUnexpectedEnd => DecodeError::Truncated,
        _ => BODY,
    })?;
    if !rest.is_empty() {
        return Err(DecodeError::Inconsistent { what: "more bytes than the body has" });
    }
    Ok((table.chunks()?, value))
}
