//! What bounds a call, and what counts against it.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::ResourceLimiter;

use jackfield_core::config::PluginLimits;
use jackfield_core::contract::PluginFaultKind;

/// Tables of one instance. Their elements are what costs; those are bounded by configuration.
const TABLES: usize = 64;

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
    limits: PluginLimits,
    memory: usize,
    /// The most that any instance of the plugin held.
    peak: Arc<AtomicUsize>,
    table: usize,
    pub(crate) denied: Option<LimitHit>,
}

impl SpaceMeter {
    pub(crate) fn new(limits: PluginLimits, peak: Arc<AtomicUsize>) -> Self {
        Self { limits, memory: 0, peak, table: 0, denied: None }
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
        let limit = self.limits.memory;
        if sum > limit {
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
        let limit = self.limits.table_elements as usize;
        if sum > limit {
            return Ok(self.deny(format!("wanted {sum} table elements; its limit is {limit}")));
        }
        self.table = sum;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances as usize
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        self.limits.memories as usize
    }
}
