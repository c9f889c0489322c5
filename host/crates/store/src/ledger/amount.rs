//! What a call costs: dollars and tokens together, exact.

use jackfield_core::base::NanoUsd;
use jackfield_core::catalogue::Price;
use jackfield_core::contract::Usage;

/// Dollars and tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) usd: NanoUsd,
    pub(crate) tokens: u64,
}

impl Amount {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { usd: self.usd.plus(other.usd), tokens: self.tokens.saturating_add(other.tokens) }
    }

    pub(super) fn less(self, other: Self) -> Self {
        Self { usd: self.usd.less(other.usd), tokens: self.tokens.saturating_sub(other.tokens) }
    }

    /// What was consumed, exactly; a model without a price costs tokens alone.
    pub(super) fn of(usage: &Usage, price: Option<&Price>) -> Self {
        let tokens = usage.input_tokens.saturating_add(usage.output_tokens);
        let Some(price) = price else { return Self { usd: NanoUsd::ZERO, tokens } };
        Self { usd: usage.cost(price), tokens }
    }
}

/// What a call may cost before it is made: a prompt of so many tokens, and answers of any length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tariff {
    input_tokens: u64,
    /// Pico-dollars for the whole prompt at its dearest: every token is written to the provider's cache.
    input_pico: u128,
    /// Pico-dollars for a token of the answer.
    output_pico: u128,
}

impl Tariff {
    pub(super) fn new(input_tokens: u64, price: Option<&Price>) -> Self {
        let dearest = price.map_or(0, |p| p.input.max(p.cache_write.unwrap_or(p.input)).pico_usd());
        let input_pico = u128::from(input_tokens) * u128::from(dearest);
        let output_pico = price.map_or(0, |p| u128::from(p.output.pico_usd()));
        Self { input_tokens, input_pico, output_pico }
    }

    /// The most that an answer of so many tokens costs, the prompt included.
    pub(super) fn most(&self, output_tokens: u64) -> Amount {
        let pico = self.input_pico.saturating_add(u128::from(output_tokens) * self.output_pico);
        Amount { usd: NanoUsd::from_pico_usd(pico), tokens: self.input_tokens.saturating_add(output_tokens) }
    }

    /// The longest answer that so many dollars pay for; `None`: not even the prompt.
    pub(super) fn output_for_usd(&self, usd: NanoUsd) -> Option<u64> {
        // Half a nano-dollar more would be rounded up.
        let pico = u128::from(usd.nanos()) * 1_000;
        let left = pico.checked_sub(self.input_pico)?;
        if self.output_pico == 0 {
            return Some(u64::MAX);
        }
        Some(u64::try_from(left / self.output_pico).unwrap_or(u64::MAX))
    }

    /// The longest answer that so many tokens are enough for; `None`: not even for the prompt.
    pub(super) fn output_for_tokens(&self, tokens: u64) -> Option<u64> {
        tokens.checked_sub(self.input_tokens)
    }
}
