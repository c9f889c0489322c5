//! Asking the plugin routers. A router's failure never fails a request by itself: `on_error` decides.

use std::sync::Arc;
use std::time::Instant;

use jackfield_core::config::OnError;
use jackfield_core::contract::{
    Ask, Decision, Exchange, Fault, FaultKind, PluginFault, PluginFaultKind, RejectClass, Router, Routing,
    Step,
};

use super::{Plan, Policy, RouterSlot, decided};
use crate::world::World;

impl Policy {
    /// Asks the routers in order until one decides.
    pub(super) async fn ask_routers(
        &self,
        world: &World,
        exchange: &mut Exchange,
    ) -> Result<Option<Plan>, Fault> {
        let mut labels: Vec<(String, String)> = Vec::new();
        for slot in &self.routers {
            let ask = Ask {
                facts: Arc::clone(&exchange.facts),
                labels: labels.as_slice().into(),
                view: Arc::clone(world.view()),
            };
            let began = Instant::now();
            match slot.ask(ask, began).await {
                Ok(routing) => {
                    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                    if let Some(plan) = take(&*slot.router, routing, micros, exchange, &mut labels)? {
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

impl RouterSlot {
    /// Asks the rule, unless it is being left alone, and counts how that went.
    async fn ask(&self, ask: Ask, now: Instant) -> Result<Routing, PluginFault> {
        let answer = self.ask_or_leave(ask, now).await;
        self.stats.asked(&answer, now.elapsed());
        answer
    }

    async fn ask_or_leave(&self, ask: Ask, now: Instant) -> Result<Routing, PluginFault> {
        if !self.breaker.allows(now) {
            let message = "it failed too often of late and is left alone for a while".to_owned();
            return Err(PluginFault { kind: PluginFaultKind::BreakerOpen, message });
        }
        let answer = self.router.route(ask).await;
        match &answer {
            Ok(_) => self.breaker.succeeded(),
            // That the host is busy is not the rule's failure.
            Err(fault) if fault.kind == PluginFaultKind::Overloaded => {}
            Err(_) => {
                if self.breaker.failed(Instant::now()) {
                    (self.opened)();
                }
            }
        }
        answer
    }
}

/// Tells of a router's failure and says what its `on_error` makes of it.
fn failed(slot: &RouterSlot, fault: PluginFault, exchange: &mut Exchange) -> Result<OnError, Fault> {
    let name = slot.router.name();
    let then = slot.on_error.name();
    tracing::warn!(
        target: "jackfield::plugin", plugin = name, request_id = %exchange.facts.id,
        fault = fault.kind.reason(), on_error = then, "{}", fault.message
    );
    let message = format!("the router `{name}` failed ({fault})");
    exchange.trail.push(Step::RouterFault { name: name.to_owned(), fault, then });
    match slot.on_error {
        OnError::Fail => Err(Fault::new(FaultKind::PluginFailed, message)),
        other => Ok(other),
    }
}

/// Puts a router's word into the trail and makes a plan of it, if it is one.
fn take(
    router: &dyn Router,
    routing: Routing,
    micros: u64,
    exchange: &mut Exchange,
    labels: &mut Vec<(String, String)>,
) -> Result<Option<Plan>, Fault> {
    let name = router.name().to_owned();
    let said = match &routing.decision {
        Decision::Route(_) => "route",
        Decision::Abstain => "abstain",
        Decision::Reject { .. } => "reject",
        Decision::Respond(_) => "respond",
    };
    let why = routing.reason.clone();
    exchange.trail.push(Step::Router { name: name.clone(), said, reason: routing.reason, micros });
    labels.extend(routing.labels);
    match routing.decision {
        Decision::Abstain => Ok(None),
        Decision::Route(targets) => {
            decided(exchange, &name, why, &targets);
            Ok(Some(Plan::Candidates(targets)))
        }
        Decision::Respond(text) => {
            decided(exchange, &name, why, &[]);
            Ok(Some(Plan::Respond { router: name, text }))
        }
        Decision::Reject { class, message } => {
            let kind = match class {
                RejectClass::InvalidRequest => FaultKind::RejectedInvalid,
                RejectClass::Forbidden => FaultKind::RejectedForbidden,
                RejectClass::RateLimited => FaultKind::RejectedRateLimited,
                RejectClass::Unavailable => FaultKind::RejectedUnavailable,
            };
            decided(exchange, &name, why, &[]);
            Err(Fault::new(kind, message))
        }
    }
}
