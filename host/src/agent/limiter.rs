//! The memory of an agent: one limit over all its linear memories, one over all its tables.

use wasmtime::ResourceLimiter;

use crate::engine::{MAX_CORE_INSTANCES, MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};

/// Counts what a store holds and refuses what is over. A refused `memory.grow` answers -1 in the
/// guest; a component whose first memories do not fit is not instantiated.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_limit: usize,
    memory: usize,
    table: usize,
    refused: bool,
}

impl Limiter {
    pub(crate) fn new(memory_limit: usize) -> Self {
        Self { memory_limit, memory: 0, table: 0, refused: false }
    }

    /// All linear memories, bytes.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// Whether memory was ever refused: then a trap is called `out_of_memory`.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_sub(current).saturating_add(desired);
        let fits = total <= self.memory_limit && maximum.is_none_or(|max| desired <= max);
        if fits {
            self.memory = total;
        } else {
            self.refused = true;
        }
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.table.saturating_sub(current).saturating_add(desired);
        let fits = total <= MAX_TABLE_ELEMENTS && maximum.is_none_or(|max| desired <= max);
        if fits {
            self.table = total;
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        MAX_CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        MAX_TABLES as usize
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_over_all_memories() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 50, None).unwrap());
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        assert!(!limiter.memory_growing(60, 61, None).unwrap());
        assert_eq!(limiter.memory(), 100);
        assert!(limiter.refused());
    }

    #[test]
    fn the_table_limit_is_over_all_tables() {
        let mut limiter = Limiter::new(0);
        assert!(limiter.table_growing(0, MAX_TABLE_ELEMENTS / 2, None).unwrap());
        assert!(!limiter.table_growing(0, MAX_TABLE_ELEMENTS, None).unwrap());
    }
}
