//! One charge: a call of a model that can cost, from before it is made until what it cost is written down. Whoever calls a
//! model, for an answer, a repair, a hedge, a rating or a plugin, goes through [`call`] with one of these.
//!
//! | how the call ends | what is charged |
//! |---|---|
//! | it is not made, cannot reach the provider, or is refused | nothing: the reservation is released |
//! | it answers, whatever becomes of the answer | what the provider says it consumed; its estimate where it says nothing |
//! | it fails or is given up when it may have begun | the best estimate: the prompt, and what came of the answer |
//!
//! The charge goes where the call goes, into the future and then into the stream of its answer, and ends with it: dropped
//! anywhere, it is settled at its estimate. So no path of the pipeline has to remember it. Bounded by the call. Does not decide
//! what becomes of a request that a budget has no room for: whoever gets an [`Unreserved`] does.

mod estimate;
mod meter;
mod together;

use std::sync::Arc;

use futures_util::FutureExt as _;

use jackfield_core::base::NanoUsd;
use jackfield_core::catalogue::{Capability, Price};
use jackfield_core::config::Window;
use jackfield_core::contract::{
    Answer, Aside, Bill, Call, Charged, Dialect, Exchange, Facts, Fault, FaultKind, Provider, Reply, Step,
    Usage,
};
use jackfield_core::telemetry::metrics::UpstreamSeries;
use jackfield_store::{Ask, Exceeded, Refused, Reservation, StateError, Unreserved};

use self::estimate::Output;
pub(crate) use self::estimate::asked_choices;
use self::estimate::asked_outputs;
pub(crate) use self::together::call_together;
use crate::world::Model;

/// On whose account one call is made: a request's.
#[derive(Clone)]
pub(crate) struct Payer {
    pub facts: Arc<Facts>,
    pub bill: Bill,
    pub aside: Aside,
    /// The call's number on the bill.
    pub number: u32,
}

/// What one call costs, or may.
pub(crate) struct Charge {
    number: u32,
    model: String,
    price: Option<Price>,
    simulated: bool,
    bill: Bill,
    aside: Aside,
    series: Arc<UpstreamSeries>,
    /// `None` where nothing limits and nothing is written down.
    reservation: Option<Reservation>,
    /// Tokens of the answer that a reservation covers which is written down.
    durable: u64,
    input_tokens: u64,
    output: Output,
    /// What the provider said so far.
    usage: Option<Usage>,
    sent: bool,
    closed: bool,
}

impl Payer {
    /// For the next call on this bill.
    pub(crate) fn new(facts: Arc<Facts>, bill: Bill, aside: Aside) -> Self {
        let number = bill.next_number();
        Self { facts, bill, aside, number }
    }

    /// For the next call of this request.
    pub(crate) fn of(exchange: &Exchange) -> Self {
        let trail = &exchange.trail;
        Self::new(Arc::clone(&exchange.facts), trail.bill().clone(), trail.aside().clone())
    }
}

