//! `log`: the plugin's voice in the host's log, bounded and harmless to read.

use crate::bindings::jackfield::plugin::log::{Host, Level};
use crate::convert::tame;
use crate::limits::LOG_LINE_BYTES;
use crate::state::CallState;

impl Host for CallState {
    fn write(&mut self, level: Level, line: String) -> wasmtime::Result<()> {
        self.meter.enter(line.len())?;
        if self.counts_line() {
            say(&self.plugin.name, self.request_id().as_deref(), level, &line);
        }
        Ok(())
    }
}

/// One line of a guest's in the host's log, tamed and cut.
pub(super) fn say(plugin: &str, request_id: Option<&str>, level: Level, line: &str) {
    let line = tame(line, LOG_LINE_BYTES);
    match level {
        Level::Debug => tracing::debug!(target: "jackfield::plugin", plugin, request_id, "{line}"),
        Level::Info => tracing::info!(target: "jackfield::plugin", plugin, request_id, "{line}"),
        Level::Warn => tracing::warn!(target: "jackfield::plugin", plugin, request_id, "{line}"),
        Level::Error => tracing::error!(target: "jackfield::plugin", plugin, request_id, "{line}"),
    }
}
