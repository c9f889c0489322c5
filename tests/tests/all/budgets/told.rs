//! Limits that are nearly used up, through a whole gateway: each threshold once, in the log, the counter and a webhook that
//! fails at first; and `GET /budgets`.

use jackfield_tests::gateway::Setup;
use jackfield_tests::soon;
use jackfield_tests::upstream::{Answer, Match, Upstream, openai};
use serde_json::{Value, json};

use super::home::budgets;
use super::{ANSWER, body, shown, yaml};
use crate::admin::ask;
use crate::world::PROVIDER_KEY;

const HOOK: &str = "/alerts";

/// The thresholds that the hook was told of, in order, each try.
async fn told(upstream: &Upstream, count: usize) -> Vec<Value> {
    let told = async {
        loop {
            let all = upstream.requests();
            let told: Vec<Value> =
                all.iter().filter(|sent| sent.path == HOOK).map(|sent| sent.json()).collect();
            if told.len() >= count {
                return told;
            }
            tokio::task::yield_now().await;
        }
    };
    soon("the webhook to be told", told).await
}

#[tokio::test]
async fn every_threshold_is_told_once_by_a_webhook_that_fails_at_first() {
    let upstream = Upstream::start().await;
    upstream.always(openai::chat("fine"));
    upstream.push_for(&Match::path(HOOK), Answer::status(502));
    upstream.always_for(&Match::path(HOOK), Answer::status(204));
    let orchestrator = format!(
        "  budgets: {{ daily_limit_usd: {}, alert_threshold: [0.5, 0.1, 20%], alerts: {{ webhook: \"http://{}{HOOK}\" }} }}",
        shown(5 * ANSWER),
        upstream.address()
    );
    let yaml = format!(
        "{}\nproviders: {{ up: {{ kind: openai, base_url: \"{}\", api_key: \"${{KEY}}\" }} }}\nplugins: {{ dir: /nonexistent }}\n",
        yaml(&orchestrator),
        upstream.base_url()
    );
    let gateway = Setup::yaml(&yaml).env("KEY", PROVIDER_KEY).start().await;
    let thresholds =
        |told: &[Value]| -> Vec<f64> { told.iter().map(|one| one["threshold"].as_f64().unwrap()).collect() };

    // A fifth of it passes two; the first is told again.
    assert_eq!(gateway.chat(body(&json!({}))).await.status, 200);
    let first = told(&upstream, 3).await;
    assert_eq!(thresholds(&first), [0.1, 0.1, 0.2]);
    assert_eq!(first[0], first[1]);
    assert_eq!((&first[2]["spent"], &first[2]["scope"]), (&json!(0.000_081), &json!("global")), "{first:?}");
    assert!(first[2]["text"].as_str().unwrap().contains("has reached 20%: $0.000081 spent"), "{first:?}");
    for _ in 0..2 {
        assert_eq!(gateway.chat(body(&json!({}))).await.status, 200);
    }
    assert_eq!(thresholds(&told(&upstream, 4).await), [0.1, 0.1, 0.2, 0.5]);
    let metrics = ask(&gateway, "GET", "/metrics").await.text();
    let counted = r#"jackfield_budget_alerts_total{scope="global",window="daily",unit="usd"} 3"#;
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");

    let shown = budgets(&gateway).await;
    let limit = &shown["budgets"][0];
    let resets_at = limit["resets_at"].as_str().unwrap();
    assert!(resets_at.ends_with("T00:00:00Z"), "{shown}");
    assert_eq!(
        shown,
        json!({ "state": null, "budgets": [{
            "scope": "global", "name": null, "window": "daily", "unit": "usd", "limit": 0.000_405, "spent": 0.000_243,
            "reserved": 0.0, "left": 0.000_162, "resets_at": resets_at,
        }] })
    );
}
