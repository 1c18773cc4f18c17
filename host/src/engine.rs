//! The engine: the only place that builds a `wasmtime::Config`.
//!
//! Artefacts compiled under other settings are rejected when they are loaded, so the compiler of
//! images, the host and its tests all come here.

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Largest linear memory the pool can hold, bytes: the ceiling of `memory_mib`.
pub(crate) const MAX_MEMORY_BYTES: usize = 1024 << 20;
/// Elements of one table; 8 bytes each.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 20_000;
/// Core instances of one component: componentize-py makes 14.
pub(crate) const MAX_CORE_INSTANCES: u32 = 32;
/// Linear memories of one component.
pub(crate) const MAX_MEMORIES: u32 = 2;
/// Tables of one component.
pub(crate) const MAX_TABLES: u32 = 8;
/// Native stack a guest may use, bytes.
const WASM_STACK_BYTES: usize = 512 << 10;
/// Native stack of a store, bytes of address space: what is left above the guest's part is the host's.
const ASYNC_STACK_BYTES: usize = 1 << 20;
/// Memory mappings a live agent needs: two of its stack, three of its memory, one to spare.
/// Measured in the design's `engine.md`, section 1.
const MAPS_PER_AGENT: u32 = 6;
/// Mappings the process needs for everything else.
const MAPS_RESERVED: u32 = 4_000;
/// Fewer agents than this and the host is of no use.
const MIN_AGENTS: u32 = 16;

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Not even a small pool could be reserved.
    #[error(
        "cannot reserve address space for {agents} agents; raise the limit on virtual memory (ulimit -v)"
    )]
    Reserve {
        /// The smallest pool that was tried.
        agents: u32,
        /// What the last try said.
        #[source]
        source: wasmtime::Error,
    },
}

/// How many agents the process can map, given `vm.max_map_count`, which Fargate does not let us raise.
#[must_use]
pub(crate) fn mappable_agents(max_map_count: u32) -> u32 {
    max_map_count.saturating_sub(MAPS_RESERVED) / MAPS_PER_AGENT
}

fn max_map_count() -> u32 {
    std::fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(65_530)
}

/// An engine with a pool for `wanted` agents, or for as many as this machine can hold; how many.
///
/// # Errors
/// [`EngineError::Reserve`] when not even a small pool fits.
pub(crate) fn engine(wanted: u32) -> Result<(Engine, u32), EngineError> {
    let mut agents = wanted.min(mappable_agents(max_map_count())).max(MIN_AGENTS);
    loop {
        match Engine::new(&config(agents)) {
            Ok(engine) => return Ok((engine, agents)),
            Err(source) if agents <= MIN_AGENTS => return Err(EngineError::Reserve { agents, source }),
            Err(source) => {
                tracing::warn!(agents, error = %source, "pool does not fit, halving it");
                agents = (agents / 2).max(MIN_AGENTS);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that builds engine settings")]
fn config(agents: u32) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(agents)
        .total_core_instances(agents.saturating_mul(16))
        .total_memories(agents + agents / 8)
        .total_tables(agents.saturating_mul(4))
        // A store keeps its stack until it is dropped, so there is one for each live agent.
        .total_stacks(agents)
        .max_memory_size(MAX_MEMORY_BYTES)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_memories_per_module(MAX_MEMORIES)
        .max_tables_per_module(4)
        // At once: in a batch, what a large agent left stays the host's until fifteen others have gone.
        .decommit_batch_size(1)
        .max_unused_warm_slots(64);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .consume_fuel(true)
        .wasm_component_model(true)
        .concurrency_support(false)
        .gc_support(false)
        .wasm_gc(false)
        .wasm_memory64(false)
        .memory_init_cow(true)
        // JavaScript and Python images are 12 to 19 MiB; a sparse one would be copied, not mapped.
        .memory_guaranteed_dense_image_size(64 << 20)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(ASYNC_STACK_BYTES)
        // A recycled stack holds another tenant's frames.
        .async_stack_zeroing(true)
        .generate_address_map(true)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(16));
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_fits_the_default_map_count() {
        assert_eq!(mappable_agents(65_530), 10_255);
        assert_eq!(mappable_agents(0), 0);
    }

    #[test]
    fn a_pool_larger_than_the_address_space_shrinks() {
        let (_engine, agents) = engine(1_000_000).unwrap();
        assert!(agents >= MIN_AGENTS);
        assert!(agents <= mappable_agents(max_map_count()).max(MIN_AGENTS));
    }
}
