//! What a call consumed, as the provider counted it, and what that costs.

use crate::base::NanoUsd;
use crate::catalogue::Price;

/// Token counts of one call. Counts are the provider's own, never ours, unless `estimated`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input_tokens: u64,
    /// Tokens of the answer, reasoning included.
    pub output_tokens: u64,
    /// Those of `input_tokens` that the provider read from its prompt cache.
    pub cached_input_tokens: u64,
    /// Those of `output_tokens` that were spent on reasoning.
    pub reasoning_tokens: u64,
    /// True when the provider reported nothing and we counted ourselves.
    pub estimated: bool,
}

impl Usage {
    /// What it costs, exactly: pico-dollars, rounded once, half up. Tokens that have no price of their own cost what any
    /// token of a prompt does.
    pub fn cost(&self, price: &Price) -> NanoUsd {
        let cached = self.cached_input_tokens.min(self.input_tokens);
        let parts = [
            (self.input_tokens - cached, price.input),
            (cached, price.cached_input.unwrap_or(price.input)),
            (self.output_tokens, price.output),
        ];
        let pico = parts.iter().fold(0_u128, |sum, (tokens, price)| {
            sum.saturating_add(u128::from(*tokens) * u128::from(price.pico_usd()))
        });
        NanoUsd::from_pico_usd(pico)
    }

    /// What both calls consumed together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cached_input_tokens: self.cached_input_tokens.saturating_add(other.cached_input_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(other.reasoning_tokens),
            estimated: self.estimated || other.estimated,
        }
    }
}
