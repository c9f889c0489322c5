//! What one call keeps on the host's side: its bounds, its counters, and what it may look at.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use jackfield_core::config::PluginLimits;
use jackfield_core::contract::{Ask, Draft, PluginFaultKind, Usage};

use crate::engine::Inner;
use crate::imports::wasi::Wasi;
use crate::imports::{KvStore, LogBucket};
use crate::limits::{LimitHit, SpaceMeter};
use crate::pass::Leave;
use crate::ticker::TICK;

/// What all calls of one plugin generation share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub name: String,
    /// The plugin's own settings, as JSON text.
    pub config: String,
    pub limits: PluginLimits,
    /// Shared by all generations of the plugin.
    pub kv: Arc<KvStore>,
    /// The most linear memory that an instance of this generation held, in bytes, however its call ended.
    pub peak_memory: Arc<AtomicUsize>,
    pub log: Arc<LogBucket>,
    /// A shadow's calls leave no trace: what they write to `kv` is not kept. Nothing that costs or changes anything
    /// outside of the call may be granted to one.
    pub shadow: bool,
    pub engine: Arc<Inner>,
}

/// The data of one store.
pub(crate) struct CallState {
    pub plugin: Arc<Shared>,
    pub space: SpaceMeter,
    pub meter: Meter,
    /// Made at the guest's first call of WASI, and kept for as long as the instance lives.
    pub wasi: Option<Box<Wasi>>,
    /// What the guest is asked; nothing while it starts or checks its settings.
    ask: Option<Ask>,
    /// The answer that is being judged, where one is.
    draft: Option<Arc<Draft>>,
    /// To give up the call's right to run while a model is waited for.
    pub leave: Option<Leave>,
}

/// Counts what a guest does against its bounds.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: PluginLimits,
    /// What the guest may compute now: a call's time, or that of the check of its settings.
    cpu: Duration,
    /// Whether a call has begun. Before, while the guest starts, the host does not answer: an instance may be
    /// made long before its call.
    open: bool,
    host_calls: u32,
    lifted: usize,
    pub log_lines: u32,
    ticks: u32,
    /// The clock went on while the guest was not there: its next tick is not its own.
    away: bool,
    /// Questions to models, and the tokens they took.
    llm_calls: u32,
    llm_tokens: u64,
}

impl CallState {
    /// The state of an instance that is being made.
    pub(crate) fn new(plugin: Arc<Shared>) -> Self {
        let limits = plugin.limits;
        let space = SpaceMeter::new(limits, Arc::clone(&plugin.peak_memory));
        Self {
            plugin,
            space,
            meter: Meter::new(limits, limits.cpu, false),
            wasi: None,
            ask: None,
            draft: None,
            leave: None,
        }
    }

    /// A call of the instance begins: every counter but that of its memory, which it keeps, starts again.
    pub(crate) fn begin(&mut self, cpu: Duration, leave: Leave, ask: Option<Ask>, draft: Option<Arc<Draft>>) {
        self.meter = Meter::new(self.plugin.limits, cpu, true);
        self.space.denied = None;
        self.ask = ask;
        self.draft = draft;
        self.leave = Some(leave);
        if let Some(wasi) = &self.wasi {
            wasi.stdio().renew(self.request_id());
        }
    }

    /// The next call about the same stream begins. Its questions to models count on: a stream has as many calls as it has
    /// pieces, and a bound for each would be none.
    pub(crate) fn go_on(&mut self, cpu: Duration, leave: Leave, ask: Ask) {
        let (calls, tokens) = (self.meter.llm_calls, self.meter.llm_tokens);
        self.begin(cpu, leave, Some(ask), None);
        (self.meter.llm_calls, self.meter.llm_tokens) = (calls, tokens);
    }

    /// Lets go of the request.
    pub(crate) fn rest(&mut self) {
        self.meter.open = false;
        self.ask = None;
        self.draft = None;
        self.leave = None;
    }

    /// Counts a line for the log, printed or logged; whether it is still to be told.
    pub(crate) fn counts_line(&mut self) -> bool {
        if let Some(wasi) = &self.wasi {
            return wasi.stdio().count();
        }
        self.meter.log_lines = self.meter.log_lines.saturating_add(1);
        self.meter.log_lines <= self.plugin.limits.log_lines
    }

