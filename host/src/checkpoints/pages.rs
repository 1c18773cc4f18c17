//! Which pages of a memory were written: asked of the kernel, so that a page nobody touched is not even read.
//!
//! A fresh instance's memory is a private mapping of its image; the first write to a page makes it anonymous.
//! `/proc/self/pagemap` (Documentation/admin-guide/mm/pagemap.rst in the kernel's tree) says so in bits that need no
//! privilege: present (63) or swapped (62), and not file-backed (61).

use std::{fs::File, os::unix::fs::FileExt as _};

use checkpoint::manifest::PAGE_BYTES;
use rustix::mm::Advice;

const PRESENT_OR_SWAPPED: u64 = 0b11 << 62;
const FILE_BACKED: u64 = 1 << 61;
/// Entries read at once: 4 MiB of memory.
const BATCH: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pagemap {
    file: Option<File>,
}

impl Pagemap {
    /// Opened once: after a change of user the process may not open it any more.
    pub(crate) fn open() -> Self {
        let file = File::open("/proc/self/pagemap");
        if let Err(error) = &file {
            tracing::warn!(%error, "no pagemap: every page of an agent is read at each checkpoint");
        }
        Self { file: file.ok() }
    }

    /// Indexes of the pages of `memory` that may differ from its image, ascending. All of them where the kernel does
    /// not say.
    pub(crate) fn written(&self, memory: &[u8]) -> Vec<u32> {
        let pages = memory.len() / PAGE_BYTES;
        let all = || (0..u32::try_from(pages).unwrap_or(u32::MAX)).collect();
        let address = memory.as_ptr().addr();
        // The kernel's pages may be larger than ours, or the memory may not begin at one.
        let Some(file) = self.file.as_ref().filter(|_| address.is_multiple_of(PAGE_BYTES) && small_pages())
        else {
            return all();
        };
        let mut written = Vec::new();
        let mut entries = [0_u8; BATCH * 8];
        for first in (0..pages).step_by(BATCH) {
            let count = BATCH.min(pages - first);
            let entries = &mut entries[..count * 8];
            let at = (address / PAGE_BYTES + first) as u64 * 8;
            if file.read_exact_at(entries, at).is_err() {
                return all();
            }
            for (n, entry) in entries.chunks_exact(8).enumerate() {
                let entry = u64::from_le_bytes(entry.try_into().unwrap_or_default());
                if entry & PRESENT_OR_SWAPPED != 0 && entry & FILE_BACKED == 0 {
                    written.extend(u32::try_from(first + n));
                }
            }
        }
        written
    }
}

/// Has the kernel make these pages writable all at once: half of what it takes when each is first written to. Where it
/// does not, they are that all the same.
#[expect(unsafe_code, reason = "advice on memory takes a pointer; see SAFETY")]
pub(crate) fn populate(memory: &[u8]) {
    let address = memory.as_ptr().cast_mut().cast();
    // SAFETY: the range is that of a slice, so it is mapped. This advice takes nothing away and changes no byte: it does
    // what a write of each page's own bytes would do, to a mapping that is writable; one that is not stays as it is.
    let _ = unsafe { rustix::mm::madvise(address, memory.len(), Advice::LinuxPopulateWrite) };
}

fn small_pages() -> bool {
    rustix::param::page_size() == PAGE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_that_were_written_are_named() {
        // So much that the allocator maps it anew, and never takes what others have written to.
        const PAGES: usize = 16 * 1024;
        // Neighbours share a fault with them where pages are huge.
        const HUGE: usize = (2 << 20) / PAGE_BYTES;
        let map = Pagemap::open();
        let mut memory = vec![0_u8; (PAGES + 1) * PAGE_BYTES];
        let skip = memory.as_ptr().align_offset(PAGE_BYTES);
        let memory = &mut memory[skip..skip + PAGES * PAGE_BYTES];
        memory[5000 * PAGE_BYTES] = 1;
        memory[9000 * PAGE_BYTES + 4095] = 1;
        let written = map.written(memory);
        assert!(written.contains(&5000) && written.contains(&9000), "{written:?}");
        assert!(written.len() <= 2 * HUGE, "{} pages", written.len());
        assert!(written.is_sorted());
        populate(&memory[11_000 * PAGE_BYTES..][..100 * PAGE_BYTES]);
        let written = map.written(memory);
        assert!((11_000..11_100).all(|page| written.binary_search(&page).is_ok()), "{written:?}");
        assert!(written.len() <= 3 * HUGE, "{} pages", written.len());
        assert_eq!(memory.iter().filter(|byte| **byte != 0).count(), 2);
    }
}
