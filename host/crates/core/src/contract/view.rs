//! What a routing rule may see of the host: models, their state at the moment, load and budgets.
//!
//! A seam: the gateway implements it over its live tables, tests over a fixed picture.

use super::Caller;

/// What a model is. `None` means: not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelInfo {
    /// The model's name.
    pub name: String,
    /// The provider that serves it.
    pub provider: String,
    /// The longest conversation it takes, in tokens.
    pub context_window: Option<u64>,
    /// The longest answer it gives, in tokens.
    pub max_output_tokens: Option<u64>,
    /// US dollars for a million input tokens. For comparing, not for accounting.
    pub input_usd_per_mtok: Option<f64>,
    /// US dollars for a million output tokens. For comparing, not for accounting.
    pub output_usd_per_mtok: Option<f64>,
    /// The words the configuration marks it with.
    pub tags: Vec<String>,
    /// What it can do: `tools`, `vision`, `response_schema`, `reasoning`.
    pub capabilities: Vec<String>,
}

/// How a model does, over the last calls from this host.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LiveState {
    /// Whether it answers at present, as far as this host knows.
    pub healthy: bool,
    /// Calls now under way.
    pub in_flight: u32,
    /// Half of the calls took no longer, in milliseconds.
    pub p50_ms: Option<f64>,
    /// Nineteen of twenty calls took no longer, in milliseconds.
    pub p95_ms: Option<f64>,
    /// Half of the calls began to answer no later, in milliseconds.
    pub first_token_p50_ms: Option<f64>,
    /// The share of calls that failed, 0 to 1.
    pub error_rate: f64,
    /// The share of its rate limit still free, 0 to 1, if the provider says.
    pub rate_limit_headroom: Option<f64>,
}

/// How busy the host is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadState {
    /// Requests under way.
    pub in_flight: u32,
    /// The share of the processors in use, 0 to 1, where the system says.
    pub cpu: Option<f64>,
}

/// Whose budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetScope {
    /// The caller's project.
    Project,
    /// The caller's user.
    User,
    /// Everybody together.
    Global,
}

/// What may still be spent. For deciding, not for accounting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Headroom {
    /// US dollars left in the tightest window.
    pub remaining_usd: f64,
    /// The share of that window's limit that is spent or reserved, 0 to 1.
    pub used_ratio: f64,
}

/// The host as a routing rule sees it.
pub trait HostView: Send + Sync {
    /// Every model that configuration declares or refers to, by name.
    fn model_names(&self) -> Vec<String>;
    /// What a model is.
    fn model_info(&self, name: &str) -> Option<ModelInfo>;
    /// How a model does.
    fn live(&self, name: &str) -> Option<LiveState>;
    /// How busy the host is.
    fn load(&self) -> LoadState;
    /// What a caller may still spend; `None` where no limit is set.
    fn budget(&self, caller: &Caller, scope: BudgetScope) -> Option<Headroom>;
    /// The names most like this one, best first, at most three: for error messages.
    fn nearest_models(&self, name: &str) -> Vec<String>;
    /// Whether a model of this name can be used.
    fn knows(&self, name: &str) -> bool {
        self.model_info(name).is_some()
    }
}
