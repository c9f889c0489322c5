//! `log`: the plugin's voice in the host's log, bounded and harmless to read.

use crate::bindings::jackfield::plugin::log::{Host, Level};
use crate::convert::tame;
use crate::limits::{LOG_LINE_BYTES, LOG_LINES};
use crate::state::CallState;

impl Host for CallState {
    fn write(&mut self, level: Level, line: String) -> wasmtime::Result<()> {
        self.meter.enter(line.len())?;
        self.meter.log_lines = self.meter.log_lines.saturating_add(1);
        if self.meter.log_lines > LOG_LINES {
            return Ok(());
        }
        let line = tame(&line, LOG_LINE_BYTES);
        let plugin = self.plugin.name.as_str();
        let request_id = self.request_id();
        match level {
            Level::Debug => tracing::debug!(target: "jackfield::plugin", plugin, request_id, "{line}"),
            Level::Info => tracing::info!(target: "jackfield::plugin", plugin, request_id, "{line}"),
            Level::Warn => tracing::warn!(target: "jackfield::plugin", plugin, request_id, "{line}"),
            Level::Error => tracing::error!(target: "jackfield::plugin", plugin, request_id, "{line}"),
        }
        Ok(())
    }
}
