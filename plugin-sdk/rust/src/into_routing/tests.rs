//! Every shape a router may return.

use super::IntoRouting;
use crate::{Decision, Error, Reasoning, RejectClass, Routing, Target};

fn models(returned: impl IntoRouting) -> Vec<String> {
    let routing = returned.into_routing().expect("no failure");
    routing.models().into_iter().map(ToOwned::to_owned).collect()
}

#[test]
fn names_and_targets_are_routes() {
    assert_eq!(models("a"), ["a"]);
    assert_eq!(models(String::from("a")), ["a"]);
    let name = String::from("a");
    assert_eq!(models(&name), ["a"]);
    assert_eq!(models(Target::model("a")), ["a"]);
    assert_eq!(models(["a", "b"]), ["a", "b"]);
    assert_eq!(models(vec![String::from("a"), String::from("b")]), ["a", "b"]);
    assert_eq!(models(vec![Target::model("a"), Target::model("b")]), ["a", "b"]);
    assert_eq!(models(Routing::to("a").or("b").or(Target::model("c"))), ["a", "b", "c"]);
}

#[test]
fn nothing_is_no_opinion() {
    for routing in [
        None::<&str>.into_routing(),
        Vec::<Target>::new().into_routing(),
        Ok::<_, Error>(None::<Target>).into_routing(),
        Decision::route(Vec::<&str>::new()).into_routing(),
    ] {
        assert_eq!(routing.map(|routing| routing.decision), Ok(Decision::Abstain));
    }
}

#[test]
fn a_failure_keeps_its_kind_and_any_other_error_is_internal() {
    let failed = Err::<&str, _>(Error::invalid_input("no")).into_routing();
    assert_eq!(failed, Err(Error::InvalidInput("no".into())));
    let failed = "x".parse::<u32>().map(|_| "a").into_routing();
    assert_eq!(failed, Err(Error::Internal("invalid digit found in string".into())));
}

#[test]
fn a_routing_carries_its_reason_and_labels() {
    let routing = Routing::reject(RejectClass::Forbidden, "not you").because("a rule").label("k", "v");
    assert_eq!(routing.decision, Decision::reject(RejectClass::Forbidden, "not you"));
    assert_eq!((routing.reason.as_str(), routing.labels.len()), ("a rule", 1));
    assert_eq!(Routing::abstain().or("a").models(), ["a"]);
}

#[test]
fn a_target_changes_only_what_it_is_told_to() {
    let target = Target::model("a").temperature(0.2).reasoning(Reasoning::High);
    assert_eq!((target.temperature, target.reasoning), (Some(0.2), Some(Reasoning::High)));
    assert_eq!((target.max_output_tokens, target.prompt_template), (None, None));
}
