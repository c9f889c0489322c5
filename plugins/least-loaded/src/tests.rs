//! The rule against a played host.

use super::*;
use jackfield::testing::{Host, Model};

fn config() -> Config {
    Config { models: vec!["a".into(), "b".into(), "c".into()], ..Config::default() }
}

fn decide(host: &Host) -> Routing {
    host.run(|request| route(request, &config()))
}

#[test]
fn the_faster_one_comes_first() {
    let host =
        Host::new().model(Model::new("a").busy(0, 800.0, 900.0)).model(Model::new("b").busy(0, 300.0, 400.0));
    let routing = decide(&host);
    assert_eq!(routing.models(), ["b", "a"]);
    assert_eq!(routing.reason, "b is expected to answer soonest: in about 300 ms");
}

#[test]
fn a_crowd_outweighs_speed() {
    let host = Host::new()
        .model(Model::new("a").busy(40, 300.0, 400.0))
        .model(Model::new("b").busy(0, 800.0, 900.0));
    assert_eq!(decide(&host).models(), ["b", "a"]);
}

#[test]
fn a_failing_model_is_a_last_resort() {
    let host = Host::new()
        .model(Model::new("a").busy(0, 10.0, 20.0).error_rate(0.6))
        .model(Model::new("b").busy(9, 4_000.0, 9_000.0));
    assert_eq!(decide(&host).models(), ["b", "a"]);
}

#[test]
fn a_model_near_its_rate_limit_is_a_last_resort() {
    let host =
        Host::new().model(Model::new("a").live(|live| live.rate_limit_headroom = Some(0.01))).model("b");
    assert_eq!(decide(&host).models(), ["b", "a"]);
}

#[test]
fn a_stream_counts_from_its_first_token() {
    let slow_start = Model::new("a").busy(0, 500.0, 600.0).live(|live| live.first_token_p50_ms = Some(400.0));
    let slow_end = Model::new("b").busy(0, 900.0, 950.0).live(|live| live.first_token_p50_ms = Some(50.0));
    let host = Host::new().model(slow_start).model(slow_end);
    assert_eq!(decide(&host).models(), ["a", "b"]);
    assert_eq!(decide(&host.summary(|summary| summary.streaming = true)).models(), ["b", "a"]);
}

#[test]
fn models_that_do_not_answer_are_left_out() {
    let host = Host::new().model(Model::new("a").unhealthy()).model("c");
    assert_eq!(decide(&host).models(), ["c"]);
    assert_eq!(decide(&Host::new()).decision, Decision::Abstain);
}

#[test]
fn equals_keep_the_order_of_the_settings() {
    assert_eq!(decide(&Host::new().model("c").model("b").model("a")).models(), ["a", "b", "c"]);
}

#[test]
fn without_a_list_all_models_are_compared() {
    let host =
        Host::new().model(Model::new("x").busy(3, 900.0, 950.0)).model(Model::new("y").busy(0, 900.0, 950.0));
    assert_eq!(host.run(|request| route(request, &Config::default())).models(), ["y", "x"]);
}
