//! What is stored, deleted and listed.

use std::{collections::BinaryHeap, time::Duration, time::SystemTime};

use bytes::Bytes;
use checkpoint::{Pack, pack::MAX_PACK_BYTES};
use futures_util::TryStreamExt as _;
use object_store::{GetOptions, ObjectStoreExt as _, PutMode, PutOptions, path::Path};
use wire::{Digest, PackId};

use crate::{Depot, DepotError, add, local, names, patience::GaveUp};

/// A pack that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub id: PackId,
    /// Its size, bytes.
    pub bytes: u64,
    /// When it was written, by the store's clock.
    pub modified: SystemTime,
}

impl Depot {
    /// Stores a pack; when this returns without an error, it is durable. One that is there already, with the same
    /// bytes, is stored too: so it may be tried again after an error, which does not tell whether it was.
    ///
    /// # Errors
    /// When the store does not take it, or has something else under its name.
    pub async fn put(&self, pack: Pack) -> Result<(), DepotError> {
        let (bytes, max) = (pack.bytes.len() as u64, MAX_PACK_BYTES as u64);
        if bytes > max {
            return Err(DepotError::TooLarge { what: pack.id.to_string(), bytes, max });
        }
        self.create(&names::pack(pack.id), pack.bytes, &pack.id).await
    }

    /// Stores a component under its digest, unless it is there.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn put_image(&self, digest: &Digest, bytes: Bytes) -> Result<(), DepotError> {
        let name = names::image(digest);
        let head = || async { self.0.store.head(&name).await };
        match self.tries(self.0.patience.request, head).await {
            Ok(found) if found.size == bytes.len() as u64 => Ok(()),
            Ok(_) => Err(other(digest)),
            Err(GaveUp::Missing) => self.create(&name, bytes, digest).await,
            Err(why) => Err(gave_up(why, digest)),
        }
    }

    /// Deletes a pack. One that is not there is deleted.
    ///
    /// # Errors
    /// When the store does not do it.
    pub async fn delete(&self, pack: PackId) -> Result<(), DepotError> {
        let name = names::pack(pack);
        let delete = || async { self.0.store.delete(&name).await };
        match self.tries(self.0.patience.request, delete).await {
            Ok(()) => {
                add(&self.0.counters.deletes, 1);
                Ok(())
            }
            Err(GaveUp::Missing) => Ok(()),
            Err(why) => Err(gave_up(why, &pack)),
        }
    }

    /// The packs that are in the store, at most `limit` of them. The order is that of their names, which is not the
    /// one of their ids: to go on, `after` is the last one of the list before, and the end is a list shorter than
    /// `limit`.
    ///
    /// # Errors
    /// When the store does not tell.
    pub async fn list(&self, after: Option<PackId>, limit: usize) -> Result<Vec<Listed>, DepotError> {
        let after = after.map(names::pack);
        let list = || self.list_once(after.as_ref(), limit);
        self.tries(self.0.patience.listing, list).await.map_err(|why| gave_up(why, &"a listing"))
    }

    async fn list_once(&self, after: Option<&Path>, limit: usize) -> object_store::Result<Vec<Listed>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let prefix = Path::from(names::PACKS);
        let mut found = match after {
            Some(after) => self.0.store.list_with_offset(Some(&prefix), after),
            None => self.0.store.list(Some(&prefix)),
        };
        // The first ones by name, whatever the order they come in.
        let mut first = BinaryHeap::new();
        while let Some(meta) = found.try_next().await? {
            if let Some(id) = names::pack_id(&meta.location) {
                first.push((
                    meta.location.to_string(),
                    id.as_u128(),
                    meta.size,
                    SystemTime::from(meta.last_modified),
                ));
            }
            if first.len() > limit {
                first.pop();
                if self.0.ordered {
                    break;
                }
            }
        }
        let listed = first.into_sorted_vec().into_iter();
        Ok(listed
            .map(|(_, id, bytes, modified)| Listed { id: PackId::from_u128(id), bytes, modified })
            .collect())
    }

    async fn create(&self, name: &Path, bytes: Bytes, what: &impl ToString) -> Result<(), DepotError> {
        let put = || async {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            self.0.store.put_opts(name, bytes.clone().into(), options).await
        };
        match self.tries(self.0.patience.write, put).await {
            Ok(_) => {}
            Err(GaveUp::Exists) => {
                let same = || self.holds(name, &bytes);
                let same = self.tries(self.0.patience.write, same).await;
                if !same.map_err(|why| gave_up(why, what))? {
                    return Err(other(what));
                }
                self.settle(name).await?;
            }
            Err(why) => return Err(gave_up(why, what)),
        }
        add(&self.0.counters.puts, 1);
        add(&self.0.counters.bytes_out, bytes.len() as u64);
        Ok(())
    }

    /// Whether an object has exactly these bytes.
    async fn holds(&self, name: &Path, bytes: &Bytes) -> object_store::Result<bool> {
        let found = self.0.store.get_opts(name, GetOptions::default()).await?;
        if found.meta.size != bytes.len() as u64 {
            return Ok(false);
        }
        let mut rest = &bytes[..];
        let mut stream = found.into_stream();
        while let Some(part) = stream.try_next().await? {
            match rest.strip_prefix(&part[..]) {
                Some(after) => rest = after,
                None => return Ok(false),
            }
        }
        Ok(rest.is_empty())
    }

    /// Makes an object durable that somebody else wrote.
    async fn settle(&self, name: &Path) -> Result<(), DepotError> {
        let Some(root) = self.0.root.clone() else { return Ok(()) };
        let name = name.clone();
        let settled = tokio::task::spawn_blocking(move || local::settle(&root, &name)).await;
        match settled {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(DepotError::Unavailable(error.to_string())),
            Err(error) => Err(DepotError::Unavailable(error.to_string())),
        }
    }

    pub(crate) async fn tries<T, F>(&self, each: Duration, attempt: impl FnMut() -> F) -> Result<T, GaveUp>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        self.0.patience.tries(each, || add(&self.0.counters.failures, 1), attempt).await
    }
}

pub(crate) fn gave_up(why: GaveUp, what: &impl ToString) -> DepotError {
    match why {
        GaveUp::Unavailable(why) => DepotError::Unavailable(why),
        GaveUp::Full(why) => DepotError::Full(why),
        GaveUp::Missing => DepotError::Missing { what: what.to_string() },
        GaveUp::Exists => other(what),
    }
}

fn other(what: &impl ToString) -> DepotError {
    DepotError::Corrupt {
        what: what.to_string(),
        why: "the store has something else under its name".to_owned(),
    }
}
