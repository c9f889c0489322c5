//! The run of a workflow on whose behalf requests are made: its budget, and why its calls are given up when it ends before them.
//!
//! Shared by all calls of a run and by whoever ends it. Counts nothing: the ledger does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::base::NanoUsd;

use super::{FaultKind, Overrides};

/// The run of a workflow on whose behalf a request is made: one more budget beside the caller's.
#[derive(Debug)]
pub struct RunScope {
    /// The run's id.
    pub id: String,
    /// What its spending is counted under: the id; for a workflow nested in it, that and the step's call, `run_…/parts[0]`.
    pub account: Arc<str>,
    /// The outermost workflow's name.
    pub workflow: String,
    /// What all of its calls together may cost; `None`: no more than the caller's budgets say.
    pub budget: Option<NanoUsd>,
    /// The run, or the nested workflow, that this one is a part of: its budget holds too.
    part_of: Option<Arc<RunScope>>,
    end: AtomicU8,
}

/// Why the calls of a run that are under way are given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum GivenUp {
    /// What they are for is over: another step failed, the budget is spent, or time is up.
    #[default]
    RunEnded,
    /// The run's client left.
    ClientLeft,
    /// The gateway is stopping.
    Stopping,
}

/// A call that a step of a workflow makes: what it wants besides what its messages say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunStep {
    /// The workflow and the step of it that the configuration describes.
    pub workflow: String,
    /// The step's name.
    pub step: String,
    /// Which of the run's calls it is: `plan`, `cook[3]` (the third item, from 0), `draft#2` (the second version), behind
    /// the steps it is nested in (`outer/plan`). The same in every attempt at the same run.
    pub call: String,
    /// It judges an answer of the step's and is none itself: the step's validators, fallback and router are not for it.
    pub aside: bool,
    /// What the step says of its call. Goes before what rules and rows say.
    pub overrides: Overrides,
}

impl RunScope {
    /// A run with this budget of its own.
    pub fn new(id: impl Into<String>, workflow: impl Into<String>, budget: Option<NanoUsd>) -> Self {
        let id = id.into();
        let (account, end) = (Arc::from(&*id), AtomicU8::new(GivenUp::RunEnded as u8));
        Self { id, account, workflow: workflow.into(), budget, part_of: None, end }
    }

    /// A workflow in a step of it, whose call is `within`, with a budget of its own beside this one's.
    pub fn nested(self: &Arc<Self>, within: &str, budget: NanoUsd) -> Self {
        let account = format!("{}/{within}", self.id).into();
        let part_of = Some(Arc::clone(self));
        Self { account, part_of, ..Self::new(&*self.id, &*self.workflow, Some(budget)) }
    }

    /// This one, and all that it is a part of, the run itself last.
    pub fn all(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::successors(Some(self), |scope| scope.part_of.as_ref())
    }

    /// Whether the ledger has to be asked about its calls whoever makes them.
    pub fn is_limited(&self) -> bool {
        self.budget.is_some() || self.part_of.as_ref().is_some_and(|whole| whole.is_limited())
    }

    /// From now on, calls of this run that are given up are so for this reason. Said of the run itself.
    pub fn ends(&self, why: GivenUp) {
        self.end.store(why as u8, Ordering::Relaxed);
    }

    /// Why a call of it is given up that nobody waits for any more; `None`: its client left.
    pub fn given_up(&self) -> Option<FaultKind> {
        if let Some(whole) = &self.part_of {
            return whole.given_up();
        }
        match self.end.load(Ordering::Relaxed) {
            end if end == GivenUp::ClientLeft as u8 => None,
            end if end == GivenUp::Stopping as u8 => Some(FaultKind::Stopping),
            _ => Some(FaultKind::RunEnded),
        }
    }
}