impl Model {
    /// Reserves what this call may cost, and bounds its answer to what there is room for. Nothing is charged for a call
    /// that consumes nothing. Waits only where hosts share their limits.
    pub(crate) async fn charge(&self, payer: &Payer, call: &mut Call) -> Result<Option<Charge>, Unreserved> {
        let request = &call.facts.request;
        if !request.dialect.consumes() {
            return Ok(None);
        }
        let (ledger, spec) = (self.store().ledger(), self.spec());
        let (streamed, embeds) = (request.stream, request.dialect == Dialect::OpenAiEmbeddings);
        let input_tokens = estimate::input_tokens(call);
        let number = payer.number;
        let mut reservation = None;
        let run_limits = payer.facts.run.as_ref().is_some_and(|run| run.is_limited());
        if !ledger.is_idle() || run_limits {
            let choices = estimate::choices(call);
            let most_output =
                if embeds { Some(0) } else { most_output(call).map(|most| most.saturating_mul(choices)) };
            let ask = Ask {
                request: payer.facts.id,
                attempt: number,
                caller: &payer.facts.caller,
                run: payer.facts.run.as_ref(),
                task: payer.facts.task.as_deref(),
                model: &spec.name,
                provider: self.provider().name(),
                simulated: self.is_simulated(),
                price: spec.price,
                input_tokens,
                most_output,
                streamed,
                hidden: spec.capabilities.contains(&Capability::Reasoning),
            };
            let reserved = match ledger.is_shared() {
                false => ledger.reserve(ask).map_err(Unreserved::from),
                true => Box::pin(ledger.reserve_across(ask)).await,
            };
            // A price that nobody knows is no limit without room.
            if let Err(Unreserved::Exceeded(exceeded)) = &reserved
                && exceeded.why == Refused::Spent
            {
                let window = exceeded.window.map_or("none", Window::name);
                self.metrics().budgets.exceeded(exceeded.scope.kind(), window, exceeded.unit.name());
            }
            let reserved = reserved?;
            // The provider would bill what nobody gets. Dropped, the reservation is released.
            if let Some(error) = reserved.refused() {
                return Err(Unreserved::State(error));
            }
            if let Some(bound) = reserved.output_bound().filter(|_| !embeds) {
                let bound = (bound / choices).max(1).min(least_output(call));
                call.overrides.max_output_tokens = Some(u32::try_from(bound).unwrap_or(u32::MAX));
                payer.aside.push(Step::Clamped { model: spec.name.clone(), max_output_tokens: bound });
            }
            reservation = Some(reserved);
        }
        Ok(Some(Charge {
            number,
            model: spec.name.clone(),
            price: spec.price,
            simulated: self.is_simulated(),
            bill: payer.bill.clone(),
            aside: payer.aside.clone(),
            series: Arc::clone(self.series()),
            durable: 0,
            reservation,
            input_tokens,
            output: Output::default(),
            usage: None,
            sent: false,
            closed: false,
        }))
    }
}

/// The bound on each of the answers that is on the wire, in tokens: a rule's stands in place of the client's. Of two of the
/// client's the larger: nobody knows which one a server obeys.
fn most_output(call: &Call) -> Option<u64> {
    let clients = || asked_outputs(&call.facts.request).max().or(call.facts.request.max_output_tokens);
    let asked = call.overrides.max_output_tokens.map(u64::from).or_else(clients);
    match (asked, call.max_output) {
        (Some(asked), Some(most)) => Some(asked.min(most)),
        (asked, most) => asked.or(most),
    }
}

/// What the client's own bounds allow whichever a server obeys: a budget lengthens no answer.
fn least_output(call: &Call) -> u64 {
    match call.overrides.max_output_tokens {
        Some(rule) => u64::from(rule),
        None => asked_outputs(&call.facts.request).min().unwrap_or(u64::MAX),
    }
}

/// Makes a call and settles what it costs. A whole answer is settled when it is there; a stream takes its charge along.
pub(crate) async fn call(
    provider: &dyn Provider,
    call: Call,
    charge: Option<Charge>,
) -> Result<Answer, Fault> {
    let Some(mut charge) = charge else { return provider.call(call).await };
    charge.sent();
    match provider.call(call).await {
        Ok(Answer::Whole { reply, waited, dropped }) => {
            charge.answered(&reply).await?;
            Ok(Answer::Whole { reply, waited, dropped })
        }
        Ok(Answer::Stream { chunks, waited, dropped }) => {
            charge.committed().await?;
            Ok(Answer::Stream { chunks: meter::metered(chunks, charge), waited, dropped })
        }
        Err(fault) => {
            charge.failed(&fault);
            Err(fault)
        }
    }
}

impl Charge {
    /// Its number on the request's bill.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// From here on the provider may bill.
    fn sent(&mut self) {
        self.sent = true;
        if let Some(reservation) = &mut self.reservation {
            reservation.sent();
        }
    }

    /// Waits until what is reserved is written down.
    async fn committed(&mut self) -> Result<(), Fault> {
        let Some(reservation) = &self.reservation else { return Ok(()) };
        self.durable = reservation.covered_output();
        reservation.committed().await.map_err(unavailable)
    }

