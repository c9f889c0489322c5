//! `log`: the plugin's voice in the host's log, bounded and harmless to read.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::bindings::jackfield::plugin::log::{Host, Level};
use crate::convert::tame;
use crate::state::{CallState, Shared};

/// How much one plugin may still log: a token bucket that fills at `log_rate` lines a second and holds a second's
/// worth, or one call's if that is more.
#[derive(Debug, Default)]
pub(crate) struct LogBucket {
    state: Mutex<Option<Fill>>,
}

/// What is in the bucket.
#[derive(Clone, Copy, Debug)]
struct Fill {
    lines: f64,
    at: Instant,
    left_out: u64,
}

impl LogBucket {
    /// Whether a line may be written now, and how many were left out since the last one.
    fn take(&self, rate: u32, burst: u32, now: Instant) -> Option<u64> {
        let full = f64::from(rate.max(burst).min(if rate == 0 { 0 } else { u32::MAX }));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let last = state.unwrap_or(Fill { lines: full, at: now, left_out: 0 });
        let gained = now.saturating_duration_since(last.at).as_secs_f64() * f64::from(rate);
        let lines = (last.lines + gained).min(full);
        let (next, told) = match lines >= 1.0 {
            true => (Fill { lines: lines - 1.0, at: now, left_out: 0 }, Some(last.left_out)),
            false => (Fill { lines, at: now, left_out: last.left_out + 1 }, None),
        };
        *state = Some(next);
        told
    }
}

impl Host for CallState {
    fn write(&mut self, level: Level, line: String) -> wasmtime::Result<()> {
        self.meter.enter(line.len())?;
        if self.counts_line() {
            say(&self.plugin, self.request_id().as_deref(), level, &line);
        }
        Ok(())
    }
}

/// One line of a guest's in the host's log, tamed and cut, if its plugin may still write one.
pub(super) fn say(shared: &Shared, request_id: Option<&str>, level: Level, line: &str) {
    let limits = &shared.limits;
    let Some(left_out) = shared.log.take(limits.log_rate, limits.log_lines, Instant::now()) else { return };
    let plugin = shared.name.as_str();
    if left_out > 0 {
        tracing::warn!(target: "jackfield::plugin", plugin, left_out, "it logs more than limits.log_rate allows");
    }
    let line = tame(line, limits.log_line_size);
    match level {
        Level::Debug => tracing::debug!(target: "jackfield::plugin", plugin, request_id, "{line}"),
        Level::Info => tracing::info!(target: "jackfield::plugin", plugin, request_id, "{line}"),
        Level::Warn => tracing::warn!(target: "jackfield::plugin", plugin, request_id, "{line}"),
        Level::Error => tracing::error!(target: "jackfield::plugin", plugin, request_id, "{line}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_bucket_holds_a_burst_fills_with_time_and_counts_what_it_leaves_out() {
        let (bucket, start) = (LogBucket::default(), Instant::now());
        let take = |rate, burst, millis| bucket.take(rate, burst, start + Duration::from_millis(millis));
        assert_eq!([take(10, 3, 0); 1], [Some(0)]);
        let taken = (0..20).filter(|_| take(10, 3, 0).is_some()).count();
        assert_eq!(taken, 9, "a second's worth in all");
        assert_eq!(take(10, 3, 99), None, "a tenth of a second has not passed");
        assert_eq!(take(10, 3, 100), Some(12));
        assert_eq!(take(10, 3, 100), None);
        let taken = (0..20).filter(|_| take(10, 3, 60_000).is_some()).count();
        assert_eq!(taken, 10, "it holds no more");
        let silent = LogBucket::default();
        assert_eq!(silent.take(0, 64, start), None);
    }
}