    /// What the guest is asked. A trap outside a call: there is nothing to look at.
    pub(crate) fn ask(&self) -> wasmtime::Result<&Ask> {
        self.ask.as_ref().ok_or_else(|| {
            let message = "asked about a request while none was being decided".to_owned();
            LimitHit::new(PluginFaultKind::Trap, message).into()
        })
    }

    /// The answer that is being judged. A trap where none is: a router has nothing to read yet.
    pub(crate) fn draft(&self) -> wasmtime::Result<&Arc<Draft>> {
        self.draft.as_ref().ok_or_else(|| {
            let message = "asked about an answer while none was being judged".to_owned();
            LimitHit::new(PluginFaultKind::Trap, message).into()
        })
    }

    /// The request's id for the log, when there is one.
    pub(crate) fn request_id(&self) -> Option<String> {
        self.ask.as_ref().map(|ask| ask.facts.id.to_string())
    }
}

impl Meter {
    fn new(limits: PluginLimits, cpu: Duration, open: bool) -> Self {
        Self {
            limits,
            cpu,
            open,
            host_calls: 0,
            lifted: 0,
            log_lines: 0,
            ticks: 0,
            away: false,
            llm_calls: 0,
            llm_tokens: 0,
        }
    }

    /// Counts one host call with so many bytes of arguments.
    pub(crate) fn enter(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.count();
        self.lifted = self.lifted.saturating_add(bytes);
        if !self.open {
            let message = "called the host while it started, before any call".to_owned();
            return Err(LimitHit::new(PluginFaultKind::Trap, message).into());
        }
        self.verdict().map_err(Into::into)
    }

    /// Counts one host call that cannot fail by itself; the next tick, the next call that can, or the end of the
    /// guest's call tells whether it was one too many.
    pub(crate) fn count(&mut self) {
        self.host_calls = self.host_calls.saturating_add(1);
    }

    /// Whether the host was called no more than it may be.
    pub(crate) fn verdict(&self) -> Result<(), LimitHit> {
        let message = if self.host_calls > self.limits.host_calls {
            format!("called the host more than {} times", self.limits.host_calls)
        } else if self.lifted > self.limits.host_calls_size {
            format!("passed the host more than {} bytes", self.limits.host_calls_size)
        } else {
            return Ok(());
        };
        Err(LimitHit::new(PluginFaultKind::HostCallLimit, message))
    }

    /// Counts one tick of computing.
    pub(crate) fn tick(&mut self) -> Result<(), LimitHit> {
        self.verdict()?;
        if std::mem::take(&mut self.away) {
            return Ok(());
        }
        self.ticks += 1;
        if u128::from(self.ticks) <= (self.cpu.as_nanos() / TICK.as_nanos()).max(1) {
            return Ok(());
        }
        Err(LimitHit::new(PluginFaultKind::CpuLimit, format!("computed longer than {:?}", self.cpu)))
    }

    /// Counts a question to a model; whether it may be asked.
    pub(crate) fn asks_model(&mut self) -> bool {
        self.llm_calls = self.llm_calls.saturating_add(1);
        self.llm_calls <= self.limits.llm_calls
    }

    /// Whether the last question was the first that may not be asked.
    pub(crate) fn asked_one_too_many(&self) -> bool {
        self.llm_calls == self.limits.llm_calls.saturating_add(1)
    }

    /// The guest was not there for a while: waiting is not computing.
    pub(crate) fn was_away(&mut self) {
        self.away = true;
    }

    /// A model's answer took so much.
    pub(crate) fn consumed(&mut self, usage: Option<Usage>) {
        let tokens = usage.map_or(0, |usage| usage.input_tokens.saturating_add(usage.output_tokens));
        self.llm_tokens = self.llm_tokens.saturating_add(tokens);
    }

    /// Questions to models so far, and the tokens they took.
    pub(crate) fn llm(&self) -> (u32, u64) {
        (self.llm_calls.min(self.limits.llm_calls), self.llm_tokens)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock moves for whoever runs: the first tick after a wait may be that of others.
    #[test]
    fn one_tick_after_each_wait_is_not_counted() {
        let mut meter = Meter::new(PluginLimits::default(), Duration::from_millis(2), true);
        meter.was_away();
        assert!(meter.tick().is_ok() && meter.tick().is_ok());
        meter.was_away();
        assert!(meter.tick().is_ok() && meter.tick().is_ok());
        assert_eq!(meter.tick().unwrap_err().kind, PluginFaultKind::CpuLimit);
    }
}