    /// The whole answer is there.
    async fn answered(mut self, reply: &Reply) -> Result<(), Fault> {
        let estimated = || Usage {
            input_tokens: self.input_tokens,
            output_tokens: Output::of(reply),
            estimated: true,
            ..Usage::default()
        };
        let usage = reply.usage.unwrap_or_else(estimated);
        self.settle(usage).await
    }

    /// The call failed.
    fn failed(mut self, fault: &Fault) {
        if !may_be_billed(fault) {
            self.closed = true;
            if let Some(reservation) = self.reservation.take() {
                reservation.release();
            }
        }
    }

    /// This is what it consumed. When that is done, it is written down.
    async fn settle(&mut self, usage: Usage) -> Result<(), Fault> {
        self.book(usage, self.price.map(|price| usage.cost(&price)));
        match self.reservation.take() {
            Some(reservation) => reservation.settle(usage).await.map(drop).map_err(unavailable),
            None => Ok(()),
        }
    }

    /// This is its share of what a call for several consumed, and what that costs: charged at once. When what is given is done, it
    /// is written down.
    fn settle_at(
        mut self,
        usage: Usage,
        cost: Option<NanoUsd>,
    ) -> impl Future<Output = Result<(), Fault>> + Send + use<> {
        self.book(usage, cost);
        let held = self.reservation.take().map(|held| held.settle_at(usage, cost.unwrap_or(NanoUsd::ZERO)));
        async move {
            match held {
                Some(written) => written.await.map(drop).map_err(unavailable),
                None => Ok(()),
            }
        }
    }

    /// What it consumed as far as anybody knows, when it ends here.
    fn estimate(&self) -> Usage {
        let seen = match (self.output.tokens(), &self.reservation) {
            // A provider that was not heard of goes on, and bills what such answers are like.
            (0, Some(reservation)) if self.usage.is_none() => reservation.expected_output(),
            (seen, _) => seen,
        };
        let known = self.usage.unwrap_or(Usage { input_tokens: self.input_tokens, ..Usage::default() });
        Usage { output_tokens: known.output_tokens.max(seen), estimated: true, ..known }
    }

    /// Puts it on the request's bill and counts it, once.
    fn book(&mut self, usage: Usage, cost: Option<NanoUsd>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let free = self.simulated.then_some(NanoUsd::ZERO);
        let cost = cost.or(free);
        self.series.used(&usage, cost);
        self.bill.add(Charged { number: self.number, usage, cost });
    }
}

/// What is dropped is settled at its estimate once the provider may bill; else its reservation goes back.
impl Drop for Charge {
    fn drop(&mut self) {
        if self.sent && !self.closed {
            let usage = self.estimate();
            self.book(usage, self.price.map(|price| usage.cost(&price)));
            if let Some(reservation) = self.reservation.take() {
                // Charged, and on its way to the file, at the first look; nobody is left who could wait for more.
                let _ = reservation.settle(usage).now_or_never();
            }
        }
    }
}

/// Whether a provider may bill a call that failed in this way. What it refused, or failed by its own account before it
/// answered, it does not; what a server in between gave up waiting for may be billed.
fn may_be_billed(fault: &Fault) -> bool {
    use FaultKind as K;
    match fault.status {
        _ if fault.unsent => false,
        Some(status) => matches!(status, 408 | 499 | 504 | 520..=526),
        None => matches!(
            fault.kind,
            K::UpstreamFailed | K::UpstreamTimeout | K::UpstreamBroken | K::UpstreamUnreachable
        ),
    }
}

/// What a client is told of a call that the budgets do not allow.
pub(crate) fn refused(exceeded: &Exceeded) -> Fault {
    let kind = match exceeded.why {
        Refused::Spent => FaultKind::BudgetExceeded,
        Refused::NoPrice(_) => FaultKind::PriceUnknown,
    };
    Fault::new(kind, exceeded.to_string())
}

/// What a request is told whose charge cannot be written down or asked for.
pub(crate) fn unavailable(error: StateError) -> Fault {
    Fault::new(FaultKind::StateUnavailable, error.to_string())
}
