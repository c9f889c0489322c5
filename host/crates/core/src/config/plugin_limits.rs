//! What one plugin may cost: partly written, filled up from what is above, bounded.
//!
//! One table, at the end, names every limit with its unit, default and range; everything else follows from it.

use std::fmt::Display;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::findings::Located;
use super::pointer::Pointer;
use super::units::{Count, Period, Size};

/// A unit of configuration, and the plain type that the rest of the house counts in.
trait Limit: Copy + PartialOrd + Display + Serialize {
    type Plain: Copy;
    fn plain(self) -> Self::Plain;
    fn of(plain: Self::Plain) -> Self;
}

impl Limit for Period {
    type Plain = Duration;
    fn plain(self) -> Duration {
        self.get()
    }
    fn of(plain: Duration) -> Self {
        plain.into()
    }
}

impl Limit for Size {
    type Plain = usize;
    fn plain(self) -> usize {
        self.as_usize()
    }
    fn of(plain: usize) -> Self {
        Self::from_bytes(plain as u64)
    }
}

impl Limit for Count {
    type Plain = u32;
    fn plain(self) -> u32 {
        u32::try_from(self.get()).unwrap_or(u32::MAX)
    }
    fn of(plain: u32) -> Self {
        Self::new(u64::from(plain))
    }
}

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $unit:ty => $plain:ty, $default:expr, $least:expr, $most:expr;)+) => {
        /// What one plugin may cost, as written.
        #[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        #[schemars(rename = "PluginLimits")]
        pub(crate) struct RawLimits {
            $($(#[doc = $doc])+ $name: Option<$unit>,)+
        }

        /// What one plugin may cost. Sizes are in bytes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct PluginLimits {
            $($(#[doc = $doc])+ pub $name: $plain,)+
        }

        impl Default for PluginLimits {
            fn default() -> Self {
                Self { $($name: <$unit>::plain($default),)+ }
            }
        }

        impl PluginLimits {
            /// The limits in configuration's words, by name.
            pub fn show(&self) -> Value {
                let mut shown = Map::new();
                $(shown.insert(stringify!($name).to_owned(), json!(<$unit>::of(self.$name)));)+
                Value::Object(shown)
            }
        }

        impl RawLimits {
            /// These limits over others that fill the gaps.
            pub(crate) fn over(&self, base: PluginLimits, at: &Pointer, found: &mut Located<'_>) -> PluginLimits {
                PluginLimits {
                    $($name: within(self.$name, base.$name, $least, $most, &at.key(stringify!($name)), found),)+
                }
            }
        }
    };
}

/// What is written, if it is within its range; else what holds above.
fn within<L: Limit>(
    written: Option<L>,
    base: L::Plain,
    least: L,
    most: L,
    at: &Pointer,
    found: &mut Located<'_>,
) -> L::Plain {
    let Some(value) = written else { return base };
    if value < least || value > most {
        found.fault(at, format!("`{at}` is {value}"), format!("use {least} to {most}"));
    }
    value.plain()
}

impl PluginLimits {
    /// The defaults for validators: an answer is longer than a question.
    pub(crate) fn of_validators() -> Self {
        Self { cpu: Duration::from_millis(50), wall: Duration::from_millis(250), ..Self::default() }
    }
}

const fn ms(millis: u64) -> Period {
    Period::from_millis(millis)
}

const fn kib(kibibytes: u64) -> Size {
    Size::from_bytes(kibibytes << 10)
}

const fn n(number: u64) -> Count {
    Count::new(number)
}

limits! {
    /// Computing time of a call: 1ms to 10s, 10ms if nothing else is said.
    cpu: Period => Duration, ms(10), ms(1), ms(10_000);
    /// Time of a call by the clock, waiting included but for models it asks: 1ms to 60s, 50ms if nothing else is said.
    wall: Period => Duration, ms(50), ms(1), ms(60_000);
    /// Computing time of the check of its settings when it is loaded: 1ms to 60s, 1s if nothing else is said.
    check_config: Period => Duration, ms(1_000), ms(1), ms(60_000);
    /// Memory, summed over all memories of an instance: 64KiB to 4GiB, 64MiB if nothing else is said.
    memory: Size => usize, kib(64 << 10), kib(64), kib(4 << 20);
    /// Elements of its tables together: up to 10M, 20k if nothing else is said.
    table_elements: Count => u32, n(20_000), n(0), n(10_000_000);
    /// Core instances that make up one instance: 1 to 64, 64 if nothing else is said.
    instances: Count => u32, n(64), n(1), n(64);
    /// Memories of one instance: 1 to 8, 8 if nothing else is said.
    memories: Count => u32, n(8), n(1), n(8);
    /// Handles to resources alive at once: up to 1M, 1024 if nothing else is said.
    handles: Count => u32, n(1_024), n(0), n(1_000_000);
    /// Calls of the host in a call: 1 to 10M, 10k if nothing else is said.
    host_calls: Count => u32, n(10_000), n(1), n(10_000_000);
    /// What one call of the host may pass to it; its answer likewise: 1KiB to 64MiB, 4MiB if nothing else is said.
    host_call_size: Size => usize, kib(4 << 10), kib(1), kib(64 << 10);
    /// What all calls of the host may pass to it in one call: 1KiB to 1GiB, 16MiB if nothing else is said.
    host_calls_size: Size => usize, kib(16 << 10), kib(1), kib(1 << 20);
    /// Lines it may log in a call; further ones are left out: up to 10k, 64 if nothing else is said.
    log_lines: Count => u32, n(64), n(0), n(10_000);
    /// The length of a line it logs; the rest is left out: 16 to 64KiB, 2KiB if nothing else is said.
    log_line_size: Size => usize, kib(2), Size::from_bytes(16), kib(64);
    /// Lines it may log in a second over all calls; further ones are counted and left out: up to 100k, 100 if
    /// nothing else is said.
    log_rate: Count => u32, n(100), n(0), n(100_000);
    /// How often it may ask a model in a call, with the grant `llm`: up to 100, 4 if nothing else is said.
    llm_calls: Count => u32, n(4), n(0), n(100);
    /// How long it may wait for a model each time; the request's own deadline holds too: 1ms to 10m, 10s if nothing
    /// else is said.
    llm_timeout: Period => Duration, ms(10_000), ms(1), ms(600_000);
    /// Tokens that a model may answer it with each time: 1 to 1M, 1024 if nothing else is said.
    llm_output_tokens: Count => u32, n(1_024), n(1), n(1_000_000);
    /// What it may keep in its `kv` store: up to 1GiB, 1MiB if nothing else is said.
    kv: Size => usize, kib(1 << 10), kib(0), kib(1 << 20);
    /// The size of one value there: up to 64MiB, 64KiB if nothing else is said.
    kv_value: Size => usize, kib(64), kib(0), kib(64 << 10);
    /// Computing time of compiling it, over all threads, in whole seconds: 1s to 1h, 60s if nothing else is said.
    compile_cpu: Period => Duration, ms(60_000), ms(1_000), ms(3_600_000);
    /// Memory (address space) of compiling it: 256MiB to 64GiB, 2GiB if nothing else is said.
    compile_memory: Size => usize, kib(2 << 20), kib(256 << 10), kib(64 << 20);
    /// The size of its file: 1KiB to 256MiB, 32MiB if nothing else is said.
    file: Size => usize, kib(32 << 10), kib(1), kib(256 << 10);
}
