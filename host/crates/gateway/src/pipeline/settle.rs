//! The end of every request, whatever it was: the model's state is told, the request is counted, and one log line is
//! written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jackfield_core::base::RequestId;
use jackfield_core::contract::{CacheOutcome, Called, Exchange, Fault, FaultKind, Step, Trail, Usage};
use jackfield_core::telemetry::metrics::{ClosedRequest, Metrics, Outcome};

use jackfield_store::cache::Given;

use super::attempt::{Answered, Proven, text_reply, text_stream};
use super::cached::Cached;
use super::delivery::{Body, Delivery, Failure, Head, ReplyStream, Rest};
use super::left::{Left, UnderWay};
use super::record::{self, micros};
use super::tries::{Tries, Try};
use super::verdict::lowest;
use crate::world::{CallEnd, LiveCall, LoadGuard, RequestRecord, Requests};

/// An open exchange. Dropped without an end, it tells that the client left, or that the run ended that it is a call of.
pub(super) struct Closing {
    pub exchange: Exchange,
    pub tries: Tries,
    /// How good the validators find the answer: the lowest of their scores.
    pub score: Option<f64>,
    /// Where it stands with the cache.
    pub cached: Cached,
    requests: Arc<Requests>,
    waited: Duration,
    model: Option<String>,
    provider: Option<String>,
    call: Option<LiveCall>,
    usage: Option<Usage>,
    overhead: Option<Duration>,
    first_token: Option<Duration>,
    /// The answering call's number on the bill.
    charge: Option<u32>,
    metrics: Arc<Metrics>,
    closed: bool,
    /// It is a call on a request's behalf, and not the request: it is not counted, logged or kept as one.
    flight: bool,
    /// Where its log line and record wait, should it end before the call that it opened.
    left: Option<Left>,
    place: Arc<LoadGuard>,
}

impl Closing {
    /// Opens an exchange, to be kept among `requests` and counted in `metrics` when it is over.
    pub(super) fn open(
        exchange: Exchange,
        place: LoadGuard,
        requests: Arc<Requests>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self::new(exchange, Cached::default(), requests, metrics, Arc::new(place), false)
    }

    /// A call on this request's behalf, which may outlive it. Its steps are told to this trail, its tokens are counted, and
    /// it holds the request's place among those under way.
    pub(super) fn of_flight(&self) -> Self {
        let Exchange { facts, started, deadline, trail } = &self.exchange;
        let exchange = Exchange {
            facts: Arc::clone(facts),
            started: *started,
            deadline: *deadline,
            trail: Trail::mirrored(trail),
        };
        let (requests, metrics) = (Arc::clone(&self.requests), Arc::clone(&self.metrics));
        Self::new(exchange, self.cached.of_flight(), requests, metrics, Arc::clone(&self.place), true)
    }

    fn new(
        exchange: Exchange,
        cached: Cached,
        requests: Arc<Requests>,
        metrics: Arc<Metrics>,
        place: Arc<LoadGuard>,
        flight: bool,
    ) -> Self {
        Self {
            exchange,
            tries: Tries::default(),
            score: None,
            cached,
            requests,
            waited: Duration::ZERO,
            model: None,
            provider: None,
            call: None,
            usage: None,
            overhead: None,
            first_token: None,
            charge: None,
            metrics,
            closed: false,
            flight,
            left: None,
            place,
        }
    }

    /// It opens a shared call: the other side of where its end waits for that.
    pub(super) fn opens(&mut self) -> UnderWay {
        self.left.get_or_insert_default().under_way()
    }

    /// The answer is not this request's alone: this is who gave it.
    pub(super) fn is_given(&mut self, given: Given) {
        self.model.clone_from(&given.model);
        self.provider.clone_from(&given.provider);
        self.score = given.score;
        self.cached.given = Some(given);
    }

    /// The model that answers, its provider, the score of the answer, and what was waited for so far.
    pub(super) fn told(&self) -> (Option<String>, Option<String>, Option<f64>, Duration) {
        (self.model.clone(), self.provider.clone(), self.score, self.waited)
    }

    /// This model is called now. The last one called is the one that answered, failed or was left.
    pub(super) fn trying(&mut self, model: &str, provider: &str) {
        self.model = Some(model.to_owned());
        self.provider = Some(provider.to_owned());
    }

