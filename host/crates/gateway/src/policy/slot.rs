//! A routing rule's place among the others, and which generation of it sits there: the one that serves and, while a
//! new one is on trial, that one for its share of the requests. A slot never changes: another picture is another world.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jackfield_core::base::RequestId;
use jackfield_core::config::{OnError, Share};
use jackfield_core::contract::{Ask, PluginFault, PluginFaultKind, Router, Routing};
use jackfield_core::telemetry::metrics::PluginSeries;

use super::{Breaker, RouterStats, ShadowSlot, ShadowTasks, ValidatorSlot};

/// One generation of a routing rule.
#[derive(Clone)]
pub struct Seat {
    /// The rule.
    pub router: Arc<dyn Router>,
    /// Leaves it alone for a while when it keeps failing.
    pub breaker: Arc<Breaker>,
    /// Told when the breaker opens.
    pub opened: Arc<dyn Fn() + Send + Sync>,
    /// What this generation did so far.
    pub stats: Arc<RouterStats>,
    /// What is counted under the rule's name.
    pub series: Arc<PluginSeries>,
    /// Whether it may ask models (the grant `llm`).
    pub consults: bool,
}

/// A routing rule and what to do when it fails.
#[derive(Clone)]
pub struct RouterSlot {
    /// The generation that serves.
    pub base: Seat,
    /// The one on trial, and the share of the requests that it gets.
    pub canary: Option<(Share, Seat)>,
    /// What to do when the one that serves fails. When a canary fails, the one that serves is asked.
    pub on_error: OnError,
}

/// The plugins' part of the rules, in the order in which they are asked.
#[derive(Clone, Default)]
pub struct Rules {
    /// Those that decide.
    pub routers: Vec<RouterSlot>,
    /// Those that are only compared.
    pub shadows: Vec<ShadowSlot>,
    /// Where shadows are asked.
    pub tasks: Arc<ShadowTasks>,
    /// The plugins that check answers, by name: those that are named as validators and loaded.
    pub validators: BTreeMap<String, ValidatorSlot>,
}

impl RouterSlot {
    /// The rule's name.
    pub fn name(&self) -> &str {
        self.base.router.name()
    }

    /// The canary, if this request is one of its share. Always the same answer for the same request.
    pub(super) fn canary_for(&self, request: RequestId) -> Option<&Seat> {
        let (share, seat) = self.canary.as_ref()?;
        share.takes(self.name(), &request.to_string()).then_some(seat)
    }
}

impl Seat {
    /// Asks the rule, unless it is being left alone, and counts how that went.
    pub(super) async fn ask(&self, ask: Ask, now: Instant) -> Result<Routing, PluginFault> {
        let answer = self.ask_or_leave(ask, now).await;
        self.stats.asked(&self.series, &answer, now.elapsed());
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
