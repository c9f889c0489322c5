//! One engine for all plugins: its settings, its allocator, its clock, and the permits of those that run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use crate::bindings;
use crate::state::CallState;
use crate::ticker::Ticker;

/// Guest stack, and the native stack a guest's fiber runs on.
const WASM_STACK: usize = 512 << 10;
const ASYNC_STACK: usize = 2 << 20;
/// Instances alive at once, at most: slots of the pool.
const LIVE_INSTANCES: u32 = 256;
/// Memory a pooled slot keeps, and clears by writing instead of by a system call.
const KEEP_RESIDENT: usize = 256 << 10;

/// Where instances get their memory from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocator {
    /// Slots reserved at start: the fastest. Needs address space, about 1.6 TiB (not memory).
    Pooling,
    /// Mapped when needed, for hosts that bound address space.
    OnDemand,
}

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
#[error("start the plugin engine: {0}")]
pub struct EngineError(String);

/// Compiles and runs plugins. Cheap to clone.
#[derive(Clone)]
pub struct PluginEngine {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<CallState>,
    pub(crate) ticker: Ticker,
    pub(crate) permits: Semaphore,
    pub(crate) waiting: AtomicUsize,
    pub(crate) queue: usize,
    allocator: Allocator,
}

impl PluginEngine {
    /// Starts an engine that runs at most `running` guests at once and lets `queue` more wait.
    /// Pooling is tried first and given up when the system refuses the address space.
    pub fn start(running: usize, queue: usize) -> Result<Self, EngineError> {
        match Self::with_allocator(running, queue, Allocator::Pooling) {
            Ok(engine) => Ok(engine),
            Err(refused) => {
                tracing::warn!(reason = %refused, "plugins run without a memory pool");
                Self::with_allocator(running, queue, Allocator::OnDemand)
            }
        }
    }

    /// Starts an engine on this allocator or not at all.
    pub fn with_allocator(running: usize, queue: usize, allocator: Allocator) -> Result<Self, EngineError> {
        let fail = |e: wasmtime::Error| EngineError(format!("{e:#}"));
        let engine = Engine::new(&settings(allocator)).map_err(fail)?;
        let mut linker = Linker::new(&engine);
        bindings::RouterWorld::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state).map_err(fail)?;
        let ticker = Ticker::start(&engine).map_err(|e| EngineError(format!("start its clock: {e}")))?;
        let permits = Semaphore::new(running.max(1));
        let waiting = AtomicUsize::new(0);
        Ok(Self { inner: Arc::new(Inner { engine, linker, ticker, permits, waiting, queue, allocator }) })
    }

    /// Where instances get their memory from.
    pub fn allocator(&self) -> Allocator {
        self.inner.allocator
    }

    /// Calls now waiting for a permit.
    pub fn queued(&self) -> usize {
        self.inner.waiting.load(Ordering::Relaxed)
    }

    /// Guests that run now.
    pub fn running(&self) -> usize {
        self.inner.ticker.running()
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

fn settings(allocator: Allocator) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // Component-level concurrency doubles the cost of a call and has been the source of most of the
        // runtime's advisories.
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(ASYNC_STACK)
        .wasm_memory64(false)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true);
    if allocator == Allocator::Pooling {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(LIVE_INSTANCES)
            .total_core_instances(LIVE_INSTANCES * 4)
            .total_memories(LIVE_INSTANCES)
            .total_tables(LIVE_INSTANCES * 2)
            .total_stacks(LIVE_INSTANCES)
            .max_core_instances_per_component(64)
            .max_memories_per_component(8)
            .max_tables_per_component(64)
            // Asks the kernel which pages were touched, so that only those are cleared: halves a fresh call.
            .pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(KEEP_RESIDENT)
            .table_keep_resident(KEEP_RESIDENT)
            .async_stack_keep_resident(KEEP_RESIDENT)
            .max_unused_warm_slots(LIVE_INSTANCES);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}
