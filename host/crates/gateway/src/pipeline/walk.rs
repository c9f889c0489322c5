//! The walk over the candidates, best first, until one begins to answer.
//!
//! A candidate whose breaker is open goes to the back of the line: the others are tried first, and the best of those
//! that were put back is tried once, without repeating, when no other answered. So a model that is not well costs
//! nobody a wait, and a gateway with one model still says what that model says.
//!
//! With `hedge`, a call that has not begun to answer when nineteen of twenty have gets a second one beside it: the
//! next candidate, or the same model where there is none. The first to begin wins, the other is dropped. At most once a
//! request, and paid from the retry budget. When the slow one fails meanwhile, the second takes its place.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use jackfield_core::contract::{Fault, FaultKind, Step, Target};

use jackfield_store::cache::Entry;

use super::attempt::Answered;
use super::cached;
use super::candidate::{Candidate, Event, Then};
use super::failed::Failed;
use super::judge::{Judge, Judged};
use super::settle::Closing;
use crate::world::{Model, World};

/// A walk on its way.
struct Walk<'a> {
    world: &'a World,
    waiting: VecDeque<Target>,
    /// The best candidate whose breaker is open.
    put_back: Option<Target>,
    /// The answer that is kept for the candidate whose turn it is.
    kept: Option<Arc<Entry>>,
    failed: Failed,
    /// The largest context window that was too small.
    too_small: Option<u64>,
    hedged: bool,
}

/// What happened first.
enum First {
    /// Something with the candidate whose turn it is.
    Candidate(Event),
    /// Something with the call beside it.
    Hedge(Event),
    /// It is slow to begin.
    Slow,
}

/// Tries the candidates until one begins to answer, or gives one that its validators let through. Dropped, every call under way is cancelled.
pub(super) async fn walk(
    world: &World,
    closing: &mut Closing,
    targets: Vec<Target>,
    mut judge: Judge,
) -> Result<Answered, Fault> {
    world.retry_budget().deposit();
    let mut walk = Walk {
        world,
        waiting: targets.into(),
        put_back: None,
        kept: None,
        failed: Failed::default(),
        too_small: None,
        hedged: false,
    };
    let Some(mut candidate) = walk.next(closing).await else { return walk.over(closing) };
    let mut hedge: Option<Candidate> = None;
    loop {
        let slow_at = if hedge.is_none() { walk.slow_at(&candidate, closing) } else { None };
        let began = Instant::now();
        let first = first(&mut candidate, hedge.as_mut(), slow_at).await;
        let own = match &first {
            First::Candidate(Event::Ended(ended)) | First::Hedge(Event::Ended(ended)) => ended.own,
            _ => std::time::Duration::ZERO,
        };
        closing.waited(began.elapsed().saturating_sub(own));
        let result = match first {
            First::Slow => {
                hedge = walk.hedge(&mut candidate, closing).await;
                continue;
            }
            First::Candidate(Event::Rested) => {
                candidate.call(&closing.exchange, &mut closing.tries).await;
                continue;
            }
            First::Candidate(Event::Ended(ended)) => {
                dropped(&candidate, ended.dropped, closing);
                ended.result
            }
            // A hedge is called at once and never waits.
            First::Hedge(Event::Rested) => continue,
            First::Hedge(Event::Ended(ended)) => {
                let Some(mut second) = hedge.take() else { continue };
                if let Err(fault) = ended.result {
                    walk.fails(&mut second, &fault, closing);
                    walk.give_up(&second, fault);
                    continue;
                }
                // The quicker one's turn; should it not be good enough, the slow one goes on in its place.
                hedge = Some(std::mem::replace(&mut candidate, second));
                dropped(&candidate, ended.dropped, closing);
                ended.result
            }
        };
        let judged_from = closing.exchange.trail.steps().len();
        let judged = match result {
            Ok(answer) => judge.judge(world, &mut candidate, answer, closing).await,
            Err(fault) => Judged::Failed(fault),
        };
        let fault = match judged {
            Judged::Deliver(answer) => {
                closing.exchange.trail.catch_up();
                let steps = closing.exchange.trail.steps().get(judged_from..).unwrap_or_default();
                closing.cached.judged(candidate.target(), steps);
                if let Some(loser) = hedge {
                    loser.outrun();
                }
                return Ok(Answered { answer, call: closing.answers(candidate.answered()) });
            }
            Judged::Repair { said, instruction, fault } => {
                walk.fails(&mut candidate, &fault, closing);
                walk.failed.push(&candidate.target().model, fault);
                if let Some(other) = hedge.take() {
                    walk.drop_beside(other, &candidate, closing);
                }
                candidate.repair(said, instruction, &closing.exchange, &mut closing.tries).await;
                continue;
            }
            Judged::Failed(fault) => fault,
        };
        walk.fails(&mut candidate, &fault, closing);
        let then = match hedge.is_some() {
            // The call beside it goes on in its place.
            true if fault.kind.try_next() => Then::Next,
            true => Then::Return,
            false => {
                let (exchange, tries) = (&mut closing.exchange, &mut closing.tries);
                candidate.after(&fault, exchange, tries, world.retry_budget()).await
            }
        };
        match then {
            Then::Again => walk.failed.push(&candidate.target().model, fault),
            Then::Next => {
                walk.give_up(&candidate, fault);
                let next = match hedge.take() {
                    Some(hedge) => Some(hedge),
                    None => walk.next(closing).await,
                };
                candidate = match next {
                    Some(next) => next,
                    None => return walk.over(closing),
                };
            }
            Then::Instead(target) => {
                walk.give_up(&candidate, fault);
                walk.waiting.push_front(target);
                candidate = match walk.next(closing).await {
                    Some(next) => next,
                    None => return walk.over(closing),
                };
            }
            Then::Return => return Err(fault),
        }
    }
}

