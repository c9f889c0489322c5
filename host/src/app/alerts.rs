//! The one task that tells of limits that are nearly used up: a line in the log, a counter, and the configured webhook.
//!
//! A webhook that fails is told again, waiting longer each time, `TRIES` times in all; then the next alert has its turn. What it
//! was not told waits in the state's file for the next start. Ends with serving.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::json;

use jackfield_core::telemetry::metrics::Metrics;
use jackfield_gateway::world::World;
use jackfield_provider::WebhookClient;
use jackfield_store::{Alert, show_time};

/// How often a webhook is told at most.
const TRIES: u32 = 8;
/// How long is waited after the first failure; twice as long after each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Tells every alert, until it is dropped.
pub(super) async fn tell(world: Arc<ArcSwap<World>>, metrics: Arc<Metrics>) {
    let store = Arc::clone(world.load().store());
    let mut client = None;
    loop {
        let alert = store.ledger().next_alert().await;
        let scope = alert.scope.to_string();
        let (window, unit) = (alert.window.name(), alert.unit.name());
        tracing::warn!(target: "jackfield::budget", scope, window, unit, threshold = share(&alert), "{alert}");
        metrics.host.alerted(alert.scope.kind(), window, unit);
        let world = world.load_full();
        let webhook = world.config().orchestrator().budgets().and_then(|budgets| budgets.webhook.clone());
        let Some(webhook) = webhook else {
            store.ledger().told(&alert);
            continue;
        };
        if client.is_none() {
            client = WebhookClient::build()
                .inspect_err(|error| {
                    tracing::error!(target: "jackfield::budget", error, "no webhook can be told");
                })
                .ok();
        }
        if let Some(client) = &client
            && post(client, webhook.expose(), &alert).await
        {
            store.ledger().told(&alert);
        }
    }
}

/// Whether the webhook took it.
async fn post(client: &WebhookClient, address: &str, alert: &Alert) -> bool {
    let body = body(alert).to_string();
    let mut wait = FIRST_WAIT;
    for tried in 1..=TRIES {
        let Err(error) = client.post(address, body.clone().into()).await else { return true };
        if tried == TRIES {
            tracing::error!(
                target: "jackfield::budget", error, tried,
                "the webhook of orchestrator.budgets.alerts was not told; the next start tries again where a state is kept"
            );
            return false;
        }
        tracing::warn!(target: "jackfield::budget", error, tried, again_in = ?wait, "the webhook was not told");
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    false
}

fn body(alert: &Alert) -> serde_json::Value {
    json!({
        "type": "budget_alert",
        "scope": alert.scope.kind(),
        "name": alert.scope.name(),
        "window": alert.window.name(),
        "unit": alert.unit.name(),
        "threshold": share(alert),
        "limit": alert.unit.amount(alert.limit),
        "spent": alert.unit.amount(alert.spent),
        "resets_at": show_time(alert.resets_at()),
        "text": alert.to_string(),
    })
}

fn share(alert: &Alert) -> f64 {
    f64::from(alert.threshold) / 1_000_000.0
}

#[cfg(test)]
mod tests;
