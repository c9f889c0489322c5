//! The rule against a played host: no gateway, no WebAssembly.

use super::*;
use jackfield::testing::Host;

#[test]
fn an_urgent_prompt_goes_to_the_fast_model() {
    let routing = Host::new().prompt("urgent: the build is red").run(|r| route(r, &Config::default()));
    assert_eq!(routing.models(), ["fast-model"]);
    assert_eq!(routing.reason, "the prompt contains `urgent`");
}

#[test]
fn any_other_prompt_is_left_to_the_next_rule() {
    let routing = Host::new().prompt("take your time").run(|r| route(r, &Config::default()));
    assert_eq!(routing.decision, Decision::Abstain);
}

#[test]
fn any_other_prompt_goes_to_the_other_model_if_there_is_one() {
    let config = Config { otherwise: Some("smart-model".into()), ..Config::default() };
    let routing = Host::new().prompt("take your time").run(|r| route(r, &config));
    assert_eq!(routing.models(), ["smart-model"]);
    assert_eq!(routing.reason, "the prompt does not contain `urgent`");
}

#[test]
fn only_the_last_user_message_counts() {
    let host = Host::new().prompt("urgent").message("assistant", "done").prompt("thanks");
    assert_eq!(host.run(|r| route(r, &Config::default())).decision, Decision::Abstain);
}

#[test]
fn the_settings_come_from_the_host() {
    let host = Host::new().config(r#"{"keyword": "now", "model": "turbo"}"#).prompt("now!");
    let config: Config = host.run(|_| jackfield::config::read()).expect("the settings are sound");
    assert_eq!(host.run(|r| route(r, &config)).models(), ["turbo"]);
}

#[test]
fn a_misspelt_setting_is_refused_by_name() {
    let host = Host::new().config(r#"{"keywrod": "now"}"#);
    let error = host.run(|_| jackfield::config::read::<Config>()).err().expect("there is no such key");
    assert!(error.to_string().contains("keywrod"), "{error}");
}
