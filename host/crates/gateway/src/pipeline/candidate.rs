//! One candidate: a model that is called, called again and given up, by the class of what went wrong.
//!
//! | what went wrong | what is done |
//! |---|---|
//! | our key was refused | the provider's next key, at once |
//! | the rate is limited | the provider's next key, at once; without one, again after `retry-after` or a back-off |
//! | the provider failed, is not there, or is too slow | again after a back-off, or after its `retry-after` |
//! | the conversation is too long | the next candidate whose window may be larger |
//! | the provider's API has no word for a part of the request | the next candidate |
//! | a validator wants the answer mended | again at once, with the answer and what is wrong with it |
//! | a validator rejects the answer | the next candidate |
//! | a budget has no room for the call | it is not made; the next candidate where it is the model's own budget, else what the budget says |
//! | the request is wrong | nothing: it is the client's |
//!
//! Bounded by the model's `retries`, the gateway's retry budget, `timeouts.total` and the request's own deadline. A
//! wait longer than `MAX_WAIT` is not waited out: the next candidate is tried at once.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use jackfield_core::config::OnExceeded;
use jackfield_core::contract::{BoxFuture, Call, Exchange, Fault, FaultKind, Role, Step, Target, Trail};

use jackfield_store::{Exceeded, LimitScope, Refused, Unreserved};

use super::attempt::{self, Ended};
use super::fit::fitted;
use super::tries::{Tries, Try};
use crate::charge::{self, Charge, Payer};
use crate::world::{CallEnd, LiveCall, Model, RetryBudget};

/// The longest wait before a repeated call.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// A candidate on its way.
pub(super) struct Candidate {
    target: Target,
    model: Model,
    /// When all its calls must be over.
    deadline: Instant,
    /// Calls that may still be repeated, and that were.
    left: u32,
    repeated: u32,
    key: Option<usize>,
    /// Keys that were refused, and keys that were told to slow down since the last wait.
    refused: Vec<usize>,
    limited: Vec<usize>,
    /// Its answers that were not good enough, and what was said about them.
    appended: Vec<(Role, String)>,
    /// The limit that has no room for the last call.
    exceeded: Option<Box<Exceeded>>,
    phase: Phase,
}

enum Phase {
    /// Not called yet, or between two calls.
    Idle,
    /// Waiting before the next call.
    Waiting(Pin<Box<Sleep>>),
    /// Being called.
    Calling { call: BoxFuture<'static, Ended>, live: LiveCall, number: Try, began: Instant },
    /// Not to be called: why, until that is told.
    Refused(Option<Fault>),
}

/// What became of a step.
pub(super) enum Event {
    /// The wait is over: it can be called.
    Rested,
    /// A call came out.
    Ended(Ended),
}

/// What comes after a failure.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Then {
    /// It is being called again, now or after a wait.
    Again,
    /// The next candidate's turn.
    Next,
    /// This one's turn, before the others.
    Instead(Target),
    /// The failure is the client's: nobody else is asked.
    Return,
}

impl Candidate {
    /// A candidate that is not called yet. With `once`, nothing is repeated.
    pub(super) fn new(target: Target, model: Model, deadline: Instant, once: bool) -> Self {
        let deadline = deadline.min(Instant::now() + model.spec().timeouts.total);
        let left = if once { 0 } else { model.spec().retries };
        let key = model.provider().pick_key(&model.spec().id, &[]).map(|pick| pick.index);
        let (refused, limited) = (Vec::new(), Vec::new());
        let (appended, phase) = (Vec::new(), Phase::Idle);
        let exceeded = None;
        Self { target, model, deadline, left, repeated: 0, key, refused, limited, appended, exceeded, phase }
    }

