//! Deleting from the object store what nobody refers to any more.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use wire::PackId;

use crate::{app::App, edge::Chain, error::Error};

/// Packs asked for at a time.
const BATCH: usize = 64;
/// Packs of the object store looked at in one round.
const PAGE: usize = 1000;
/// A pack that was written so long ago and that no commit brought will not be brought any more.
const ORPHAN: Duration = Duration::from_secs(24 * 60 * 60);

/// Does it beside the reconciler: an object store that is slow holds up nobody.
#[derive(Debug, Default)]
pub(super) struct Collector {
    /// One round at a time.
    busy: AtomicBool,
    /// Where the search for orphans goes on.
    after: Mutex<Option<PackId>>,
}

impl Collector {
    /// Begins a round, unless one is under way; it looks for orphans too when it is time to.
    pub(super) fn begin(self: &Arc<Self>, app: &Arc<App>, orphans: bool) {
        if self.busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let (collector, app) = (self.clone(), app.clone());
        app.clone().tasks.spawn(async move {
            if orphans {
                collector.report("orphans", collector.disown(&app).await);
            }
            collector.report("garbage", delete(&app).await);
            collector.busy.store(false, Ordering::Release);
        });
    }

    fn report(&self, what: &'static str, done: Result<usize, Error>) {
        match done {
            Ok(0) => {}
            Ok(count) => tracing::info!(what, count, "collected"),
            Err(error) => {
                let source = error.source.as_deref().map(|source| Chain(source).to_string());
                tracing::warn!(what, %error, source, "collector: will try again");
            }
        }
    }

    /// Marks packs that are in the object store and in no record.
    async fn disown(&self, app: &Arc<App>) -> Result<usize, Error> {
        let after = *self.after.lock().unwrap_or_else(PoisonError::into_inner);
        let page = app.depot.list(after, PAGE).await.map_err(Error::internal)?;
        let now = SystemTime::now();
        let is_old = |modified: SystemTime| now.duration_since(modified).is_ok_and(|age| age >= ORPHAN);
        let next = page.last().map(|pack| pack.id).filter(|_| page.len() == PAGE);
        let old = page.into_iter().filter(|pack| is_old(pack.modified)).map(|pack| pack.id).collect();
        let orphans = app.store.disown(old, Timestamp::now()).await?;
        *self.after.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(orphans.len())
    }
}

/// Deletes all that the store says is garbage; the store is told afterwards, so that nothing is forgotten.
async fn delete(app: &Arc<App>) -> Result<usize, Error> {
    let mut count = 0;
    loop {
        let packs = app.store.garbage(BATCH, Timestamp::now()).await?;
        let is_last = packs.len() < BATCH;
        for pack in packs {
            app.depot.delete(pack).await.map_err(Error::internal)?;
            app.store.forget_pack(pack, Timestamp::now()).await?;
            count += 1;
        }
        // One busy agent makes more than a batch between two rounds.
        if is_last || app.stop.is_cancelled() {
            return Ok(count);
        }
    }
}