/// Waits for whatever happens first. Nothing is lost of what does not.
async fn first(candidate: &mut Candidate, hedge: Option<&mut Candidate>, slow_at: Option<Instant>) -> First {
    let beside = async {
        match hedge {
            Some(hedge) => hedge.step().await,
            None => std::future::pending().await,
        }
    };
    let slow = async {
        match slow_at {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        event = candidate.step() => First::Candidate(event),
        event = beside => First::Hedge(event),
        () = slow => First::Slow,
    }
}

impl Walk<'_> {
    /// Nobody is left to be called: the answer that is kept for the last one, or why there is none.
    fn over(self, closing: &mut Closing) -> Result<Answered, Fault> {
        match self.kept {
            Some(entry) => Ok(cached::hit(closing, entry)),
            None => Err(self.failed.into_fault()),
        }
    }

    /// The next candidate, being called. Nothing is called where its answer is kept.
    async fn next(&mut self, closing: &mut Closing) -> Option<Candidate> {
        while let Some(target) = self.waiting.pop_front() {
            let Some(model) = self.model(&target) else { continue };
            self.kept = closing.cached.fetch(self.world, &target, closing.exchange.deadline).await;
            if self.kept.is_some() {
                return None;
            }
            let why = self.unfit(&model, closing);
            if let Some(why) = why {
                skipped(&target, &model, why, closing);
                continue;
            }
            let well = model.live().breaker().allows(Instant::now());
            if well || (self.waiting.is_empty() && self.put_back.is_none()) {
                return Some(self.begin(target, model, !well, closing).await);
            }
            skipped(&target, &model, "breaker_open", closing);
            match &self.put_back {
                None => self.put_back = Some(target),
                Some(_) => self.failed.left_alone(&target.model),
            }
        }
        let target = self.put_back.take()?;
        let model = self.model(&target)?;
        if self.unfit(&model, closing).is_some() {
            self.failed.left_alone(&target.model);
            return None;
        }
        Some(self.begin(target, model, true, closing).await)
    }

    async fn begin(&mut self, target: Target, model: Model, once: bool, closing: &mut Closing) -> Candidate {
        closing.trying(&target.model, model.provider().name());
        let mut candidate = Candidate::new(target, model, closing.exchange.deadline, once);
        candidate.call(&closing.exchange, &mut closing.tries).await;
        candidate
    }

    /// Policy only plans models that exist in the same world.
    fn model(&mut self, target: &Target) -> Option<Model> {
        let model = self.world.models().get(&target.model);
        if model.is_none() {
            let message = format!("the planned model `{}` is gone", target.model);
            self.failed.push(&target.model, Fault::new(FaultKind::Internal, message));
        }
        model
    }

    /// Why it makes no sense to call this model, if it does not.
    fn unfit(&self, model: &Model, closing: &Closing) -> Option<&'static str> {
        let too_small = |window: u64| self.too_small.is_some_and(|small| window <= small);
        if self.failed.any() && Instant::now() >= closing.exchange.deadline {
            return Some("deadline");
        }
        // A window that is not known may be larger.
        model.spec().context.is_some_and(too_small).then_some("context_window")
    }

    /// A call failed: tells the model's state and the trail.
    fn fails(&mut self, candidate: &mut Candidate, fault: &Fault, closing: &mut Closing) {
        let model = candidate.target().model.as_str();
        tracing::debug!(
            target: "jackfield::attempt", request_id = %closing.exchange.facts.id, model,
            reason = fault.kind.reason(), "an attempt failed: {fault}"
        );
        if let Some(number) = candidate.failed(fault) {
            closing.tries.failed(number, fault, &mut closing.exchange.trail);
        }
        if fault.kind == FaultKind::ContextLength {
            self.too_small = self.too_small.max(candidate.model().spec().context);
        }
    }

    /// A candidate has had its last call.
    fn give_up(&mut self, candidate: &Candidate, mut fault: Fault) {
        let refused = candidate.refused_keys();
        if refused > 1 && fault.kind == FaultKind::UpstreamAuth {
            let provider = candidate.model().provider().name();
            fault.message =
                format!("{refused} keys of `{provider}` were refused, the last so: {}", fault.message);
        }
        self.failed.push(&candidate.target().model, fault);
    }

    /// A call beside one that is made once more is given up; its model has its turn later, if it is another.
    fn drop_beside(&mut self, other: Candidate, candidate: &Candidate, closing: &mut Closing) {
        closing.tries.abandon(None, &mut closing.exchange.trail);
        if other.target() != candidate.target() {
            self.waiting.push_front(other.target().clone());
        }
        other.outrun();
    }

    /// When this candidate's call is slow enough for a second one beside it.
    fn slow_at(&self, candidate: &Candidate, closing: &Closing) -> Option<Instant> {
        let model = candidate.model();
        let wanted = model.spec().hedge.unwrap_or_else(|| self.world.config().orchestrator().hedge());
        if !wanted || self.hedged {
            return None;
        }
        let began = candidate.called_since()?;
        Some(began + model.live().slow_after(closing.exchange.facts.request.stream)?)
    }

    /// The call beside a slow one, if the budget has room for it.
    async fn hedge(&mut self, slow: &mut Candidate, closing: &mut Closing) -> Option<Candidate> {
        self.hedged = true;
        let now = Instant::now();
        let fit = |walk: &Self, target: &Target| {
            let model = walk.world.models().get(&target.model)?;
            let well = walk.unfit(&model, closing).is_none() && !model.live().breaker().is_open(now);
            well.then_some(model)
        };
        let next = self.waiting.iter().enumerate().find_map(|(at, target)| Some((at, fit(self, target)?)));
        if !self.world.retry_budget().withdraw(now) {
            let model = slow.target().model.clone();
            closing.exchange.trail.push(Step::RetryDenied { model, why: "budget" });
            return None;
        }
        let (target, model, place) = match next {
            Some((at, model)) => (self.waiting.remove(at)?, model, Some(at)),
            None => (slow.target().clone(), slow.model().clone(), None),
        };
        let after =
            slow.called_since().map_or_else(Default::default, |began| now.saturating_duration_since(began));
        let (slow, beside) = (slow.target().model.clone(), target.model.clone());
        let provider = model.provider().name().to_owned();
        let mut hedge = Candidate::new(target, model, closing.exchange.deadline, false);
        hedge.call(&closing.exchange, &mut closing.tries).await;
        if let Some(why) = hedge.refused() {
            if let Some(at) = place {
                // There may be room once the slow one has failed.
                self.waiting.insert(at, hedge.target().clone());
            }
            closing.exchange.trail.push(Step::RetryDenied { model: beside, why });
            return None;
        }
        closing.trying(&beside, &provider);
        closing.exchange.trail.push(Step::Hedged { slow, model: beside, after });
        Some(hedge)
    }
}

/// Notes what of the request a provider was not told.
fn dropped(candidate: &Candidate, fields: Vec<String>, closing: &mut Closing) {
    if !fields.is_empty() {
        let model = candidate.target().model.clone();
        closing.exchange.trail.push(Step::Dropped { model, fields });
    }
}

fn skipped(target: &Target, model: &Model, why: &'static str, closing: &mut Closing) {
    let (model, provider) = (target.model.clone(), model.provider().name().to_owned());
    closing.exchange.trail.push(Step::Skipped { model, provider, why });
}
