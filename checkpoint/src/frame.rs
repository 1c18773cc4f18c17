//! zstd frames, one at a time, into a buffer whose size is known before.

use zstd::zstd_safe::{DCtx, find_frame_compressed_size, get_frame_content_size};

/// Unpacks frames; keeps what that takes in memory for the next one.
#[derive(Default)]
pub(crate) struct Unpacker(Option<DCtx<'static>>);

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacker").finish_non_exhaustive()
    }
}

impl Unpacker {
    /// What the only frame in `stored` holds; `None` when that is not exactly `length` bytes, which the caller has
    /// held against a bound.
    pub(crate) fn unpack(&mut self, stored: &[u8], length: usize) -> Option<Vec<u8>> {
        let said = get_frame_content_size(stored).ok()??;
        if said != length as u64 || find_frame_compressed_size(stored).ok()? != stored.len() {
            return None;
        }
        if self.0.is_none() {
            self.0 = DCtx::try_create();
        }
        let mut bytes = Vec::with_capacity(length);
        let written = self.0.as_mut()?.decompress(&mut bytes, stored).ok()?;
        (written == length && bytes.len() == length).then_some(bytes)
    }
}
