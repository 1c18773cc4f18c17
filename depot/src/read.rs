//! What is read, and verified before it is handed out.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    slice,
};

use bytes::{Bytes, BytesMut};
use checkpoint::{
    Checkpoint, ChunkRef, Expect,
    chunk::{ChunkError, Unpacker},
    hash,
    manifest::Tree,
    pack::MAX_CHUNK_BYTES,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{GetOptions, ObjectStoreExt as _, path::Path};
use wire::{Digest, PackId, checkpoint::CheckpointRef};

use crate::{Depot, DepotError, add, names, write::gave_up};

/// Chunks of one pack that are asked for at once, bytes as stored; a longer chunk goes alone.
const BATCH_BYTES: u64 = 8 << 20;
/// Requests of one call that are under way at the same time.
const BATCHES: usize = 8;
/// From here on, bytes: work that is not done on a thread that serves others.
const MUCH: usize = 128 * 1024;
/// What was read damaged is read once more: it may have been the way and not the store.
const READS: usize = 2;

impl Depot {
    /// Reads chunks, in the order they are given, from as few and long ranges as there are.
    ///
    /// # Errors
    /// When one of them cannot be read, or is not what it was.
    pub async fn chunks(&self, refs: &[ChunkRef]) -> Result<Vec<Bytes>, DepotError> {
        let mut found = self.0.cache.find(refs);
        let mut wanted: HashMap<ChunkRef, Vec<usize>> = HashMap::new();
        for (at, chunk) in refs.iter().enumerate() {
            if found[at].is_none() {
                wanted.entry(*chunk).or_default().push(at);
            }
        }
        if !wanted.is_empty() {
            let mut reads = stream::iter(batches(wanted.keys().copied()))
                .map(|(pack, batch)| self.batch(pack, batch))
                .buffer_unordered(BATCHES);
            while let Some(read) = reads.try_next().await? {
                self.0.cache.keep(read.iter().map(|(chunk, bytes)| (chunk, bytes)));
                for (chunk, bytes) in read {
                    for at in &wanted[&chunk] {
                        found[*at] = Some(bytes.clone());
                    }
                }
            }
        }
        let missing = || DepotError::Unavailable("a chunk was not read".to_owned());
        found.into_iter().map(|bytes| bytes.ok_or_else(missing)).collect()
    }

    /// Has chunks at hand that were just stored: who reads them soon need not wait for the store. Their bytes are what
    /// their hashes say.
    pub fn keep(&self, chunks: &[(ChunkRef, Bytes)]) {
        self.0.cache.keep(chunks.iter().map(|(chunk, bytes)| (chunk, bytes)));
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// When it cannot be read, is not what it was, or not what `expect` says.
    pub async fn manifest(&self, at: &CheckpointRef, expect: &Expect) -> Result<Checkpoint, DepotError> {
        let what = at.id.to_string();
        let (bytes, max) = (u64::from(at.length), MAX_CHUNK_BYTES as u64);
        let end = at.offset.checked_add(bytes);
        let Some(end) = end.filter(|_| bytes <= max) else {
            return Err(DepotError::TooLarge { what, bytes, max });
        };
        let (name, sha256, range) = (names::pack(at.pack), at.sha256.to_bytes(), at.offset..end);
        let mut read = None;
        for _ in 0..READS {
            let mut ranges = self.ranges(&name, slice::from_ref(&range), &at.pack).await?;
            read = ranges.pop().filter(|read| hash(read) == sha256);
            if read.is_some() {
                break;
            }
            add(&self.0.counters.failures, 1);
        }
        let Some(read) = read else {
            return Err(DepotError::Corrupt { what, why: "its hash is another".to_owned() });
        };
        let expect = expect.clone();
        let decoded = heavy(read.len(), move || Checkpoint::decode(&read, &expect)).await?;
        let checkpoint = decoded.map_err(|why| DepotError::Refused { what: what.clone(), why })?;
        if checkpoint.id == at.id {
            Ok(checkpoint)
        } else {
            Err(DepotError::Refused { what, why: checkpoint::DecodeError::Wrong { what: "checkpoint" } })
        }
    }

    /// Reads the list of an agent's files.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it was.
    pub async fn tree(&self, at: &ChunkRef) -> Result<Tree, DepotError> {
        let read = self.chunks(slice::from_ref(at)).await?;
        let what = format!("a list of files in {}", at.pack);
        let Some(read) = read.into_iter().next() else { return Err(DepotError::Missing { what }) };
        let decoded = heavy(read.len(), move || Tree::decode(&read)).await?;
        decoded.map_err(|why| DepotError::Refused { what, why })
    }

    /// Reads a component of at most `max` bytes.
    ///
    /// # Errors
    /// When it cannot be read, or is another.
    pub async fn image(&self, digest: &Digest, max: usize) -> Result<Bytes, DepotError> {
        let name = names::image(digest);
        let what = || digest.to_string();
        for _ in 0..READS {
            let read = || self.whole(&name, max as u64);
            let read = self.tries(self.0.patience.write, read).await;
            let read = read.map_err(|why| gave_up(why, digest))?;
            let bytes =
                read.map_err(|bytes| DepotError::TooLarge { what: what(), bytes, max: max as u64 })?;
            add(&self.0.counters.gets, 1);
            add(&self.0.counters.bytes_in, bytes.len() as u64);
            let (expected, verified) = (digest.to_bytes(), bytes.clone());
            if heavy(bytes.len(), move || hash(&verified) == expected).await? {
                return Ok(bytes);
            }
            add(&self.0.counters.failures, 1);
        }
        Err(DepotError::Corrupt { what: what(), why: "its hash is another".to_owned() })
    }

    /// An object, or its size if that is more than `max`.
    async fn whole(&self, name: &Path, max: u64) -> object_store::Result<Result<Bytes, u64>> {
        let found = self.0.store.get_opts(name, GetOptions::default()).await?;
        let size = found.meta.size;
        if size > max {
            return Ok(Err(size));
        }
        let mut bytes = BytesMut::new();
        let mut stream = found.into_stream();
        while let Some(part) = stream.try_next().await? {
            bytes.extend_from_slice(&part);
            if bytes.len() as u64 > size {
                return Ok(Err(bytes.len() as u64));
            }
        }
        Ok(Ok(bytes.freeze()))
    }

    async fn batch(&self, pack: PackId, chunks: Vec<ChunkRef>) -> Result<Vec<(ChunkRef, Bytes)>, DepotError> {
        let name = names::pack(pack);
        // Nothing is there to read of a chunk without bytes.
        let full = |chunk: &&ChunkRef| chunk.stored > 0;
        let range = |chunk: &ChunkRef| chunk.offset..chunk.offset.saturating_add(u64::from(chunk.stored));
        let ranges: Vec<_> = chunks.iter().filter(full).map(range).collect();
        let mut damaged = None;
        for _ in 0..READS {
            let read =
                if ranges.is_empty() { Vec::new() } else { self.ranges(&name, &ranges, &pack).await? };
            let chunks = chunks.clone();
            let size = read.iter().map(Bytes::len).sum();
            match heavy(size, move || unpack(chunks, read)).await? {
                Ok(unpacked) => return Ok(unpacked),
                Err(why) => damaged = Some(why),
            }
            add(&self.0.counters.failures, 1);
        }
        let why = damaged.map_or_else(String::new, |(at, why)| format!("the chunk at byte {at}: {why}"));
        Err(DepotError::Corrupt { what: pack.to_string(), why })
    }

    /// Ranges of an object; each as long as it could be read.
    async fn ranges(
        &self,
        name: &Path,
        ranges: &[Range<u64>],
        pack: &PackId,
    ) -> Result<Vec<Bytes>, DepotError> {
        let end = ranges.iter().map(|range| range.end).max().unwrap_or(0);
        let read = || async {
            match self.0.store.get_ranges(name, ranges).await {
                Ok(read) => Ok(Ok(read)),
                Err(error @ object_store::Error::Generic { .. }) => match self.0.store.head(name).await {
                    // No use in trying again what is not there.
                    Ok(found) if found.size < end => Ok(Err(found.size)),
                    _ => Err(error),
                },
                Err(error) => Err(error),
            }
        };
        let read = self.tries(self.0.patience.request, read).await.map_err(|why| gave_up(why, pack))?;
        let read = read.map_err(|size| DepotError::Corrupt {
            what: pack.to_string(),
            why: format!("it has {size} bytes, and {end} were stored"),
        })?;
        add(&self.0.counters.gets, 1);
        add(&self.0.counters.bytes_in, read.iter().map(|read| read.len() as u64).sum());
        Ok(read)
    }
}

/// Chunks by pack and place, in parts that are read at once.
fn batches(chunks: impl Iterator<Item = ChunkRef>) -> Vec<(PackId, Vec<ChunkRef>)> {
    let mut packs: BTreeMap<PackId, Vec<ChunkRef>> = BTreeMap::new();
    for chunk in chunks {
        packs.entry(chunk.pack).or_default().push(chunk);
    }
    let mut batches = Vec::new();
    for (pack, mut chunks) in packs {
        chunks.sort_unstable_by_key(|chunk| chunk.offset);
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for chunk in chunks {
            if !batch.is_empty() && bytes + u64::from(chunk.stored) > BATCH_BYTES {
                batches.push((pack, std::mem::take(&mut batch)));
                bytes = 0;
            }
            bytes += u64::from(chunk.stored);
            batch.push(chunk);
        }
        batches.push((pack, batch));
    }
    batches
}

/// All of them, or the place of the first that is damaged.
fn unpack(chunks: Vec<ChunkRef>, read: Vec<Bytes>) -> Result<Vec<(ChunkRef, Bytes)>, (u64, ChunkError)> {
    let mut unpacker = Unpacker::default();
    let mut read = read.into_iter();
    let unpacked = chunks.into_iter().map(|chunk| {
        let stored = if chunk.stored > 0 { read.next() } else { None }.unwrap_or_default();
        let bytes = unpacker.unpack(&chunk, &stored).map_err(|why| (chunk.offset, why))?;
        Ok((chunk, bytes))
    });
    unpacked.collect()
}

/// Does `work` here if it concerns few bytes, and on a thread for such work if it concerns many.
async fn heavy<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DepotError> {
    if bytes < MUCH {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|error| DepotError::Unavailable(error.to_string()))
}
