//! What a run has spent: for each step, for each workflow in a workflow, and for all of it. Each adds to the one it is part of.
//!
//! The ledger holds every call against the run's budget before it is made; here a call is not even begun when the budget
//! of the workflow, or of one it is nested in, is spent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jackfield_core::base::NanoUsd;
use jackfield_core::contract::{Fault, FaultKind, Usage};

use super::record::Spent;

/// What was spent on one thing.
#[derive(Debug)]
pub(super) struct Tally {
    spent: Mutex<Spent>,
    /// What may be spent, and on what.
    budget: Option<(NanoUsd, String)>,
    part_of: Option<Arc<Tally>>,
}

impl Tally {
    /// Nothing spent yet.
    pub(super) fn new(budget: Option<(NanoUsd, String)>, part_of: Option<Arc<Self>>) -> Arc<Self> {
        let spent = Mutex::new(Spent { cost_usd: NanoUsd::ZERO.to_string(), ..Spent::default() });
        Arc::new(Self { spent, budget, part_of })
    }

    /// One more answer, here and in all that this is part of.
    pub(super) fn add(&self, usage: Option<Usage>, cost: Option<NanoUsd>, resumed: bool) {
        self.lock().add(usage, cost, resumed);
        if let Some(whole) = &self.part_of {
            whole.add(usage, cost, resumed);
        }
    }

    /// What calls cost that came to no answer.
    pub(super) fn pay(&self, cost: Option<NanoUsd>) {
        self.lock().pay(cost);
        if let Some(whole) = &self.part_of {
            whole.pay(cost);
        }
    }

    /// Whether anything is left to spend.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if let Some((budget, workflow)) = &self.budget
            && self.lock().cost >= *budget
        {
            let message =
                format!("the run's budget of {budget} US dollars is spent (workflows.{workflow}.budget_usd)");
            return Err(Fault::new(FaultKind::BudgetExceeded, message));
        }
        self.part_of.as_ref().map_or(Ok(()), |whole| whole.check())
    }

    /// What was spent so far.
    pub(super) fn spent(&self) -> Spent {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
