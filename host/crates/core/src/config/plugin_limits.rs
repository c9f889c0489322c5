//! What one plugin call may cost: partly written, filled up from what is above, bounded.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::findings::Located;
use super::pointer::Pointer;
use super::units::{Count, Period, Size};

/// What one plugin call may cost.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "PluginLimits")]
pub(crate) struct RawLimits {
    /// Computing time: 1ms to 10s, 10ms if nothing else is said.
    cpu: Option<Period>,
    /// Time by the clock, waiting included: 1ms to 60s, 50ms if nothing else is said.
    wall: Option<Period>,
    /// Memory: 1MiB to 4GiB, 64MiB if nothing else is said.
    memory: Option<Size>,
    /// Calls of the host: 1 to 10M, 10k if nothing else is said.
    host_calls: Option<Count>,
}

/// What one plugin call may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginLimits {
    /// Computing time: 1 ms to 10 s.
    pub cpu: Duration,
    /// Time by the clock, waiting included: 1 ms to 60 s.
    pub wall: Duration,
    /// Memory in bytes: 1 MiB to 4 GiB.
    pub memory: usize,
    /// Calls of the host: 1 to 10 million.
    pub host_calls: u64,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_millis(10),
            wall: Duration::from_millis(50),
            memory: 64 << 20,
            host_calls: 10_000,
        }
    }
}

impl PluginLimits {
    /// The limits as they took effect.
    pub(crate) fn show(&self) -> Value {
        json!({
            "cpu": Period::from(self.cpu),
            "wall": Period::from(self.wall),
            "memory": Size::from_bytes(self.memory as u64),
            "host_calls": Count::new(self.host_calls),
        })
    }
}

impl RawLimits {
    /// These limits over others that fill the gaps.
    pub(crate) fn over(&self, base: PluginLimits, at: &Pointer, found: &mut Located<'_>) -> PluginLimits {
        let mut period = |name: &str, value: Option<Period>, base: Duration, most: Period| {
            let Some(value) = value else { return base };
            if value.get().is_zero() || value > most {
                let at = at.key(name);
                found.fault(&at, format!("`{at}` is {value}"), format!("use 1ms to {most}"));
            }
            value.get()
        };
        let cpu = period("cpu", self.cpu, base.cpu, Period::from_secs(10));
        let wall = period("wall", self.wall, base.wall, Period::from_secs(60));
        let memory = self.memory.map_or(base.memory, |memory| {
            if !(1 << 20..=4 << 30).contains(&memory.bytes()) {
                let at = at.key("memory");
                found.fault(&at, format!("`{at}` is {memory}"), "use 1MiB to 4GiB");
            }
            memory.as_usize()
        });
        let host_calls = self.host_calls.map_or(base.host_calls, |calls| {
            if !(1..=10_000_000).contains(&calls.get()) {
                let at = at.key("host_calls");
                found.fault(&at, format!("`{at}` is {calls}"), "use 1 to 10M");
            }
            calls.get()
        });
        PluginLimits { cpu, wall, memory, host_calls }
    }
}
