//! `models`: what may be chosen from, and how it does.

use jackfield_core::contract;

use crate::bindings::jackfield::plugin::models::{Host, LiveState, ModelInfo};
use crate::state::CallState;

impl Host for CallState {
    fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        self.meter.enter(0)?;
        Ok(self.ask()?.view.model_names())
    }

    fn info(&mut self, name: String) -> wasmtime::Result<Option<ModelInfo>> {
        self.meter.enter(name.len())?;
        Ok(self.ask()?.view.model_info(&name).map(info))
    }

    fn live(&mut self, name: String) -> wasmtime::Result<Option<LiveState>> {
        self.meter.enter(name.len())?;
        Ok(self.ask()?.view.live(&name).map(live))
    }
}

fn info(model: contract::ModelInfo) -> ModelInfo {
    ModelInfo {
        name: model.name,
        provider: model.provider,
        context_window: model.context_window,
        max_output_tokens: model.max_output_tokens,
        input_usd_per_mtok: model.input_usd_per_mtok,
        output_usd_per_mtok: model.output_usd_per_mtok,
        tags: model.tags,
        capabilities: model.capabilities,
    }
}

fn live(state: contract::LiveState) -> LiveState {
    LiveState {
        healthy: state.healthy,
        in_flight: state.in_flight,
        p50_ms: state.p50_ms,
        p95_ms: state.p95_ms,
        first_token_p50_ms: state.first_token_p50_ms,
        error_rate: state.error_rate,
        rate_limit_headroom: state.rate_limit_headroom,
    }
}
