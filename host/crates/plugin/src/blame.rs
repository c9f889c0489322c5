//! Limits that wasmtime keeps for us, and how it tells that one was hit: by an error that is no trap.
//!
//! Some of them are types, the others only words. The hostile suite hits each, so that new words are noticed.

use wasmtime::component::ResourceTableError;
use wasmtime_wasi::I32Exit;

use jackfield_core::config::PluginLimits;
use jackfield_core::contract::PluginFaultKind;

use crate::limits::LimitHit;

/// What an error says about the guest, when it is more than a broken ABI.
pub(crate) fn blame(error: &wasmtime::Error, limits: &PluginLimits) -> Option<LimitHit> {
    let PluginLimits { handles, host_call_size, .. } = limits;
    use PluginFaultKind::{HostCallLimit, MemoryLimit, Trap};
    let (kind, message) = if let Some(I32Exit(status)) = error.downcast_ref() {
        (Trap, format!("called exit with status {status}; a plugin answers by returning"))
    } else if let Some(ResourceTableError::Full) = error.downcast_ref() {
        (MemoryLimit, format!("held more than {handles} handles of WASI (`limits.handles`)"))
    } else {
        let words = error.root_cause().to_string();
        if words.starts_with("requested len ") {
            (HostCallLimit, format!("asked for too much randomness: {words}"))
        } else if words.ends_with("store handle limit exceeded") {
            (MemoryLimit, format!("held more than {handles} handles (`limits.handles`)"))
        } else if words.starts_with("too much data is being copied") {
            (
                HostCallLimit,
                format!("passed the host more than {host_call_size} bytes at once (`limits.host_call_size`)"),
            )
        } else if words.starts_with("resource limit exceeded") {
            (MemoryLimit, words)
        } else {
            return None;
        }
    };
    Some(LimitHit::new(kind, message))
}
