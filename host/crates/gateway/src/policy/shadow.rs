//! Rules that are asked about every request and never obeyed: what they would have done is compared with what was.
//!
//! They are asked when the plan is made, in tasks of their own, at most 64 of them; a question that finds no room is
//! skipped and counted. Only a few run at once, so that they leave permits to the routers that decide. The tasks
//! belong to one [`ShadowTasks`] for the life of the process and end with it; no request waits for them or ends them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use jackfield_core::contract::{Ask, Exchange, Fault, FaultKind, PluginFaultKind};
use jackfield_core::telemetry::metrics::Compared;

use super::conditions::Seen;
use super::routers::{Heard, plan_of};
use super::{Plan, Policy, Seat, allowed};
use crate::world::World;

/// Questions that run or wait, over all shadows. Each keeps its request in memory.
const TASKS: usize = 64;

/// A rule that is only compared.
#[derive(Clone)]
pub struct ShadowSlot {
    /// The rule. It must keep nothing of what it is asked.
    pub seat: Seat,
    /// How many routers are asked before it: it sees the labels that they give.
    pub place: usize,
    /// What came of it.
    pub tally: Arc<ShadowTally>,
}

/// What came of asking one generation of a shadow.
#[derive(Debug, Default)]
pub struct ShadowTally {
    agreed: AtomicU64,
    disagreed: AtomicU64,
    abstained: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
}

/// A [`ShadowTally`] at one moment: so many requests each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShadowCounts {
    /// It would have done what was done.
    pub agreed: u64,
    /// It would have done something else.
    pub disagreed: u64,
    /// It had no opinion.
    pub abstained: u64,
    /// It failed.
    pub failed: u64,
    /// It was not asked: no room, no permit, or its breaker was open.
    pub skipped: u64,
}

/// The owner of all questions to shadows.
#[derive(Debug)]
pub struct ShadowTasks {
    /// `None` once it has ended.
    tasks: Mutex<Option<JoinSet<()>>>,
    running: Arc<Semaphore>,
}

/// A plan, as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    kind: &'static str,
    /// The first model to be tried.
    model: Option<String>,
}

/// One question.
struct Question {
    slot: ShadowSlot,
    ask: Ask,
    done: Outcome,
    /// Who decided.
    by: Option<String>,
}

impl Policy {
    /// The rules that are only compared, for whoever shows what came of them.
    pub fn shadows(&self) -> &[ShadowSlot] {
        &self.rules.shadows
    }

    /// Asks every shadow what it would have done. Returns at once.
    pub(super) fn ask_shadows(
        &self,
        world: &World,
        exchange: &Exchange,
        heard: &Heard,
        plan: &Result<Plan, Fault>,
    ) {
        let mut seen = Seen::default();
        for slot in self.shadows() {
            let unmet = self.conditions.unmet(slot.seat.router.name(), &exchange.facts, &mut seen);
            if !matches!(unmet, Ok(None)) {
                continue;
            }
            let question = Question {
                slot: slot.clone(),
                ask: Ask {
                    facts: Arc::clone(&exchange.facts),
                    labels: heard.labels_at(slot.place).into(),
                    view: Arc::clone(world.view()),
                    // What it asked would cost, and nobody acts on the answer.
                    completer: None,
                },
                done: Outcome::of(plan),
                by: exchange.trail.decision().map(|(by, _)| by.to_owned()),
            };
            self.rules.tasks.spawn(question);
        }
    }
}

impl Default for ShadowTasks {
    /// One at a time.
    fn default() -> Self {
        Self::new(1)
    }
}

impl ShadowTasks {
    /// At most so many run at once; at least one does.
    pub fn new(at_once: usize) -> Self {
        let running = Arc::new(Semaphore::new(at_once.clamp(1, TASKS)));
        Self { tasks: Mutex::new(Some(JoinSet::new())), running }
    }

    /// Ends every question, answered or not, and takes no more.
    pub async fn end(&self) {
        let tasks = self.lock().take();
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }

