//! What is held for one call until it is known what it cost.
//!
//! Owned by whoever makes the call. Dropped, it is released if nothing was sent, else settled at the best estimate.

use std::sync::Arc;

use jackfield_core::base::NanoUsd;
use jackfield_core::catalogue::Price;
use jackfield_core::contract::Usage;

use super::Shared;
use super::accounts::{Charged, Granted};
use super::across::{Across, Heard};
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
    pub(super) shared: Arc<Shared>,
    pub(super) charged: Charged,
    /// How it stands with other hosts, where limits are shared.
    pub(super) across: Option<Across>,
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

/// What a call cost, and what tells when it is written down and when other hosts know of it.
type Finished = (NanoUsd, Option<Ticket>, Option<Heard>);

/// Waits until it is written down, and a while for other hosts.
async fn told((spent, ticket, heard): Finished) -> Result<NanoUsd, StateError> {
    if let Some(ticket) = ticket {
        ticket.committed().await?;
    }
    if let Some((heard, most)) = heard {
        let _ = tokio::time::timeout(most, heard).await;
    }
    Ok(spent)
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
            across: None,
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

    /// Why it cannot be written down, where that is known already: then the call is better not made.
    pub fn refused(&self) -> Option<StateError> {
        self.ticket.as_ref()?.told()?.err()
    }

    /// Output tokens that answers like this one have: what dropping settles at while nothing was seen.
    pub fn expected_output(&self) -> u64 {
        self.expected
    }

    /// The same reservation, held with other hosts too.
    pub(super) fn across(mut self, across: Across) -> Self {
        self.across = Some(across);
        self
    }

    /// Output tokens that are held.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    pub(super) fn tariff(&self) -> Tariff {
        self.tariff
    }

    /// What a top-up would be for an answer of so many output tokens; `None` while enough is held.
    pub(super) fn wants(&self, output_tokens: u64) -> Option<u64> {
        let step = STEP.max(self.held / 4);
        let enough = output_tokens.saturating_add(step / 2) <= self.held;
        (!enough).then(|| output_tokens.max(self.held).saturating_add(step))
    }

    /// So many output tokens are held now.
    pub(super) fn grew(&mut self, held: u64) {
        let more = held > self.held;
        self.held = held;
        if more {
            self.expected = held;
            self.write_down();
        }
    }

    /// The answer reached so many output tokens. Tops up ahead, in steps; fails when the answer is longer than what is
    /// left covers. Whoever delivers it must then wait for [`Self::committed`] before going beyond what was covered before.
    pub fn grow(&mut self, output_tokens: u64) -> Result<(), Exceeded> {
        let Some(want) = self.wants(output_tokens) else { return Ok(()) };
        let held = self.held;
        let held = self.shared.accounts().grow(&self.charged, &self.tariff, held, output_tokens, want)?;
        self.grew(held);
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

    /// Charges what the call consumed, exactly. Written down when it returns; charged also when that fails. Where hosts share
    /// limits, they know of it then too, unless their server is slow or gone: they hear of it when it is back, and what was
    /// reserved is held till then.
    pub async fn settle(mut self, usage: Usage) -> Result<NanoUsd, StateError> {
        told(self.finish(usage)).await
    }

    /// Charges this for what the call consumed: its share of a call for several, which add up. Like [`Self::settle`], but charged
    /// before it is waited for, so that those of one call can be waited for together.
    pub fn settle_at(
        mut self,
        usage: Usage,
        cost: NanoUsd,
    ) -> impl Future<Output = Result<NanoUsd, StateError>> + Send + use<> {
        let tokens = usage.input_tokens.saturating_add(usage.output_tokens);
        told(self.finish_at(usage, Amount { usd: cost, tokens }))
    }

    /// Nothing was billed.
    pub fn release(mut self) {
        self.undo();
    }

    /// What it is expected to cost now, in the file.
    fn write_down(&mut self) {
        let Some(database) = self.shared.database.get() else { return };
        let expected = self.estimate(self.expected);
        self.ticket = self.entry.put(Standing::Open(self.reserved(), expected), database);
    }

    fn reserved(&self) -> NanoUsd {
        self.tariff.most(self.expected).usd
    }

    fn estimate(&self, output_tokens: u64) -> Usage {
        Usage { input_tokens: self.input_tokens, output_tokens, estimated: true, ..Usage::default() }
    }

    fn finish(&mut self, usage: Usage) -> Finished {
        let spent = Amount::of(&usage, self.price.as_ref());
        self.finish_at(usage, spent)
    }

    fn finish_at(&mut self, usage: Usage, spent: Amount) -> Finished {
        self.done = true;
        let mut accounts = self.shared.accounts();
        let alerts = accounts.settle(&self.charged, self.tariff.most(self.held), spent);
        if !usage.estimated {
            let charge = &self.entry.charge;
            accounts.learned.learn(&charge.model, charge.task.as_deref(), usage.output_tokens);
        }
        drop(accounts);
        match &self.shared.leases {
            Some(leases) if !alerts.is_empty() => self.shared.alert_once(leases, alerts),
            _ => self.shared.alert(alerts),
        }
        let write = |database: &Database| {
            self.entry.put(Standing::Settled(self.reserved(), spent.usd, usage), database)
        };
        let ticket = self.shared.database.get().and_then(write);
        let heard = self.across.take().and_then(|across| across.end(spent));
        (spent.usd, ticket, heard)
    }

    fn undo(&mut self) {
        self.done = true;
        let held = self.tariff.most(self.held);
        let _ = self.shared.accounts().settle(&self.charged, held, Amount::default());
        if let Some(database) = self.shared.database.get() {
            let _ = self.entry.put(Standing::Released, database);
        }
        // Given back to the other hosts.
        self.across = None;
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
