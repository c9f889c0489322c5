//! What is held for one call until it is known what it cost.
//!
//! Owned by whoever makes the call. Dropped, it is released if nothing was sent, else settled at the best estimate.

use std::sync::Arc;

use jackfield_core::base::NanoUsd;
use jackfield_core::catalogue::Price;
use jackfield_core::contract::Usage;

use super::Shared;
use super::accounts::{Charged, Granted};
use super::amount::{Amount, Tariff};
use super::entry::{Entry, Standing};
use super::exceeded::Exceeded;
use super::rows::Charge;
use crate::StateError;
use crate::database::{Database, Ticket};

/// Output tokens that a top-up is at least.
const STEP: u64 = 256;

/// What is held for one call.
#[derive(Debug)]
#[must_use = "dropped, it is released"]
pub struct Reservation {
    shared: Arc<Shared>,
    charged: Charged,
    entry: Arc<Entry>,
    /// The last thing that was written down of it.
    pub(super) ticket: Option<Ticket>,
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
    pub(super) fn new(
        shared: Arc<Shared>,
        granted: Granted,
        charge: Charge,
        price: Option<Price>,
        tariff: Tariff,
        input_tokens: u64,
    ) -> Self {
        let Granted { charged, expected, held, bound } = granted;
        let mut this = Self {
            shared,
            charged,
            entry: Arc::new(Entry::new(charge)),
            ticket: None,
            price,
            tariff,
            input_tokens,
            held,
            expected,
            bound,
            sent: false,
            seen: None,
            done: false,
        };
        this.write_down();
        this
    }

    /// Output tokens after which the upstream must be told to stop; `None`: what it may give is covered.
    pub fn output_bound(&self) -> Option<u64> {
        self.bound
    }

    /// Output tokens that are covered now.
    pub fn covered_output(&self) -> u64 {
        self.held
    }

    /// Resolves when the reservation and its top-ups are written down; at once where nothing is.
    pub async fn committed(&self) -> Result<(), StateError> {
        match &self.ticket {
            Some(ticket) => ticket.committed().await,
            None => Ok(()),
        }
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
        let held = self.held;
        self.held = self.shared.accounts().grow(&self.charged, &self.tariff, held, output_tokens, want)?;
        if self.held > held {
            self.expected = self.held;
            self.write_down();
        }
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
        let (spent, ticket) = self.finish(usage);
        match ticket {
            Some(ticket) => ticket.committed().await.map(|()| spent),
            None => Ok(spent),
        }
    }

    /// Charges this for what the call consumed: its share of a call for several, which add up. Like [`Self::settle`].
    pub async fn settle_at(mut self, usage: Usage, cost: NanoUsd) -> Result<NanoUsd, StateError> {
        let tokens = usage.input_tokens.saturating_add(usage.output_tokens);
        let (spent, ticket) = self.finish_at(usage, Amount { usd: cost, tokens });
        match ticket {
            Some(ticket) => ticket.committed().await.map(|()| spent),
            None => Ok(spent),
        }
    }

    /// Nothing was billed.
    pub fn release(mut self) {
        self.undo();
    }

    /// What it is expected to cost now, in the file.
    fn write_down(&mut self) {
        let Some(database) = self.shared.database.get() else { return };
        let expected = self.estimate(self.expected);
        self.ticket = Some(self.entry.put(Standing::Open(self.reserved(), expected), database));
    }

    fn reserved(&self) -> NanoUsd {
        self.tariff.most(self.expected).usd
    }

    fn estimate(&self, output_tokens: u64) -> Usage {
        Usage { input_tokens: self.input_tokens, output_tokens, estimated: true, ..Usage::default() }
    }

    fn finish(&mut self, usage: Usage) -> (NanoUsd, Option<Ticket>) {
        let spent = Amount::of(&usage, self.price.as_ref());
        self.finish_at(usage, spent)
    }

    fn finish_at(&mut self, usage: Usage, spent: Amount) -> (NanoUsd, Option<Ticket>) {
        self.done = true;
        let mut accounts = self.shared.accounts();
        let alerts = accounts.settle(&self.charged, self.tariff.most(self.held), spent);
        if !usage.estimated {
            let charge = &self.entry.charge;
            accounts.learned.learn(&charge.model, charge.task.as_deref(), usage.output_tokens);
        }
        drop(accounts);
        self.shared.alert(alerts);
        let write = |database: &Database| {
            self.entry.put(Standing::Settled(self.reserved(), spent.usd, usage), database)
        };
        (spent.usd, self.shared.database.get().map(write))
    }

    fn undo(&mut self) {
        self.done = true;
        let held = self.tariff.most(self.held);
        let _ = self.shared.accounts().settle(&self.charged, held, Amount::default());
        if let Some(database) = self.shared.database.get() {
            let _ = self.entry.put(Standing::Released, database);
        }
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
