//! The text as a scraper reads it, and that what is forgotten is gone.

use std::time::Duration;

use crate::base::NanoUsd;
use crate::contract::{FaultKind, PluginFaultKind, Usage};

use super::{ClosedRequest, Compared, Metrics, Outcome};

fn has(metrics: &Metrics, line: &str) {
    let text = metrics.encode();
    assert!(text.lines().any(|have| have == line), "no line `{line}` in\n{text}");
}

#[test]
fn requests_are_counted_by_outcome_and_reason_and_timed_in_seconds() {
    let metrics = Metrics::default();
    let over = |outcome, fault| ClosedRequest {
        outcome,
        fault,
        total: Duration::from_millis(20),
        overhead: Some(Duration::from_micros(60)),
        first_token: None,
    };
    for (outcome, fault) in [
        (Outcome::Answered, None),
        (Outcome::Failed, Some(FaultKind::RejectedForbidden)),
        (Outcome::Failed, Some(FaultKind::RejectedInvalid)),
        (Outcome::Refused, Some(FaultKind::MalformedBody)),
    ] {
        metrics.requests.closed(&over(outcome, fault));
    }
    has(&metrics, r#"jackfield_requests_total{outcome="answered",reason="none"} 1"#);
    // Two kinds, one reason: one counter.
    has(&metrics, r#"jackfield_requests_total{outcome="failed",reason="rejected_by_router"} 2"#);
    has(&metrics, r#"jackfield_requests_total{outcome="refused",reason="malformed_body"} 1"#);
    has(&metrics, "jackfield_request_duration_seconds_count 4");
    has(&metrics, "jackfield_request_duration_seconds_sum 0.08");
    has(&metrics, r#"jackfield_request_duration_seconds_bucket{le="0.01"} 0"#);
    has(&metrics, r#"jackfield_request_duration_seconds_bucket{le="0.025"} 4"#);
    has(&metrics, r#"jackfield_request_overhead_seconds_bucket{le="0.00005"} 0"#);
    has(&metrics, r#"jackfield_request_overhead_seconds_bucket{le="0.0001"} 4"#);
    has(&metrics, r#"jackfield_request_overhead_seconds_bucket{le="+Inf"} 4"#);
    has(&metrics, "jackfield_time_to_first_token_seconds_count 0");
    assert!(metrics.encode().ends_with("# EOF\n"));
}

#[test]
fn a_plugin_that_leaves_takes_its_series_along() {
    let metrics = Metrics::default();
    for name in ["a", "b"] {
        let series = metrics.plugins.of(name, false);
        series.answered(Duration::from_micros(80));
        series.failed(PluginFaultKind::Trap, Some(Duration::from_micros(80)));
        series.failed(PluginFaultKind::BreakerOpen, None);
        series.serves(3);
        series.looked_at(65_536, true);
        series.compared(Compared::Disagreed);
        series
            .asked_model("answered", Some(&Usage { input_tokens: 9, output_tokens: 2, ..Usage::default() }));
        series.asked_model("timed_out", None);
    }
    let canary = metrics.plugins.of("a", true);
    canary.answered(Duration::ZERO);
    has(&metrics, r#"jackfield_plugin_calls_total{plugin="a",canary="true",outcome="ok"} 1"#);
    metrics.plugins.forget("a", true);
    assert!(!metrics.encode().contains(r#"canary="true""#));
    for name in ["a", "b"] {
        has(
            &metrics,
            &format!(r#"jackfield_plugin_calls_total{{plugin="{name}",canary="false",outcome="ok"}} 1"#),
        );
        has(
            &metrics,
            &format!(r#"jackfield_plugin_calls_total{{plugin="{name}",canary="false",outcome="trap"}} 1"#),
        );
        has(
            &metrics,
            &format!(
                r#"jackfield_plugin_calls_total{{plugin="{name}",canary="false",outcome="breaker_open"}} 1"#
            ),
        );
        has(
            &metrics,
            &format!(r#"jackfield_plugin_call_duration_seconds_count{{plugin="{name}",canary="false"}} 2"#),
        );
        for (outcome, count) in [("answered", 1), ("timed_out", 1)] {
            let labels = format!(r#"{{plugin="{name}",canary="false",outcome="{outcome}"}}"#);
            has(&metrics, &format!("jackfield_plugin_llm_calls_total{labels} {count}"));
        }
        for (direction, count) in [("input", 9), ("output", 2)] {
            let labels = format!(r#"{{plugin="{name}",canary="false",direction="{direction}"}}"#);
            has(&metrics, &format!("jackfield_plugin_llm_tokens_total{labels} {count}"));
        }
        has(&metrics, &format!(r#"jackfield_shadow_total{{plugin="{name}",outcome="disagreed"}} 1"#));
        has(&metrics, &format!(r#"jackfield_shadow_total{{plugin="{name}",outcome="agreed"}} 0"#));
        has(&metrics, &format!(r#"jackfield_plugin_generation{{plugin="{name}",canary="false"}} 3"#));
        has(
            &metrics,
            &format!(r#"jackfield_plugin_peak_memory_bytes{{plugin="{name}",canary="false"}} 65536"#),
        );
        has(&metrics, &format!(r#"jackfield_plugin_breaker_open{{plugin="{name}",canary="false"}} 1"#));
    }
    let late = metrics.plugins.of("a", false);
    metrics.plugins.forget("a", false);
    // Told by somebody who has not heard yet.
    late.answered(Duration::ZERO);
    late.failed(PluginFaultKind::Trap, None);
    late.looked_at(1, false);
    late.asked_model("unclear", Some(&Usage { input_tokens: 1, ..Usage::default() }));
    metrics.plugins.forget("never there", true);
    let text = metrics.encode();
    assert!(!text.contains(r#"plugin="a""#) && text.contains(r#"plugin="b""#), "{text}");
    // One of that name that comes later begins at nothing.
    metrics.plugins.of("a", false).answered(Duration::ZERO);
    has(&metrics, r#"jackfield_plugin_calls_total{plugin="a",canary="false",outcome="ok"} 1"#);
}

#[test]
fn models_are_counted_at_their_providers_and_forgotten_with_the_configuration() {
    let metrics = Metrics::default();
    let (here, there) = (metrics.upstream.of("here", "m"), metrics.upstream.of("there", "m"));
    for series in [&here, &there] {
        series.answered();
        series.failed(FaultKind::UpstreamTimeout);
        let usage = Usage { input_tokens: 10, output_tokens: 3, ..Usage::default() };
        series.used(&usage, Some(NanoUsd::new(1_500_000)));
    }
    there.left();
    there.outrun();
    has(&metrics, r#"jackfield_upstream_calls_total{provider="here",model="m",outcome="ok"} 1"#);
    has(&metrics, r#"jackfield_upstream_calls_total{provider="there",model="m",outcome="client_left"} 1"#);
    has(&metrics, r#"jackfield_upstream_calls_total{provider="there",model="m",outcome="outrun"} 1"#);
    has(
        &metrics,
        r#"jackfield_upstream_calls_total{provider="there",model="m",outcome="upstream_timeout"} 1"#,
    );
    for provider in ["here", "there"] {
        let of = |rest: &str| format!(r#"{{provider="{provider}",model="m"{rest}}}"#);
        has(&metrics, &format!(r"jackfield_tokens_total{} 10", of(r#",direction="input""#)));
        has(&metrics, &format!(r"jackfield_tokens_total{} 3", of(r#",direction="output""#)));
        has(&metrics, &format!("jackfield_cost_usd_total{} 0.0015", of("")));
    }
    metrics.upstream.keep_only(|provider, _| provider == "there");
    let text = metrics.encode();
    assert!(!text.contains(r#"provider="here""#) && text.contains(r#"provider="there""#), "{text}");
    assert!(text.contains("jackfield_tokens_total{"), "{text}");
    metrics.upstream.keep_only(|_, _| false);
    assert!(!metrics.encode().contains(r#"model="m""#));
}
