//! `load`, `budget` and `clock`: the host and the time at a glance.

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use jackfield_core::contract;

use crate::bindings::jackfield::plugin::{budget, clock, load};
use crate::state::{CallState, origin};

impl load::Host for CallState {
    fn current(&mut self) -> wasmtime::Result<load::LoadState> {
        self.meter.enter(0)?;
        let state = self.ask()?.view.load();
        let queued = self.plugin.engine.waiting.load(Ordering::Relaxed);
        Ok(load::LoadState {
            in_flight: state.in_flight,
            queued: u32::try_from(queued).unwrap_or(u32::MAX),
            cpu: state.cpu,
        })
    }
}

impl budget::Host for CallState {
    fn remaining(&mut self, of: budget::Scope) -> wasmtime::Result<Option<budget::Headroom>> {
        self.meter.enter(0)?;
        let scope = match of {
            budget::Scope::Project => contract::BudgetScope::Project,
            budget::Scope::User => contract::BudgetScope::User,
            budget::Scope::Global => contract::BudgetScope::Global,
        };
        let ask = self.ask()?;
        Ok(ask
            .view
            .budget(&ask.facts.caller, scope)
            .map(|left| budget::Headroom { remaining_usd: left.remaining_usd, used_ratio: left.used_ratio }))
    }
}

impl clock::Host for CallState {
    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        self.meter.enter(0)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic_ns(&mut self) -> wasmtime::Result<u64> {
        self.meter.enter(0)?;
        Ok(u64::try_from(origin().elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}
