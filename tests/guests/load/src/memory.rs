//! Memory that no checkpoint can share with another.

/// The host's unit of what changed, in words.
const PAGE_WORDS: usize = 512;
const KIB_WORDS: usize = 128;

/// See the module.
#[derive(Default)]
pub(crate) struct Memory {
    words: Vec<u64>,
    next: usize,
    touched: u64,
}

impl Memory {
    /// Holds `kib` more, which are the same for the same seed; how many it holds.
    pub(crate) fn fill(&mut self, kib: u32, seed: u32) -> usize {
        let words = kib as usize * KIB_WORDS;
        self.words.reserve_exact(words);
        // xorshift64 (Marsaglia 2003).
        let mut x = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for _ in 0..words {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            // Numbers of 32 bits in words of 64: what programs hold is neither noise nor zeros.
            self.words.push(x >> 32);
        }
        self.words.len() / KIB_WORDS
    }

    /// Changes a word of each of the next `pages` pages of the first `of`; how many there were.
    pub(crate) fn touch(&mut self, pages: u32, of: u32) -> usize {
        let all = (self.words.len() / PAGE_WORDS).min(of as usize);
        let pages = all.min(pages as usize);
        for _ in 0..pages {
            self.touched += 1;
            self.next = (self.next + 1) % all;
            self.words[self.next * PAGE_WORDS] = self.touched;
        }
        pages
    }
}
