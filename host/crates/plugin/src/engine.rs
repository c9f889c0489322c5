//! One engine for all plugins: its settings, its allocator, its clock, and the permits of those that run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, watch};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use crate::bindings;
use crate::compile::{Compiler, Compiling, Workshop};
use crate::imports::wasi;
use crate::memory::Memory;
use crate::private::{NotPrivate, PrivateFolder};
use crate::state::CallState;
use crate::ticker::Ticker;

/// Guest stack, and the native stack a guest's fiber runs on.
const WASM_STACK: usize = 512 << 10;
const ASYNC_STACK: usize = 2 << 20;
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

/// How many guests there may be at once, over all plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// Calls that run.
    pub running: usize,
    /// Calls that wait for their turn; further ones fail at once.
    pub queue: usize,
    /// Instances that live: those that run, that wait for the host, and that are kept ready. 1 to 1000.
    pub instances: usize,
}

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
#[error("start the plugin engine: {0}")]
pub struct EngineError(String);

/// Compiles and runs plugins. Cheap to clone.
#[derive(Clone)]
pub struct PluginEngine {
    inner: Arc<Inner>,
    workshop: Arc<Workshop>,
}

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<CallState>,
    pub(crate) ticker: Ticker,
    pub(crate) permits: Arc<Semaphore>,
    /// Places for instances that live, and how many there are.
    pub(crate) live: Arc<Semaphore>,
    pub(crate) live_limit: usize,
    pub(crate) waiting: AtomicUsize,
    pub(crate) queue: usize,
    allocator: Allocator,
}

impl PluginEngine {
    /// Starts an engine. Pooling is tried first and given up when the system refuses the address space.
    pub fn start(concurrency: Concurrency) -> Result<Self, EngineError> {
        match Self::with_allocator(concurrency, Allocator::Pooling) {
            Ok(engine) => Ok(engine),
            Err(refused) => {
                tracing::warn!(reason = %refused, "plugins run without a memory pool");
                Self::with_allocator(concurrency, Allocator::OnDemand)
            }
        }
    }

    /// Starts an engine on this allocator or not at all.
    pub fn with_allocator(concurrency: Concurrency, allocator: Allocator) -> Result<Self, EngineError> {
        let Concurrency { running, queue, instances } = concurrency;
        let fail = |e: wasmtime::Error| EngineError(format!("{e:#}"));
        let live_limit = instances.clamp(1, 1_000);
        let engine = Engine::new(&settings(allocator, live_limit as u32)).map_err(fail)?;
        let mut linker = Linker::new(&engine);
        bindings::HostWorld::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state).map_err(fail)?;
        wasi::link(&mut linker).map_err(fail)?;
        let ticker = Ticker::start(&engine).map_err(|e| EngineError(format!("start its clock: {e}")))?;
        let permits = Arc::new(Semaphore::new(running.max(1)));
        let live = Arc::new(Semaphore::new(live_limit));
        let waiting = AtomicUsize::new(0);
        let inner = Inner { engine, linker, ticker, permits, live, live_limit, waiting, queue, allocator };
        let inner = Arc::new(inner);
        Ok(Self { inner, workshop: Arc::new(Workshop::new(Compiler::InProcess)) })
    }

    /// The same engine, compiling this way. As it starts, an engine compiles in this process. What it kept before
    /// is kept no more.
    #[must_use]
    pub fn compiling_with(mut self, compiler: Compiler) -> Self {
        self.workshop = Arc::new(Workshop::new(compiler));
        self
    }

    /// The same engine, with this compiler and a folder that keeps what was compiled and what is remembered.
    ///
    /// # Errors
    /// When something else than a private folder lies where the compiled plugins are to be.
    pub fn keeping_in(mut self, compiler: Compiler, private: PrivateFolder) -> Result<Self, NotPrivate> {
        let workshop = Workshop::new(compiler).keeping_in(private, &self.inner.engine)?;
        self.workshop = Arc::new(workshop);
        Ok(self)
    }

    /// What is being compiled, for whoever shows it; `None` between two compilations.
    pub fn compiling(&self) -> watch::Receiver<Option<Compiling>> {
        self.workshop.progress()
    }

    /// What is remembered of the plugins in this folder: from earlier starts too, if there is a private folder.
    pub fn memory(&self, plugins: &Path) -> Memory {
        self.workshop.private().map(|private| Memory::open(private, plugins)).unwrap_or_default()
    }

    pub(crate) fn workshop(&self) -> &Workshop {
        &self.workshop
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

/// What engines are made of. The compiling child makes its own from the same; how many instances there may be makes no
/// difference to the code.
pub(crate) fn settings(allocator: Allocator, instances: u32) -> Config {
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
        pool.total_component_instances(instances)
            .total_core_instances(instances * 4)
            .total_memories(instances)
            .total_tables(instances * 2)
            .total_stacks(instances)
            .max_core_instances_per_component(64)
            .max_memories_per_component(8)
            .max_memories_per_module(8)
            .max_tables_per_component(64)
            .max_tables_per_module(64)
            // Asks the kernel which pages were touched, so that only those are cleared: halves a fresh call.
            .pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(KEEP_RESIDENT)
            .table_keep_resident(KEEP_RESIDENT)
            .async_stack_keep_resident(KEEP_RESIDENT)
            .max_unused_warm_slots(instances);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}
