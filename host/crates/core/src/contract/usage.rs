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
    /// Those of `input_tokens` that the provider wrote to its prompt cache.
    pub cache_write_tokens: u64,
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
        let written = self.cache_write_tokens.min(self.input_tokens - cached);
        let parts = [
            (self.input_tokens - cached - written, price.input),
            (written, price.cache_write.unwrap_or(price.input)),
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
            cache_write_tokens: self.cache_write_tokens.saturating_add(other.cache_write_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(other.reasoning_tokens),
            estimated: self.estimated || other.estimated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::TokenPrice;

    #[test]
    fn each_sort_of_token_costs_its_own_price_or_that_of_a_prompts() {
        let price = |usd: &str| usd.parse::<TokenPrice>().unwrap();
        let all = Price {
            input: price("3"),
            output: price("15"),
            cached_input: Some(price("0.3")),
            cache_write: Some(price("3.75")),
        };
        let usage = Usage {
            input_tokens: 1_000,
            output_tokens: 10,
            cached_input_tokens: 400,
            cache_write_tokens: 500,
            ..Usage::default()
        };
        // 100 at 3, 400 at 0.3, 500 at 3.75, 10 at 15 dollars a million.
        assert_eq!(usage.cost(&all).nanos(), 300_000 + 120_000 + 1_875_000 + 150_000);
        let plain = Price { cached_input: None, cache_write: None, ..all };
        assert_eq!(usage.cost(&plain).nanos(), 3_000_000 + 150_000);
        let odd = Usage { cached_input_tokens: 800, cache_write_tokens: 800, ..usage };
        assert_eq!(odd.cost(&all).nanos(), 240_000 + 750_000 + 150_000, "never more tokens than there are");
    }
}
