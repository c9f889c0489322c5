//! Instances that are used again: for languages whose start costs more than a call.
//!
//! Last in, first out, so that a quiet plugin keeps few instances warm. One call at a time; an instance whose
//! call failed, was cancelled or answered nonsense is never seen again. When all are busy, a call gets a
//! new one. Bounds: at most 8 idle instances of a plugin, each for at most 10 000 calls.

use std::sync::{Mutex, PoisonError};

use crate::bindings::exports::jackfield::plugin::routing::Guest;
use crate::call::Session;

/// Idle instances kept of one plugin.
const MAX_IDLE: usize = 8;
/// Calls after which an instance is given up: what a guest leaks, it leaks no further.
const MAX_CALLS: u32 = 10_000;

/// An instance between two calls, or in one.
pub(crate) struct WarmInstance {
    pub session: Session,
    pub guest: Guest,
    pub calls: u32,
}

/// The idle instances of one generation of one plugin.
#[derive(Default)]
pub(crate) struct IdleInstances {
    stack: Mutex<Vec<WarmInstance>>,
}

impl IdleInstances {
    /// The instance used last, if one is idle.
    pub(crate) fn take(&self) -> Option<WarmInstance> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Takes an instance back after a call that went well.
    pub(crate) fn give(&self, mut instance: WarmInstance) {
        instance.calls += 1;
        if instance.calls >= MAX_CALLS {
            return;
        }
        let mut stack = self.stack.lock().unwrap_or_else(PoisonError::into_inner);
        if stack.len() < MAX_IDLE {
            stack.push(instance);
        }
    }
}
