//! Memory with a pattern in it.

use crate::arithmetic::Fnv;

const KIB: usize = 1024;
/// The most that is spilled at a time, KiB.
const MAX_SPILLED: usize = 8192;

#[derive(Default)]
pub(crate) struct Memory {
    blocks: Vec<Vec<u8>>,
}

impl Memory {
    pub(crate) fn spill(&mut self, kib: u32) -> Option<String> {
        let kib = usize::try_from(kib).ok().filter(|&kib| kib > 0)?;
        if self.kib() + kib > MAX_SPILLED {
            return Some("full".to_owned());
        }
        let mut block = vec![0; kib * KIB];
        for (index, part) in block.chunks_exact_mut(KIB).enumerate() {
            part.fill(pattern(self.blocks.len(), index));
        }
        self.blocks.push(block);
        Some(format!("spilled {}", self.kib()))
    }

    pub(crate) fn check(&self) -> String {
        let mut hash = Fnv::new();
        for (number, block) in self.blocks.iter().enumerate() {
            for (index, part) in block.chunks_exact(KIB).enumerate() {
                let expected = pattern(number, index);
                if part.iter().any(|&byte| byte != expected) {
                    return format!("bad {number} {index}");
                }
                hash.add(expected);
            }
        }
        format!("check {} {} {hash}", self.blocks.len(), self.kib())
    }

    pub(crate) fn drop_all(&mut self) -> String {
        let kib = self.kib();
        self.blocks.clear();
        format!("dropped {kib}")
    }

    fn kib(&self) -> usize {
        self.blocks.iter().map(|block| block.len() / KIB).sum()
    }
}

/// What fills a KiB of a block.
fn pattern(block: usize, kib: usize) -> u8 {
    (31 * kib + 17 * block + 7).to_le_bytes()[0]
}
