//! What bounds a call, and what counts against it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wasmtime::ResourceLimiter;

use jackfield_core::contract::PluginFaultKind;

/// The bounds of one call of one plugin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CallLimits {
    /// Computing time, counted in ticks of one millisecond while the guest runs.
    pub cpu: Duration,
    /// Time from permit to answer, waiting included.
    pub wall: Duration,
    /// Bytes of linear memory, summed over all memories of the instance.
    pub memory: usize,
    /// Calls of host functions.
    pub host_calls: u32,
}

/// Computing time of `check-config`, which may parse and build tables.
pub(crate) const CHECK_CPU: Duration = Duration::from_secs(1);
/// Table elements, summed over all tables.
const TABLE_ELEMENTS: usize = 20_000;
/// Core instances, tables and memories of one component instance.
const INSTANCES: usize = 64;
const TABLES: usize = 64;
const MEMORIES: usize = 8;
/// Bytes of arguments the guest may pass in one host call; also of its answer.
pub(crate) const LIFT_BYTES_PER_CALL: usize = 4 << 20;
/// Bytes of arguments summed over one call.
pub(crate) const LIFT_BYTES_TOTAL: usize = 16 << 20;
/// Lines a guest may log in one call, and the bytes of each.
pub(crate) const LOG_LINES: u32 = 64;
pub(crate) const LOG_LINE_BYTES: usize = 2 << 10;

/// A bound that was hit. Travels as the error of the trap that ends the guest.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct LimitHit {
    pub kind: PluginFaultKind,
    pub message: String,
}

impl LimitHit {
    pub(crate) fn new(kind: PluginFaultKind, message: String) -> Self {
        Self { kind, message }
    }
}

/// Counts memory and tables of one store. A growth beyond the bound is refused to the guest (its
/// `memory.grow` answers -1), and remembered: the trap that usually follows has this as its cause.
#[derive(Debug)]
pub(crate) struct SpaceMeter {
    memory_limit: usize,
    memory: usize,
    /// The most that any instance of the plugin held.
    peak: Arc<AtomicUsize>,
    table: usize,
    pub(crate) denied: Option<LimitHit>,
}

impl SpaceMeter {
    pub(crate) fn new(memory_limit: usize, peak: Arc<AtomicUsize>) -> Self {
        Self { memory_limit, memory: 0, peak, table: 0, denied: None }
    }

    /// Bytes of linear memory now in use.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    fn deny(&mut self, message: String) -> bool {
        self.denied.get_or_insert(LimitHit::new(PluginFaultKind::MemoryLimit, message));
        false
    }
}

impl ResourceLimiter for SpaceMeter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let sum = self.memory.saturating_add(desired.saturating_sub(current));
        if sum > self.memory_limit {
            let limit = self.memory_limit;
            return Ok(self.deny(format!("wanted {sum} bytes of memory; its limit is {limit}")));
        }
        self.memory = sum;
        self.peak.fetch_max(sum, Ordering::Relaxed);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let sum = self.table.saturating_add(desired.saturating_sub(current));
        if sum > TABLE_ELEMENTS {
            return Ok(self.deny(format!("wanted {sum} table elements; the limit is {TABLE_ELEMENTS}")));
        }
        self.table = sum;
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}