    /// What is called.
    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    /// What is called, with the overrides.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Since when it is being called.
    pub(super) fn called_since(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Calling { began, .. } => Some(*began),
            _ => None,
        }
    }

    /// Why it is not called, where a budget has no room for it or cannot be asked.
    pub(super) fn refused(&self) -> Option<&'static str> {
        match &self.phase {
            Phase::Refused(Some(fault)) => Some(fault.kind.reason()),
            _ => None,
        }
    }

    /// Calls the model, if the budgets have room for that.
    pub(super) async fn call(&mut self, exchange: &Exchange, tries: &mut Tries) {
        let spec = self.model.spec();
        let mut call = Call {
            facts: Arc::clone(&exchange.facts),
            model_id: spec.id.as_str().into(),
            overrides: fitted(&self.target.overrides, spec),
            appended: self.appended.clone(),
            max_output: spec.max_output,
            key: self.key,
            timeouts: self.model.timeouts(),
            deadline: self.deadline,
        };
        let charge = match self.model.charge(&Payer::of(exchange), &mut call).await {
            Ok(charge) => charge,
            Err(Unreserved::State(error)) => {
                self.phase = Phase::Refused(Some(charge::unavailable(error)));
                return;
            }
            Err(Unreserved::Exceeded(exceeded)) => {
                self.phase = Phase::Refused(Some(charge::refused(&exceeded)));
                self.exceeded = Some(exceeded);
                return;
            }
        };
        let charged = charge.as_ref().map(Charge::number);
        let number = tries.begin(&spec.name, self.model.provider().name(), self.key, charged);
        let request = &exchange.facts.request;
        let live = self.model.begin(request.stream).untimed(!request.dialect.consumes());
        let live = live.of_run(exchange.facts.run.as_ref());
        let call = attempt::call(Arc::clone(self.model.provider()), call, charge);
        self.phase = Phase::Calling { call, live, number, began: Instant::now() };
    }

    /// Goes on until something happens. May be dropped and asked again: nothing is lost by that.
    pub(super) async fn step(&mut self) -> Event {
        match &mut self.phase {
            Phase::Idle => std::future::pending().await,
            Phase::Waiting(sleep) => {
                sleep.as_mut().await;
                Event::Rested
            }
            Phase::Calling { call, .. } => Event::Ended(call.as_mut().await),
            Phase::Refused(why) => match why.take() {
                Some(fault) => Event::Ended(Ended::refused(fault)),
                None => std::future::pending().await,
            },
        }
    }

    /// The call begins to answer; whether that counts as an answer is still to be judged.
    pub(super) fn begins(&mut self) {
        if let Phase::Calling { live, .. } = &mut self.phase {
            live.first_token();
        }
    }

    /// Calls the model once more: this answer was not good enough, and that is why.
    pub(super) async fn repair(
        &mut self,
        said: String,
        instruction: String,
        exchange: &Exchange,
        tries: &mut Tries,
    ) {
        self.appended.extend([(Role::Assistant, said), (Role::User, instruction)]);
        self.call(exchange, tries).await;
    }

    /// The call answers.
    pub(super) fn answered(&mut self) -> Option<(Try, LiveCall)> {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Calling { mut live, number, .. } => {
                live.first_token();
                Some((number, live))
            }
            _ => None,
        }
    }

    /// The call failed. The model's state is told.
    pub(super) fn failed(&mut self, fault: &Fault) -> Option<Try> {
        let Phase::Calling { live, number, .. } = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return None;
        };
        // A request the provider calls wrong says nothing about the model.
        match fault.kind {
            kind if kind.is_transient() => live.end(CallEnd::Failed(kind)),
            kind @ (FaultKind::ContextLength | FaultKind::Unsupported) => live.end(CallEnd::Unfit(kind)),
            // The model did answer; that somebody wants another answer does not make it unwell.
            FaultKind::AnswerRejected | FaultKind::PluginFailed => live.end(CallEnd::Answered),
            kind if kind.try_next() => live.end(CallEnd::Refused(kind)),
            kind => live.end(CallEnd::Unfit(kind)),
        }
        Some(number)
    }

    /// Another call was quicker: this one is dropped.
    pub(super) fn outrun(self) {
        if let Phase::Calling { live, .. } = self.phase {
            live.outrun();
        }
    }

    /// What to do after this failure. When it is to be called again at once or after a wait, that is begun.
    pub(super) async fn after(
        &mut self,
        fault: &Fault,
        exchange: &mut Exchange,
        tries: &mut Tries,
        budget: &RetryBudget,
    ) -> Then {
        match fault.kind {
            FaultKind::UpstreamAuth => {
                self.refused.extend(self.key);
                let Some(next) = self.fresh_key() else { return Then::Next };
                self.rotate(next, "refused", &mut exchange.trail);
                self.call(exchange, tries).await;
                Then::Again
            }
            FaultKind::UpstreamRateLimited => {
                self.limited.extend(self.key);
                let Some(next) = self.fresh_key() else {
                    return self.again_later(fault, &mut exchange.trail, budget);
                };
                if !self.pay(budget, &mut exchange.trail) {
                    return Then::Next;
                }
                self.rotate(next, "rate_limited", &mut exchange.trail);
                self.call(exchange, tries).await;
                Then::Again
            }
            FaultKind::BudgetExceeded | FaultKind::PriceUnknown => self.over_budget(exchange),
            kind if kind.is_transient() => self.again_later(fault, &mut exchange.trail, budget),
            kind if kind.try_next() => Then::Next,
            _ => Then::Return,
        }
    }

    /// No budget has room for it. Where it is the model's own, or its price is what is missing, another model may fit;
    /// else the budget says what is done. It says so once a request: what is tried in a model's place must have room.
    fn over_budget(&self, exchange: &mut Exchange) -> Then {
        let Some(exceeded) = &self.exceeded else { return Then::Return };
        let (model, provider) = (&self.target.model, self.model.provider().name());
        let trail = &mut exchange.trail;
        trail.push(Step::Skipped {
            model: model.clone(),
            provider: provider.to_owned(),
            why: exceeded.reason(),
        });
        if let OnExceeded::Downgrade(to) = &exceeded.on_exceeded
            && trail.downgrade().is_none()
            && **to != **model
            && exchange.facts.caller.models.as_ref().is_none_or(|may| may.iter().any(|one| **one == **to))
        {
            let (from, to, why) = (model.clone(), to.to_string(), exceeded.to_string());
            trail.push(Step::Downgraded { from, to: to.clone(), why });
            return Then::Instead(Target { model: to, ..self.target.clone() });
        }
        match (&exceeded.scope, &exceeded.why) {
            (LimitScope::Model(_), _) | (_, Refused::NoPrice(_)) => Then::Next,
            _ => Then::Return,
        }
    }

    /// How many keys were refused to this candidate.
    pub(super) fn refused_keys(&self) -> usize {
        self.refused.len()
    }

    fn again_later(&mut self, fault: &Fault, trail: &mut Trail, budget: &RetryBudget) -> Then {
        if self.left == 0 {
            return Then::Next;
        }
        let now = Instant::now();
        let backoff = backoff(self.model.spec().backoff, self.repeated);
        let (wait, why) = match fault.retry_after {
            Some(told) if told >= backoff => (told, "retry_after"),
            _ => (backoff, "backoff"),
        };
        let denied = if wait > MAX_WAIT {
            Some("retry_after")
        } else if now + wait >= self.deadline {
            Some("deadline")
        } else if self.model.live().breaker().is_open(now) {
            Some("breaker_open")
        } else {
            None
        };
        if let Some(why) = denied {
            trail.push(Step::RetryDenied { model: self.target.model.clone(), why });
            return Then::Next;
        }
        if !self.pay(budget, trail) {
            return Then::Next;
        }
        self.left -= 1;
        self.repeated += 1;
        self.limited.clear();
        // After the wait any key may do that was not refused.
        self.key =
            self.model.provider().pick_key(&self.model.spec().id, &self.refused).map(|pick| pick.index);
        trail.push(Step::Retry { model: self.target.model.clone(), wait, why });
        self.phase = Phase::Waiting(Box::pin(tokio::time::sleep(wait)));
        Then::Again
    }

    fn pay(&self, budget: &RetryBudget, trail: &mut Trail) -> bool {
        let paid = budget.withdraw(Instant::now());
        if !paid {
            trail.push(Step::RetryDenied { model: self.target.model.clone(), why: "budget" });
        }
        paid
    }

    /// A key that this candidate has not tried since its last wait and that nothing is held against.
    fn fresh_key(&self) -> Option<usize> {
        let tried = [&self.refused[..], &self.limited[..]].concat();
        let pick = self.model.provider().pick_key(&self.model.spec().id, &tried)?;
        pick.fresh.then_some(pick.index)
    }

    fn rotate(&mut self, to: usize, why: &'static str, trail: &mut Trail) {
        if let Some(from) = self.key.replace(to) {
            let provider = self.model.provider().name().to_owned();
            trail.push(Step::KeyRotated { model: self.target.model.clone(), provider, from, to, why });
        }
    }
}

/// Full jitter: any time up to a bound that doubles with each repeated call (AWS, “Exponential Backoff And Jitter”).
fn backoff(first: Duration, repeated: u32) -> Duration {
    let most = first.saturating_mul(1 << repeated.min(16)).min(MAX_WAIT);
    most.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_back_off_doubles_up_to_its_bound_and_is_spread_over_all_of_it() {
        let first = Duration::from_millis(100);
        for (repeated, most) in [(0, 100), (1, 200), (3, 800), (6, 5_000), (40, 5_000)] {
            let most = Duration::from_millis(most);
            let waits: Vec<Duration> = (0..2_000).map(|_| backoff(first, repeated)).collect();
            assert!(waits.iter().all(|wait| *wait <= most), "{repeated}");
            assert!(waits.iter().any(|wait| *wait < most / 10), "{repeated}");
            assert!(waits.iter().any(|wait| *wait > most.mul_f64(0.9)), "{repeated}");
        }
    }
}