    /// A call answers. It is the one that counts; any other is given up.
    pub(super) fn answers(&mut self, call: Option<(Try, LiveCall)>) -> Option<LiveCall> {
        let (number, live) = call?;
        if let Some(call) = self.tries.answered(number, &mut self.exchange.trail) {
            self.trying(&call.model, &call.provider);
            self.charge = call.charge;
        }
        self.tries.abandon(None, &mut self.exchange.trail);
        Some(live)
    }

    /// A call that was made for several requests answers this one too.
    pub(super) fn asked_elsewhere(&mut self, call: Called) {
        self.trying(&call.model, &call.provider);
        self.charge = call.charge;
        self.exchange.trail.push(Step::Answered { call });
    }

    /// So much of the time was a provider's, or a wait between two calls.
    pub(super) fn waited(&mut self, wait: Duration) {
        self.waited += wait;
    }

    /// Hands the answer over. A stream takes the exchange with it.
    pub(super) fn deliver(mut self, answered: Answered) -> Delivery {
        self.call = answered.call;
        let head = self.head();
        let facts = Arc::clone(&self.exchange.facts);
        let bill = self.exchange.trail.bill().clone();
        let streaming = facts.request.stream;
        let body = match answered.answer {
            Proven::Whole(reply) => {
                // Nothing is consumed by counting.
                let consumes = self.exchange.facts.request.dialect.consumes();
                self.saw(reply.usage.filter(|_| consumes), true);
                self.complete();
                Body::Whole(reply)
            }
            Proven::Text(text) if streaming => {
                let (held, rest) = text_stream(text);
                Body::Stream(Box::new(ReplyStream::new(held, Rest::Plain(rest), self)))
            }
            Proven::Text(text) => {
                let reply = text_reply(self.model.as_deref().unwrap_or_default(), text);
                self.complete();
                Body::Whole(reply)
            }
            Proven::Stream { held, rest } => {
                Body::Stream(Box::new(ReplyStream::new(held, Rest::Plain(rest), self)))
            }
            Proven::Watched { held, rest } => {
                Body::Stream(Box::new(ReplyStream::new(held, Rest::Watched(rest), self)))
            }
        };
        Delivery { head, body, facts, bill }
    }

    /// There is no answer.
    pub(super) fn fail(mut self, fault: Fault) -> Failure {
        let head = self.head();
        self.close(Outcome::Failed, Some(&fault));
        Failure { head, fault }
    }

    /// What a chunk told of the call as a whole.
    pub(super) fn saw(&mut self, usage: Option<Usage>, substance: bool) {
        // What was paid for once is not told twice.
        self.usage = usage.filter(|_| !self.cached.is_free()).or(self.usage);
        if substance && self.first_token.is_none() {
            self.first_token = Some(self.exchange.started.elapsed());
        }
    }

    /// A validator found something while the answer went out.
    pub(super) fn found(&mut self, step: Step) {
        if let Step::Validated { score, .. } = &step {
            self.score = lowest(self.score, *score);
        }
        self.cached.found(&step);
        self.exchange.trail.push(step);
    }

    /// The answer is out.
    pub(super) fn complete(mut self) {
        if let Some(call) = self.call.take() {
            call.end(CallEnd::Answered);
        }
        self.close(Outcome::Answered, None);
    }

    /// The answer broke off after its beginning was out.
    pub(super) fn broke(mut self, fault: &Fault) {
        // Only what the provider broke says anything about the model.
        if let Some(call) = self.call.take() {
            call.end(match fault.kind {
                // The model did answer; that a validator ended it does not make it unwell.
                FaultKind::AnswerRejected | FaultKind::PluginFailed => CallEnd::Answered,
                kind if kind.is_transient() => CallEnd::Failed(kind),
                kind => CallEnd::Unfit(kind),
            });
        }
        self.close(Outcome::BrokenOff, Some(fault));
    }

    fn head(&mut self) -> Head {
        let waited = self.waited + self.exchange.trail.llm().took;
        let overhead = self.exchange.started.elapsed().saturating_sub(waited);
        self.overhead = Some(overhead);
        let decision = self.exchange.trail.decision();
        Head {
            request_id: self.exchange.facts.id,
            model: self.model.clone(),
            route: decision.map(|(by, _)| by.to_owned()),
            reason: self.reason(),
            attempts: self.exchange.trail.attempts(),
            score: self.score,
            cost: self.exchange.trail.bill().total(),
            overhead,
            cache: self.cached.outcome,
            given: self.cached.given.clone(),
        }
    }

