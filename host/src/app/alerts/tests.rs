//! A webhook that fails at first, and what it is told in the end.

use std::sync::Mutex;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use tokio::sync::Notify;

use jackfield_core::base::RequestId;
use jackfield_core::config::Config;
use jackfield_core::contract::{Caller, Usage};
use jackfield_store::Ask;

use super::*;
use crate::app::world_without_plugins;

#[derive(Default)]
struct Hook {
    told: Mutex<Vec<Value>>,
    taken: Notify,
}

/// Fails the first time.
async fn take(State(hook): State<Arc<Hook>>, body: String) -> StatusCode {
    let mut told = hook.told.lock().unwrap();
    told.push(serde_json::from_str(&body).unwrap());
    if told.len() == 1 {
        return StatusCode::BAD_GATEWAY;
    }
    hook.taken.notify_one();
    StatusCode::NO_CONTENT
}

#[tokio::test]
async fn a_webhook_is_told_until_it_takes_it_and_the_counter_counts_once() {
    let hook = Arc::<Hook>::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().route("/alerts", post(take)).with_state(Arc::clone(&hook));
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
    let yaml = format!(
        "orchestrator: {{ budgets: {{ daily_limit_tokens: 1k, alerts: {{ webhook: 'http://{address}/alerts' }} }} }}"
    );
    let config = Config::from_text("test.yaml", &yaml, &|_| None).unwrap();
    let world = Arc::new(ArcSwap::from_pointee(world_without_plugins(config).unwrap()));
    let metrics = Arc::<Metrics>::default();
    let telling = tokio::spawn(tell(Arc::clone(&world), Arc::clone(&metrics)));
    let caller = Caller::default();
    let held = world.load().store().ledger().reserve(Ask {
        request: RequestId::generate(),
        attempt: 1,
        caller: &caller,
        run: None,
        task: None,
        model: "m",
        provider: "p",
        simulated: true,
        price: None,
        input_tokens: 800,
        most_output: Some(50),
        streamed: false,
        hidden: false,
    });
    held.unwrap().settle(Usage { input_tokens: 800, output_tokens: 5, ..Usage::default() }).await.unwrap();
    hook.taken.notified().await;
    let told = hook.told.lock().unwrap().clone();
    assert_eq!((told.len(), &told[0]), (2, &told[1]));
    assert!(told[0]["resets_at"].as_str().is_some_and(|at| at.ends_with("T00:00:00Z")), "{told:?}");
    let mut told = told[0].clone();
    told.as_object_mut().unwrap().remove("resets_at");
    assert_eq!(
        told,
        json!({
            "type": "budget_alert", "scope": "global", "name": null, "window": "daily", "unit": "tokens",
            "threshold": 0.8, "limit": 1000.0, "spent": 805.0,
            "text": "the daily limit of 1000 tokens has reached 80%: 805 tokens spent",
        })
    );
    let counted = r#"jackfield_budget_alerts_total{scope="global",window="daily",unit="tokens"} 1"#;
    assert!(metrics.encode().lines().any(|line| line == counted), "{}", metrics.encode());
    telling.abort();
    serving.abort();
}
