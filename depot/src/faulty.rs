//! A store that fails on demand, for tests and drills: it wraps another one, and what it does wrong can be switched
//! while it is used.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};

/// Something a store does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Every request fails, and does nothing.
    Fail,
    /// Every request takes this much longer.
    Slow(Duration),
    /// Reads end in the middle.
    TruncateReads,
    /// One bit of everything that is read is another.
    FlipReads,
    /// Writes find no room.
    Full,
    /// Writes are done, and answered with an error.
    FailAfterPut,
    /// Nothing is there any more when it is read.
    Lose,
}

/// A store that fails on demand. Clones fail together.
#[derive(Debug, Clone)]
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    faults: Arc<Mutex<Vec<Active>>>,
}

#[derive(Debug)]
struct Active {
    fault: Fault,
    /// Requests it is still for; `None` is all.
    left: Option<u32>,
}

impl Faulty {
    /// Does nothing wrong for now.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, faults: Arc::default() }
    }

    /// From now on, until [`Self::clear`].
    pub fn begin(&self, fault: Fault) {
        self.active().push(Active { fault, left: None });
    }

    /// For so many of the next requests that it concerns.
    pub fn next(&self, fault: Fault, requests: u32) {
        self.active().push(Active { fault, left: Some(requests) });
    }

    /// From now on nothing.
    pub fn clear(&self) {
        self.active().clear();
    }

    fn active(&self) -> MutexGuard<'_, Vec<Active>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request meets the fault that `is` picks.
    fn meets<T>(&self, is: impl Fn(Fault) -> Option<T>) -> Option<T> {
        let mut active = self.active();
        let (at, found) = active.iter().enumerate().find_map(|(at, active)| Some((at, is(active.fault)?)))?;
        if let Some(left) = &mut active[at].left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                active.remove(at);
            }
        }
        Some(found)
    }

    fn has(&self, fault: Fault) -> bool {
        self.meets(|found| (found == fault).then_some(())).is_some()
    }

    /// What may happen to any request.
    async fn request(&self) -> Result<()> {
        let slow = self.meets(|fault| if let Fault::Slow(by) = fault { Some(by) } else { None });
        if let Some(by) = slow {
            tokio::time::sleep(by).await;
        }
        if self.has(Fault::Fail) { Err(failed("asked to fail")) } else { Ok(()) }
    }

    fn lost(&self, location: &Path) -> Result<()> {
        if !self.has(Fault::Lose) {
            return Ok(());
        }
        Err(Error::NotFound { path: location.to_string(), source: "asked to lose it".into() })
    }

    /// What was read, as it arrives.
    fn spoil(&self, bytes: &Bytes) -> Bytes {
        let mut bytes = bytes.to_vec();
        if self.has(Fault::TruncateReads) {
            bytes.truncate(bytes.len() / 2);
        }
        if self.has(Fault::FlipReads)
            && let Some(at) = bytes.len().checked_sub(1)
        {
            bytes[at / 2] ^= 1;
        }
        bytes.into()
    }

    fn spoils(&self) -> bool {
        let active = self.active();
        active.iter().any(|active| matches!(active.fault, Fault::TruncateReads | Fault::FlipReads))
    }
}

fn failed(why: &str) -> Error {
    Error::Generic { store: "Faulty", source: why.into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.request().await?;
        if self.has(Fault::Full) {
            let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(Error::Generic { store: "Faulty", source: source.into() });
        }
        let done = self.inner.put_opts(location, payload, opts).await?;
        if self.has(Fault::FailAfterPut) { Err(failed("asked to fail after it was done")) } else { Ok(done) }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.request().await?;
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.request().await?;
        self.lost(location)?;
        let head = options.head;
        let mut found = self.inner.get_opts(location, options).await?;
        if head || !self.spoils() {
            return Ok(found);
        }
        let (meta, range) = (found.meta.clone(), found.range.clone());
        let (attributes, extensions) = (found.attributes.clone(), std::mem::take(&mut found.extensions));
        let bytes = self.spoil(&found.bytes().await?);
        let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.request().await?;
        self.lost(location)?;
        let read = self.inner.get_ranges(location, ranges).await?;
        if !self.spoils() {
            return Ok(read);
        }
        // One request, one spoilt range.
        let mut read = read;
        if let Some(first) = read.first_mut() {
            *first = self.spoil(first);
        }
        Ok(read)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let faulty = self.clone();
        let asked = locations.then(move |location| {
            let faulty = faulty.clone();
            async move {
                faulty.request().await?;
                location
            }
        });
        self.inner.delete_stream(asked.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (faulty, mut listed) = (self.clone(), Some(self.inner.list(prefix)));
        let asked = stream::once(async move { faulty.request().await });
        // An answer to the question alone when it fails, and all of the list when it does not.
        asked
            .flat_map(move |asked| match asked {
                Ok(()) => listed.take().unwrap_or_else(|| stream::empty().boxed()),
                Err(error) => stream::once(async { Err(error) }).boxed(),
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.request().await?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.request().await?;
        self.inner.copy_opts(from, to, options).await
    }
}
