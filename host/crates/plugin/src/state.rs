//! What one call keeps on the host's side: its bounds, its counters, and what it may look at.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use jackfield_core::contract::{Ask, PluginFaultKind};

use crate::engine::Inner;
use crate::imports::KvStore;
use crate::limits::{CallLimits, LIFT_BYTES_TOTAL, LimitHit, SpaceMeter};
use crate::ticker::TICK;

/// What all calls of one plugin share.
pub(crate) struct Shared {
    pub name: String,
    /// The plugin's own settings, as JSON text.
    pub config: String,
    /// Shared by all generations of the plugin.
    pub kv: Arc<KvStore>,
    /// The most linear memory that an instance of this generation held, in bytes, however its call ended.
    pub peak_memory: Arc<AtomicUsize>,
    pub engine: Arc<Inner>,
}

/// The data of one store.
pub(crate) struct CallState {
    pub plugin: Arc<Shared>,
    pub space: SpaceMeter,
    pub meter: Meter,
    /// What the guest is asked; nothing while it starts or checks its settings.
    ask: Option<Ask>,
}

/// Counts what a guest does against its bounds.
#[derive(Debug)]
pub(crate) struct Meter {
    host_calls: u32,
    host_call_limit: u32,
    lifted: usize,
    pub log_lines: u32,
    ticks: u32,
    tick_limit: u32,
    cpu: Duration,
}

impl CallState {
    pub(crate) fn new(plugin: Arc<Shared>, limits: &CallLimits, ask: Option<Ask>) -> Self {
        let space = SpaceMeter::new(limits.memory, Arc::clone(&plugin.peak_memory));
        Self { plugin, space, meter: Meter::new(limits), ask }
    }

    /// The same instance for another call: every counter but that of its memory, which it keeps, starts again.
    pub(crate) fn renew(&mut self, limits: &CallLimits, ask: Option<Ask>) {
        self.meter = Meter::new(limits);
        self.space.denied = None;
        self.ask = ask;
    }

    /// Lets go of the request.
    pub(crate) fn rest(&mut self) {
        self.ask = None;
    }

    /// What the guest is asked. A trap outside a call: a guest that starts has nothing to look at yet.
    pub(crate) fn ask(&self) -> wasmtime::Result<&Ask> {
        self.ask.as_ref().ok_or_else(|| {
            let message = "asked about a request while none was being decided".to_owned();
            LimitHit::new(PluginFaultKind::Trap, message).into()
        })
    }

    /// The request's id for the log, when there is one.
    pub(crate) fn request_id(&self) -> Option<String> {
        self.ask.as_ref().map(|ask| ask.facts.id.to_string())
    }
}

impl Meter {
    fn new(limits: &CallLimits) -> Self {
        Self {
            host_calls: 0,
            host_call_limit: limits.host_calls,
            lifted: 0,
            log_lines: 0,
            ticks: 0,
            tick_limit: u32::try_from(limits.cpu.as_nanos() / TICK.as_nanos()).unwrap_or(u32::MAX).max(1),
            cpu: limits.cpu,
        }
    }

    /// Counts one host call with so many bytes of arguments.
    pub(crate) fn enter(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.host_calls += 1;
        self.lifted = self.lifted.saturating_add(bytes);
        let message = if self.host_calls > self.host_call_limit {
            format!("called the host more than {} times", self.host_call_limit)
        } else if self.lifted > LIFT_BYTES_TOTAL {
            format!("passed the host more than {LIFT_BYTES_TOTAL} bytes")
        } else {
            return Ok(());
        };
        Err(LimitHit::new(PluginFaultKind::HostCallLimit, message).into())
    }

    /// Counts one tick of computing.
    pub(crate) fn tick(&mut self) -> Result<(), LimitHit> {
        self.ticks += 1;
        if self.ticks <= self.tick_limit {
            return Ok(());
        }
        Err(LimitHit::new(PluginFaultKind::CpuLimit, format!("computed longer than {:?}", self.cpu)))
    }

    /// Host calls so far.
    pub(crate) fn host_calls(&self) -> u32 {
        self.host_calls
    }
}

/// The moment monotonic time is counted from: before any plugin was loaded.
pub(crate) fn origin() -> Instant {
    static ORIGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}
