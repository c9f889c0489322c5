//! The rule against a played host.

use super::*;
use jackfield::testing::{Host, Model};

fn host() -> Host {
    Host::new()
        .prompt("hello")
        .model(Model::new("large").price(5.0, 25.0).context_window(200_000).can("tools").can("vision"))
        .model(Model::new("medium").price(1.0, 5.0).context_window(100_000).can("tools").tag("eu"))
        .model(Model::new("small").price(0.1, 0.4).context_window(8_000))
        .model(Model::new("unpriced").can("tools").can("vision"))
}

fn decide(host: &Host) -> Routing {
    host.run(|request| route(request, &Config::default()))
}

#[test]
fn the_cheapest_comes_first_and_the_others_stand_by() {
    let routing = decide(&host());
    assert_eq!(routing.models(), ["small", "medium", "large"]);
    // 2 input tokens at 0.1 and 500 output tokens at 0.4 dollars a million.
    assert_eq!(routing.reason, "small is the cheapest that takes 502 tokens: about 201 microdollars");
}

#[test]
fn abilities_are_needed() {
    assert_eq!(decide(&host().summary(|s| s.has_tools = true)).models(), ["medium", "large"]);
    assert_eq!(decide(&host().summary(|s| s.has_images = true)).models(), ["large"]);
}

#[test]
fn the_conversation_has_to_fit_with_its_answer() {
    assert_eq!(
        decide(&host().summary(|s| s.estimated_input_tokens = 7_500)).models(),
        ["small", "medium", "large"]
    );
    assert_eq!(decide(&host().summary(|s| s.estimated_input_tokens = 7_501)).models(), ["medium", "large"]);
    assert_eq!(decide(&host().summary(|s| s.max_output_tokens = Some(150_000))).models(), ["large"]);
}

#[test]
fn a_model_that_does_not_answer_is_left_out() {
    let host = host().model(Model::new("small").price(0.1, 0.4).unhealthy());
    assert_eq!(decide(&host).models(), ["medium", "large"]);
}

#[test]
fn a_tag_narrows_the_choice() {
    let config = Config { tag: Some("eu".into()), ..Config::default() };
    assert_eq!(host().run(|request| route(request, &config)).models(), ["medium"]);
}

#[test]
fn without_a_capable_model_the_next_rule_decides() {
    let routing = decide(&host().summary(|s| s.has_response_schema = true));
    assert_eq!(routing.decision, Decision::Abstain);
    assert_eq!(routing.reason, "no healthy model with a price takes 502 tokens, response_schema");
}
