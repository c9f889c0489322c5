//! `GET /metrics`: what is counted, and the states of this moment put beside it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response};

use jackfield_core::telemetry::metrics::{self, BudgetLabels};

use super::{Admin, LoadedCanary};

pub(super) async fn text(State(admin): State<Arc<Admin>>) -> Response<Body> {
    look(&admin);
    let mut response = Response::new(admin.metrics.encode().into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
    response
}

/// Puts in what is a state and not an event.
fn look(admin: &Admin) {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    admin.metrics.requests.in_flight.set(i64::from(admin.load.in_flight()));
    admin.metrics.plugins.queue_length.set(count(admin.engine.queued()));
    admin.metrics.plugins.running.set(count(admin.engine.running()));
    let kept = admin.world.load().store().cache().size();
    admin.metrics.cache.holds(kept.entries, kept.bytes, kept.evicted);
    if let Some(shared) = admin.world.load().store().shared_status() {
        let (up, failures) = ([shared.up, shared.answers_up], [shared.failures, shared.answers_failures]);
        admin.metrics.shared.looked_at(up, failures, shared.alone, shared.waiting);
    }
    let standing = admin.world.load().store().ledger().standing();
    admin.metrics.budgets.looked_at(standing.into_iter().map(|limit| {
        let labels = BudgetLabels {
            scope: limit.scope.kind(),
            name: limit.scope.name().unwrap_or("all").to_owned(),
            window: limit.window.name(),
            unit: limit.unit.name(),
        };
        let ratio = if limit.limit == 0 { 1.0 } else { limit.used as f64 / limit.limit as f64 };
        (labels, limit.unit.amount(limit.limit), ratio)
    }));
    admin.metrics.workflows.in_flight.set(count(admin.world.load().runs().under_way()));
    for plugin in &admin.roster.load().plugins {
        if let Some(loaded) = &plugin.loaded {
            loaded.series.looked_at(loaded.plugin.peak_memory(), loaded.breaker.has_opened());
        }
        if let Some(LoadedCanary { loaded, .. }) = &plugin.canary {
            loaded.series.looked_at(loaded.plugin.peak_memory(), loaded.breaker.has_opened());
        }
    }
}
