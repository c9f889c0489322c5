//! What is held for one call until it is known what it cost.
//!
//! Owned by whoever makes the call. Dropped, it is released if nothing was sent, else settled at the best estimate.

use std::sync::Arc;

use jackfield_core::base::NanoUsd;
use jackfield_core::catalogue::Price;
use jackfield_core::contract::Usage;

use super::Shared;
use super::accounts::Charged;
use super::amount::{Amount, Tariff};
use super::exceeded::Exceeded;
use crate::StateError;

/// Output tokens that a top-up is at least.
const STEP: u64 = 256;

/// What is held for one call.
#[derive(Debug)]
#[must_use = "dropped, it is released"]
pub struct Reservation {
    shared: Arc<Shared>,
    charged: Charged,
    task: Option<Arc<str>>,
    price: Option<Price>,
    tariff: Tariff,
    input_tokens: u64,
    /// Output tokens that are held.
    held: u64,
    /// Output tokens that are expected.
    expected: u64,
    bound: Option<u64>,
    sent: bool,
    seen: Option<u64>,
    done: bool,
}

impl Reservation {
    #[expect(clippy::too_many_arguments, reason = "made in one place")]
    pub(super) fn new(
        shared: Arc<Shared>,
        charged: Charged,
        task: Option<Arc<str>>,
        price: Option<Price>,
        tariff: Tariff,
        input_tokens: u64,
        (held, expected): (u64, u64),
        bound: Option<u64>,
    ) -> Self {
        Self {
            shared,
            charged,
            task,
            price,
            tariff,
            input_tokens,
            held,
            expected,
            bound,
            sent: false,
            seen: None,
            done: false,
        }
    }

    /// Output tokens after which the upstream must be told to stop; `None`: what it may give is covered.
    pub fn output_bound(&self) -> Option<u64> {
        self.bound
    }

    /// Output tokens that are covered now.
    pub fn covered_output(&self) -> u64 {
        self.held
    }

    /// Resolves when the reservation and its top-ups are written down.
    pub async fn committed(&self) -> Result<(), StateError> {
        Ok(())
    }

    /// Output tokens that answers like this one have: what dropping settles at while nothing was seen.
    pub fn expected_output(&self) -> u64 {
        self.expected
    }

    /// The answer reached so many output tokens. Tops up ahead, in steps; fails when the answer is longer than what is
    /// left covers. Whoever delivers it must then wait for [`Self::committed`] before going beyond what was covered before.
    pub fn grow(&mut self, output_tokens: u64) -> Result<(), Exceeded> {
        let step = STEP.max(self.held / 4);
        if output_tokens.saturating_add(step / 2) <= self.held {
            return Ok(());
        }
        let want = output_tokens.max(self.held).saturating_add(step);
        let mut accounts = self.shared.accounts();
        self.held = accounts.grow(&self.charged, &self.tariff, self.held, output_tokens, want)?;
        Ok(())
    }

    /// From here on the provider may bill.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// What was seen of the answer, in output tokens, estimated: what dropping settles at.
    pub fn seen(&mut self, output_tokens: u64) {
        self.seen = Some(output_tokens);
    }

    /// Charges what the call consumed, exactly. Written down when it returns; charged also when that fails.
    pub async fn settle(mut self, usage: Usage) -> Result<NanoUsd, StateError> {
        Ok(self.finish(usage))
    }

    /// Nothing was billed.
    pub fn release(mut self) {
        self.undo();
    }

    fn finish(&mut self, usage: Usage) -> NanoUsd {
        self.done = true;
        let spent = Amount::of(&usage, self.price.as_ref());
        let mut accounts = self.shared.accounts();
        accounts.settle(&self.charged, self.tariff.most(self.held), spent);
        if !usage.estimated {
            accounts.learned.learn(self.charged.model(), self.task.as_deref(), usage.output_tokens);
        }
        spent.usd
    }

    fn undo(&mut self) {
        self.done = true;
        let held = self.tariff.most(self.held);
        self.shared.accounts().settle(&self.charged, held, Amount::default());
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        if !self.sent {
            return self.undo();
        }
        // A provider that was not heard of goes on, and bills what such answers are like.
        let output_tokens = self.seen.unwrap_or(self.expected);
        let usage =
            Usage { input_tokens: self.input_tokens, output_tokens, estimated: true, ..Usage::default() };
        let _ = self.finish(usage);
    }
}
