//! `GET /metrics`: what is counted, and the states of this moment put beside it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response};

use jackfield_core::telemetry::metrics;

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
