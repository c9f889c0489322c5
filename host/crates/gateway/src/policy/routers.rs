//! Asking the plugin routers. A router's failure never fails a request by itself: `on_error` decides. A canary's
//! failure does not even cost the rule's opinion: the generation that it is to replace gives it.

use std::sync::Arc;
use std::time::Instant;

use jackfield_core::config::OnError;
use jackfield_core::contract::{
    Ask, Decision, Exchange, Fault, FaultKind, PluginFault, PluginFaultKind, RejectClass, Routing, Step,
    Target,
};

use super::conditions::Seen;
use super::steps::asks;
use super::{Plan, Policy, RouterSlot, Seat, decided};
use crate::world::World;

/// Which generations of the routers are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generations {
    /// A canary for its share of the requests.
    All,
    /// Those that serve.
    Base,
}

/// What the routers said besides their decisions: labels, and how many there were when each was asked.
#[derive(Default)]
pub(super) struct Heard {
    labels: Vec<(String, String)>,
    when_asked: Vec<usize>,
}

impl Policy {
    /// Asks the routers in order until one decides.
    pub(super) async fn ask_routers(
        &self,
        world: &World,
        exchange: &mut Exchange,
        heard: &mut Heard,
        asked: Generations,
    ) -> Result<Option<Plan>, Fault> {
        let facts = Arc::clone(&exchange.facts);
        let only = self.router_of_step(&facts)?;
        let mut seen = Seen::default();
        for slot in &self.rules.routers {
            let labels: Arc<[(String, String)]> = heard.asking().into();
            if !asks(only, slot) {
                continue;
            }
            // A step that names its router has said when it is asked.
            let unmet = match only {
                Some(_) => Ok(None),
                None => self.conditions.unmet(slot.name(), &facts, &mut seen),
            };
            match unmet {
                Ok(None) => {}
                Ok(Some(reason)) => {
                    let name = slot.name().to_owned();
                    exchange.trail.push(Step::Router {
                        name,
                        said: "skipped",
                        reason,
                        micros: 0,
                        canary: false,
                    });
                    continue;
                }
                Err(fault) => match failed(slot, fault, exchange)? {
                    OnError::DefaultRoute => break,
                    _ => continue,
                },
            }
            if asked == Generations::All
                && let Some(canary) = slot.canary_for(exchange.facts.id)
            {
                let began = Instant::now();
                let said = canary.ask(ask_of(canary, &labels, world, exchange, asked), began).await;
                match meaning(said, exchange) {
                    Ok(routing) => match take(slot, routing, (began, true), exchange, heard)? {
                        Some(plan) => return Ok(Some(plan)),
                        None => continue,
                    },
                    Err(fault) => tell(slot, fault, "base", exchange),
                }
            }
            let began = Instant::now();
            let said = slot.base.ask(ask_of(&slot.base, &labels, world, exchange, asked), began).await;
            match meaning(said, exchange) {
                Ok(routing) => {
                    if let Some(plan) = take(slot, routing, (began, false), exchange, heard)? {
                        return Ok(Some(plan));
                    }
                }
                Err(fault) => {
                    if failed(slot, fault, exchange)? == OnError::DefaultRoute {
                        break;
                    }
                }
            }
        }
        Ok(None)
    }
}

/// What one generation of a router is asked. Where a decision is only explained, no model is called for it.
fn ask_of(
    seat: &Seat,
    labels: &Arc<[(String, String)]>,
    world: &World,
    exchange: &Exchange,
    asked: Generations,
) -> Ask {
    let consults = seat.consults && asked == Generations::All;
    Ask {
        facts: Arc::clone(&exchange.facts),
        labels: Arc::clone(labels),
        view: Arc::clone(world.view()),
        completer: consults.then(|| world.completer(exchange, seat.router.name(), Some(&seat.series))),
    }
}

impl Heard {
    /// The labels for the router that is asked next.
    fn asking(&mut self) -> &[(String, String)] {
        self.when_asked.push(self.labels.len());
        &self.labels
    }

    /// The labels that a router at this place got, or would have got if the ones before it had left it to it.
    pub(super) fn labels_at(&self, place: usize) -> &[(String, String)] {
        let count = self.when_asked.get(place).copied().unwrap_or(self.labels.len());
        self.labels.get(..count).unwrap_or_default()
    }
}

/// What a router said, unless that means nothing for such a request.
fn meaning(said: Result<Routing, PluginFault>, exchange: &Exchange) -> Result<Routing, PluginFault> {
    match &said {
        Ok(Routing { decision: Decision::Respond(_), .. }) if !exchange.facts.request.dialect.converses() => {
            let message = "it answers with a text where none is asked for".to_owned();
            Err(PluginFault { kind: PluginFaultKind::InvalidDecision, message })
        }
        _ => said,
    }
}

/// Puts a failure into the log and the trail.
fn tell(slot: &RouterSlot, fault: PluginFault, then: &'static str, exchange: &mut Exchange) {
    let name = slot.name();
    tracing::warn!(
        target: "jackfield::plugin", plugin = name, request_id = %exchange.facts.id,
        fault = fault.kind.reason(), on_error = then, "{}", fault.message
    );
    exchange.trail.push(Step::RouterFault { name: name.to_owned(), fault, then });
}

/// Tells of a router's failure and says what its `on_error` makes of it.
fn failed(slot: &RouterSlot, fault: PluginFault, exchange: &mut Exchange) -> Result<OnError, Fault> {
    let message = format!("the router `{}` failed ({fault})", slot.name());
    tell(slot, fault, slot.on_error.name(), exchange);
    match slot.on_error {
        OnError::Fail => Err(Fault::new(FaultKind::PluginFailed, message)),
        other => Ok(other),
    }
}

/// Puts a router's word into the trail and makes a plan of it, if it is one.
fn take(
    slot: &RouterSlot,
    routing: Routing,
    (began, canary): (Instant, bool),
    exchange: &mut Exchange,
    heard: &mut Heard,
) -> Result<Option<Plan>, Fault> {
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let name = slot.name().to_owned();
    let said = match &routing.decision {
        Decision::Route(_) => "route",
        Decision::Abstain => "abstain",
        Decision::Reject { .. } => "reject",
        Decision::Respond(_) => "respond",
    };
    let why = routing.reason.clone();
    exchange.trail.push(Step::Router { name: name.clone(), said, reason: routing.reason, micros, canary });
    heard.labels.extend(routing.labels);
    let Some(plan) = plan_of(&name, routing.decision) else { return Ok(None) };
    let targets: &[Target] = match &plan {
        Ok(Plan::Candidates(targets)) => targets,
        _ => &[],
    };
    decided(exchange, &name, why, targets);
    plan.map(Some)
}

/// What a decision leads to; nothing if it is none.
pub(super) fn plan_of(router: &str, decision: Decision) -> Option<Result<Plan, Fault>> {
    match decision {
        Decision::Abstain => None,
        Decision::Route(targets) => Some(Ok(Plan::Candidates(targets))),
        Decision::Respond(text) => Some(Ok(Plan::Respond { router: router.to_owned(), text })),
        Decision::Reject { class, message } => {
            let kind = match class {
                RejectClass::InvalidRequest => FaultKind::RejectedInvalid,
                RejectClass::Forbidden => FaultKind::RejectedForbidden,
                RejectClass::RateLimited => FaultKind::RejectedRateLimited,
                RejectClass::Unavailable => FaultKind::RejectedUnavailable,
            };
            Some(Err(Fault::new(kind, message)))
        }
    }
}
