//! `config`: the plugin's own settings. Also `types`, which has no functions.

use crate::bindings::jackfield::plugin::{config, types};
use crate::state::CallState;

impl config::Host for CallState {
    fn get(&mut self) -> wasmtime::Result<String> {
        self.meter.enter(0)?;
        Ok(self.plugin.config.clone())
    }
}

impl types::Host for CallState {}