    fn spawn(&self, question: Question) {
        let mut tasks = self.lock();
        let room = match tasks.as_mut() {
            Some(tasks) => {
                while tasks.try_join_next().is_some() {}
                (tasks.len() < TASKS).then_some(tasks)
            }
            None => None,
        };
        if let Some(room) = room {
            let running = Arc::clone(&self.running);
            room.spawn(async move {
                // Never closed.
                let _turn = running.acquire().await;
                question.answer().await;
            });
            return;
        }
        drop(tasks);
        question.skipped("too many questions to shadows are waiting");
    }

    fn lock(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question {
    async fn answer(self) {
        let answer = self.slot.seat.ask(self.ask.clone(), Instant::now()).await;
        let name = self.slot.seat.router.name();
        let request_id = self.ask.facts.id;
        let routing = match answer {
            Ok(routing) => routing,
            Err(fault)
                if matches!(fault.kind, PluginFaultKind::BreakerOpen | PluginFaultKind::Overloaded) =>
            {
                return self.skipped(&fault.message);
            }
            Err(fault) => {
                self.count(Compared::Failed);
                let kind = fault.kind.reason();
                tracing::warn!(target: "jackfield::shadow", plugin = name, %request_id, fault = kind, "a shadow failed: {}", fault.message);
                return;
            }
        };
        let Some(plan) = plan_of(name, routing.decision) else {
            self.count(Compared::Abstained);
            tracing::debug!(target: "jackfield::shadow", plugin = name, %request_id, "a shadow abstained");
            return;
        };
        let would = Outcome::of(&plan.and_then(|plan| allowed(plan, &self.ask.facts)));
        if would == self.done {
            self.count(Compared::Agreed);
            tracing::debug!(target: "jackfield::shadow", plugin = name, %request_id, done = would.kind, "a shadow agrees");
            return;
        }
        self.count(Compared::Disagreed);
        tracing::info!(
            target: "jackfield::shadow",
            plugin = name,
            %request_id,
            would = would.kind,
            would_model = would.model.as_deref(),
            would_reason = routing.reason.as_str(),
            done = self.done.kind,
            done_model = self.done.model.as_deref(),
            done_by = self.by.as_deref(),
            "a shadow disagrees"
        );
    }

    fn count(&self, what: Compared) {
        self.slot.tally.count(what);
        self.slot.seat.series.compared(what);
    }

    fn skipped(&self, why: &str) {
        self.count(Compared::Skipped);
        let (name, request_id) = (self.slot.seat.router.name(), self.ask.facts.id);
        tracing::debug!(target: "jackfield::shadow", plugin = name, %request_id, why, "a shadow was not asked");
    }
}

impl Outcome {
    fn of(plan: &Result<Plan, Fault>) -> Self {
        match plan {
            Ok(Plan::Candidates(targets)) => {
                Self { kind: "route", model: targets.first().map(|target| target.model.clone()) }
            }
            Ok(Plan::Respond { .. }) => Self { kind: "respond", model: None },
            Err(fault) => match fault.kind {
                FaultKind::RejectedInvalid
                | FaultKind::RejectedForbidden
                | FaultKind::RejectedRateLimited
                | FaultKind::RejectedUnavailable => Self { kind: "reject", model: None },
                _ => Self { kind: "fail", model: None },
            },
        }
    }
}

impl ShadowTally {
    fn count(&self, what: Compared) {
        let counter = match what {
            Compared::Agreed => &self.agreed,
            Compared::Disagreed => &self.disagreed,
            Compared::Abstained => &self.abstained,
            Compared::Failed => &self.failed,
            Compared::Skipped => &self.skipped,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts so far.
    pub fn counts(&self) -> ShadowCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ShadowCounts {
            agreed: of(&self.agreed),
            disagreed: of(&self.disagreed),
            abstained: of(&self.abstained),
            failed: of(&self.failed),
            skipped: of(&self.skipped),
        }
    }
}
