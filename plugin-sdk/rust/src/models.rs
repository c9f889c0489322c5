//! The models a router may choose from: what they are, and how they do at the moment.

use crate::imports;

pub use crate::bindings::imports::jackfield::plugin::models::{LiveState, ModelInfo};

/// The names of all models the host's configuration declares or refers to, in order of name.
pub fn names() -> Vec<String> {
    imports::models::names()
}

/// What a model is; absent when there is none of that name.
pub fn info(name: &str) -> Option<ModelInfo> {
    imports::models::info(name)
}

/// How a model does; absent when there is none of that name.
pub fn live(name: &str) -> Option<LiveState> {
    imports::models::live(name)
}

/// What every model is, in order of name. One host call for each.
pub fn all() -> impl Iterator<Item = ModelInfo> {
    names().into_iter().filter_map(|name| info(&name))
}

impl ModelInfo {
    /// Whether it is known to have this ability: `tools`, `vision`, `response_schema` or `reasoning`.
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known == capability)
    }

    /// Whether the configuration marks it with this word.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|known| known == tag)
    }

    /// US dollars for a call of so many tokens at list price; absent when a price is not known.
    pub fn cost_usd(&self, input_tokens: u64, output_tokens: u64) -> Option<f64> {
        const MILLION: f64 = 1_000_000.0;
        let input = self.input_usd_per_mtok? * input_tokens as f64;
        let output = self.output_usd_per_mtok? * output_tokens as f64;
        Some((input + output) / MILLION)
    }
}