    /// Why the answer is this model's, in a few words.
    fn reason(&self) -> Option<String> {
        let trail = &self.exchange.trail;
        match trail.downgrade() {
            Some((from, to, why)) => Some(format!("{to} instead of {from}: {why}")),
            None => trail.decision().map(|(_, why)| why.to_owned()),
        }
    }

    /// What the answer consumed: as its provider said, else as it was estimated.
    fn usage(&self) -> Option<Usage> {
        let bill = self.exchange.trail.bill();
        self.usage.or_else(|| Some(bill.of(self.charge?)?.usage))
    }

    /// The one count and the one log line of a request.
    fn close(&mut self, outcome: Outcome, fault: Option<&Fault>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let given_up = fault.filter(|_| outcome == Outcome::Cancelled);
        self.tries.abandon(given_up.map(|fault| fault.kind), &mut self.exchange.trail);
        // A plugin may have been asking a model when the client left, and a shared call goes on.
        self.catch_up(outcome);
        if self.flight {
            return;
        }
        if let Some(outcome) = self.cached.outcome {
            self.metrics.cache.fared(outcome);
        }
        let total = self.exchange.started.elapsed();
        self.metrics.requests.closed(&ClosedRequest {
            outcome,
            fault: fault.map(|fault| fault.kind),
            total,
            overhead: self.overhead,
            first_token: self.first_token,
        });
        let left = self.left.take().filter(|_| matches!(outcome, Outcome::ClientLeft | Outcome::BrokenOff));
        match left {
            None => self.tell(outcome, fault, total),
            Some(left) => {
                let (mut rest, fault) = (self.rest(), fault.cloned());
                left.when_over(Box::new(move || {
                    rest.follow_call(outcome);
                    rest.tell(outcome, fault.as_ref(), total);
                }));
            }
        }
    }

    /// Takes what its log line and its record are made of. Counted it is already.
    fn rest(&mut self) -> Self {
        let Exchange { facts, started, deadline, trail } = &mut self.exchange;
        let exchange = Exchange {
            facts: Arc::clone(facts),
            started: *started,
            deadline: *deadline,
            trail: std::mem::take(trail),
        };
        let cached = std::mem::take(&mut self.cached);
        let (requests, metrics) = (Arc::clone(&self.requests), Arc::clone(&self.metrics));
        let mut rest = Self::new(exchange, cached, requests, metrics, Arc::clone(&self.place), false);
        rest.score = self.score;
        rest.model = self.model.take();
        rest.provider = self.provider.take();
        rest.usage = self.usage;
        rest.overhead = self.overhead;
        rest.first_token = self.first_token;
        rest.charge = self.charge;
        rest.closed = true;
        rest
    }

    /// Takes in what became of the call that it opened.
    fn follow_call(&mut self, outcome: Outcome) {
        self.catch_up(outcome);
        let answered = self.exchange.trail.steps().iter().rev().find_map(|step| match step {
            Step::Answered { call } => Some(call.clone()),
            _ => None,
        });
        if let Some(call) = answered {
            self.trying(&call.model, &call.provider);
            self.charge = call.charge;
        }
    }

    /// The one record and the one log line.
    fn tell(&self, outcome: Outcome, fault: Option<&Fault>, total: Duration) {
        self.keep(outcome.name(), fault, total);
        let Exchange { facts, trail, .. } = &self.exchange;
        let (decision, llm, usage) = (trail.decision(), trail.llm(), self.usage());
        let (reason, cost) = (self.reason(), trail.bill().total().map(|cost| cost.to_string()));
        tracing::info!(
            target: "jackfield::request",
            request_id = %facts.id,
            outcome = outcome.name(),
            reason = fault.map(|f| f.kind.reason()),
            blame = fault.map(|f| f.kind.blame().name()),
            fault = fault.map(|f| f.message.as_str()),
            project = facts.caller.project.as_deref(),
            user = facts.caller.user.as_deref(),
            task = facts.task.as_deref(),
            run = facts.run.as_ref().map(|run| run.id.as_str()),
            workflow = facts.run.as_ref().map(|run| run.workflow.as_str()),
            step = facts.step.as_ref().map(|step| step.call.as_str()),
            asked_model = facts.request.model.as_deref(),
            route = decision.map(|(by, _)| by),
            route_reason = reason,
            canary = trail.by_canary().then_some(true),
            model = self.model.as_deref(),
            provider = self.provider.as_deref(),
            attempts = trail.attempts(),
            retries = trail.retries(),
            score = self.score,
            stream = facts.request.stream,
            cache = self.cached.outcome.map(CacheOutcome::name),
            input_tokens = usage.map(|u| u.input_tokens),
            output_tokens = usage.map(|u| u.output_tokens),
            estimated = usage.filter(|u| u.estimated).map(|u| u.estimated),
            cost_usd = cost,
            llm_calls = (llm.calls > 0).then_some(llm.calls),
            llm_input_tokens = llm.usage.map(|u| u.input_tokens),
            llm_output_tokens = llm.usage.map(|u| u.output_tokens),
            first_token_us = self.first_token.map(micros),
            overhead_us = self.overhead.map(micros),
            total_us = micros(total),
            "request"
        );
    }

