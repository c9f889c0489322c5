//! The adapter as the host calls it, on a played host.

use std::cell::{Cell, OnceCell};
use std::thread::LocalKey;

use super::{Component, Plugin, Router, Validator};
use crate::bindings::imports::jackfield::plugin::types::PluginError;
use crate::bindings::lifecycle::exports::jackfield::plugin::lifecycle::Guest as _;
use crate::bindings::routing::exports::jackfield::plugin::routing::Guest as _;
use crate::bindings::validation::exports::jackfield::plugin::validation::Guest as _;
use crate::testing::Host;
use crate::{Decision, Error, Request, Response, Routing, Validation, Verdict, config};

thread_local! {
    static READS: Cell<u32> = const { Cell::new(0) };
    static KEPT: OnceCell<Limits> = const { OnceCell::new() };
}

#[derive(serde::Deserialize)]
struct Limits {
    least: usize,
}

struct Example;

impl Plugin for Example {
    const NAME: &'static str = "example";
    const VERSION: &'static str = "1.2.3";
    const DESCRIPTION: &'static str = "for tests";
    type Config = Limits;

    fn decode(json: &str) -> Result<Limits, Error> {
        READS.set(READS.get() + 1);
        config::decode(json)
    }

    fn kept() -> &'static LocalKey<OnceCell<Limits>> {
        &KEPT
    }
}

impl Router for Example {
    fn route(request: &Request, config: &Limits) -> Result<Routing, Error> {
        Ok(if request.prompt().len() < config.least { Routing::abstain() } else { Routing::to("a") })
    }
}

impl Validator for Example {
    fn validate(_: &Request, response: &Response, config: &Limits) -> Result<Validation, Error> {
        let long = response.text().len() >= config.least;
        Ok(if long { Validation::accept() } else { Validation::reject("too short") })
    }
}

fn host(config: &str) -> Host {
    Host::new().prompt("hello").answer("hi").config(config)
}

#[test]
fn settings_are_read_once_an_instance() {
    let host = host(r#"{"least": 3}"#);
    for _ in 0..3 {
        let routing = host.run(|request| Component::<Example>::route((**request).clone()));
        assert_eq!(routing.expect("no failure").decision, Decision::route(["a"]));
    }
    let validation = host
        .judge(|request, response| Component::<Example>::validate((**request).clone(), (**response).clone()));
    assert_eq!(validation.expect("no failure").verdict, Verdict::Reject(vec!["too short".into()]));
    assert_eq!(READS.get(), 1);
}

#[test]
fn settings_that_do_not_fit_fail_the_call_and_the_check_alike() {
    let wrong = r#"{"least": "three"}"#;
    let expected = PluginError::InvalidConfig("least: expected usize, found the text `three`".into());
    let routed = host(wrong).run(|request| Component::<Example>::route((**request).clone()));
    assert_eq!(routed.err(), Some(expected.clone()));
    assert_eq!(Component::<Example>::check_config(wrong.into()).err(), Some(expected));
}

#[test]
fn the_check_says_who_the_plugin_is() {
    let info = Component::<Example>::check_config(r#"{"least": 1}"#.into()).expect("it fits");
    assert_eq!((info.name.as_str(), info.version.as_str()), ("example", "1.2.3"));
}

#[test]
fn a_plugin_without_settings_refuses_some() {
    for none in ["{}", " {} ", "null", ""] {
        assert_eq!(config::decode_nothing(none), Ok(()), "{none}");
    }
    assert!(config::decode_nothing(r#"{"a": 1}"#).is_err());
}
