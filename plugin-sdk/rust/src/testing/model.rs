//! A model on the played host.

use crate::models::{LiveState, ModelInfo};

/// A model on the played host: nothing is known of it but what the test says; it is healthy and idle.
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) info: ModelInfo,
    pub(super) live: LiveState,
}

impl Model {
    /// A model of this name.
    pub fn new(name: impl Into<String>) -> Self {
        let info = ModelInfo {
            name: name.into(),
            provider: "test".into(),
            context_window: None,
            max_output_tokens: None,
            input_usd_per_mtok: None,
            output_usd_per_mtok: None,
            tags: Vec::new(),
            capabilities: Vec::new(),
        };
        let live = LiveState {
            healthy: true,
            in_flight: 0,
            p50_ms: None,
            p95_ms: None,
            first_token_p50_ms: None,
            error_rate: 0.0,
            rate_limit_headroom: None,
        };
        Self { info, live }
    }

    /// US dollars for a million tokens of input and of output.
    #[must_use]
    pub fn price(mut self, input: f64, output: f64) -> Self {
        (self.info.input_usd_per_mtok, self.info.output_usd_per_mtok) = (Some(input), Some(output));
        self
    }

    /// The longest conversation it takes, in tokens.
    #[must_use]
    pub fn context_window(mut self, tokens: u64) -> Self {
        self.info.context_window = Some(tokens);
        self
    }

    /// An ability: `tools`, `vision`, `response_schema` or `reasoning`.
    #[must_use]
    pub fn can(mut self, capability: impl Into<String>) -> Self {
        self.info.capabilities.push(capability.into());
        self
    }

    /// A word the configuration marks it with.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.info.tags.push(tag.into());
        self
    }

    /// Anything else about what it is.
    #[must_use]
    pub fn info(mut self, change: impl FnOnce(&mut ModelInfo)) -> Self {
        change(&mut self.info);
        self
    }

    /// Calls now under way, and the median and 95th percentile latency in milliseconds.
    #[must_use]
    pub fn busy(mut self, in_flight: u32, p50_ms: f64, p95_ms: f64) -> Self {
        self.live.in_flight = in_flight;
        (self.live.p50_ms, self.live.p95_ms) = (Some(p50_ms), Some(p95_ms));
        self
    }

    /// It does not answer at present.
    #[must_use]
    pub fn unhealthy(mut self) -> Self {
        self.live.healthy = false;
        self
    }

    /// The share of its last calls that failed, 0 to 1.
    #[must_use]
    pub fn error_rate(mut self, share: f64) -> Self {
        self.live.error_rate = share;
        self
    }

    /// Anything else about how it does.
    #[must_use]
    pub fn live(mut self, change: impl FnOnce(&mut LiveState)) -> Self {
        change(&mut self.live);
        self
    }
}

impl From<&str> for Model {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}