    /// Takes in what was done elsewhere. What validators found since the answer began counts for its score.
    fn catch_up(&mut self, outcome: Outcome) {
        let known = self.exchange.trail.steps().len();
        self.exchange.trail.catch_up();
        for step in self.exchange.trail.steps().iter().skip(known) {
            if let Step::Validated { score, .. } = step
                && !matches!(outcome, Outcome::ClientLeft | Outcome::Cancelled)
            {
                self.score = lowest(self.score, *score);
            }
            self.cached.found(step);
        }
    }

    /// Whether the answering model was told to stop where the budget ends, or has been stopped there.
    pub(super) fn was_clamped(&mut self) -> bool {
        self.exchange.trail.catch_up();
        let answers = |at: &String| Some(at) == self.model.as_ref();
        self.exchange.trail.steps().iter().any(|s| matches!(s, Step::Clamped { model, .. } | Step::BudgetReached { model, .. } if answers(model)))
    }

    /// Keeps the request for whoever asks why.
    fn keep(&self, outcome: &'static str, fault: Option<&Fault>, total: Duration) {
        let Exchange { facts, trail, .. } = &self.exchange;
        let (decision, llm) = (trail.decision(), trail.llm());
        self.requests.push(RequestRecord {
            id: facts.id.to_string(),
            at_ms: record::at_ms(total),
            outcome,
            reason: fault.map(|f| f.kind.reason()),
            blame: fault.map(|f| f.kind.blame().name()),
            fault: fault.and_then(record::sentence),
            project: facts.caller.project.clone(),
            user: facts.caller.user.clone(),
            task: facts.task.clone(),
            run: facts.run.as_ref().map(|run| run.id.clone()),
            workflow: facts.run.as_ref().map(|run| run.workflow.clone()),
            run_step: facts.step.as_ref().map(|step| step.call.clone()),
            asked_model: facts.request.model.clone(),
            route: decision.map(|(by, _)| by.to_owned()),
            route_reason: self.reason(),
            model: self.model.clone(),
            provider: self.provider.clone(),
            attempts: trail.attempts(),
            retries: trail.retries(),
            score: self.score,
            stream: facts.request.stream,
            cache: self.cached.outcome.map(CacheOutcome::name),
            usage: self.usage().map(record::usage),
            cost_usd: trail.bill().total().map(|cost| cost.to_string()),
            llm_calls: llm.calls,
            llm_usage: llm.usage.map(record::usage),
            first_token_us: self.first_token.map(micros),
            overhead_us: self.overhead.map(micros),
            total_us: micros(total),
            steps: record::steps(trail),
        });
    }
}

/// The count and the log line of a request that was refused before it was understood.
pub fn refused(metrics: &Metrics, id: RequestId, started: Instant, fault: &Fault) {
    let (outcome, total) = (Outcome::Refused, started.elapsed());
    metrics.requests.closed(&ClosedRequest {
        outcome,
        fault: Some(fault.kind),
        total,
        overhead: None,
        first_token: None,
    });
    tracing::info!(
        target: "jackfield::request",
        request_id = %id,
        outcome = outcome.name(),
        reason = fault.kind.reason(),
        blame = fault.kind.blame().name(),
        fault = fault.message.as_str(),
        total_us = micros(total),
        "request"
    );
}

impl Drop for Closing {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        match self.exchange.facts.run.as_ref().and_then(|run| run.given_up()) {
            Some(kind) => {
                let message = "the call was given up: what it was made for is over";
                self.close(Outcome::Cancelled, Some(&Fault::new(kind, message)));
            }
            None => self.close(Outcome::ClientLeft, None),
        }
    }
}
