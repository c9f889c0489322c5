//! Keys over a world in memory: two requests have one key exactly when nothing that matters differs.

use std::sync::Arc;

use jackfield_core::base::RequestId;
use jackfield_core::contract::{Caller, ReasoningLevel};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::pipeline::tests::{incoming, world};

fn facts(body: &Value) -> Facts {
    let mut request = incoming().request;
    request.body = JsonObject::parse(body.to_string().into()).unwrap();
    let headers = http::HeaderMap::new();
    Facts {
        id: RequestId::generate(),
        request,
        task: None,
        caller: Caller::default(),
        headers,
        run: None,
        step: None,
    }
}

fn key(world: &World, facts: &Facts, target: &Target) -> CacheKey {
    keys(world, facts, std::slice::from_ref(target), &[]).unwrap()[0].1
}

/// A body of fields that a client may send, labels among them.
fn bodies() -> impl Strategy<Value = Map<String, Value>> {
    const NAMES: [&str; 12] = [
        "messages",
        "model",
        "stream",
        "n",
        "seed",
        "stop",
        "x",
        "metadata",
        "user",
        "prompt_cache_key",
        "store",
        "response_format",
    ];
    let value = prop_oneof![
        (0..3).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
        prop::collection::vec((0..2).prop_map(Value::from), 0..3).prop_map(Value::from),
        prop::collection::btree_map("[ab]", 0..2, 0..3).prop_map(|members| json!(members)),
    ];
    let member = (prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned), value);
    prop::collection::vec(member, 0..5).prop_map(Map::from_iter)
}

/// What matters of a body.
fn matters(body: &Map<String, Value>) -> Map<String, Value> {
    let stored = body.get("store") == Some(&json!(true));
    let mut left = body.clone();
    left.retain(|name, _| {
        !ELSEWHERE.contains(&name.as_str()) && (stored || !LABELS.contains(&name.as_str()))
    });
    left
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_key_changes_with_every_field_that_matters_and_with_no_other(
        one in bodies(), other in bodies(), name in "[a-z]{1,3}", value in 0..3,
    ) {
        let world = world(Vec::new(), &Arc::default());
        let of = |body: &Map<String, Value>| key(&world, &facts(&json!(body)), &Target::model("one"));
        prop_assert_eq!(of(&one) == of(&other), matters(&one) == matters(&other), "{:?} {:?}", one, other);
        let mut more = one.clone();
        more.insert(name, json!(value));
        prop_assert_eq!(of(&one) == of(&more), matters(&one) == matters(&more), "{:?}", more);
    }
}

#[test]
fn a_key_changes_with_all_that_is_not_in_the_body() {
    let world = world(Vec::new(), &Arc::default());
    let plain = facts(&json!({ "messages": [] }));
    let target = Target::model("one");
    let mut all = vec![key(&world, &plain, &target), key(&world, &plain, &Target::model("two"))];
    let changed = |change: &dyn Fn(&mut Facts)| {
        let mut facts = facts(&json!({ "messages": [] }));
        change(&mut facts);
        key(&world, &facts, &target)
    };
    all.push(changed(&|facts| facts.request.stream = true));
    all.push(changed(&|facts| facts.request.dialect = jackfield_core::contract::Dialect::OpenAiResponses));
    all.push(changed(&|facts| facts.request.has_response_schema = true));
    all.push(changed(&|facts| facts.task = Some("t".into())));
    all.push(changed(&|facts| facts.caller.project = Some("p".into())));
    all.push(changed(&|facts| drop(facts.headers.insert("anthropic-beta", "x".parse().unwrap()))));
    all.push(changed(&|facts| drop(facts.headers.insert("anthropic-version", "x".parse().unwrap()))));
    let overridden = |change: &dyn Fn(&mut Target)| {
        let mut target = target.clone();
        change(&mut target);
        key(&world, &plain, &target)
    };
    all.push(overridden(&|target| target.task = Some("t".into())));
    all.push(overridden(&|target| target.overrides.temperature = Some(0.0)));
    all.push(overridden(&|target| target.overrides.temperature = Some(0.1)));
    all.push(overridden(&|target| target.overrides.max_output_tokens = Some(1)));
    all.push(overridden(&|target| target.overrides.reasoning = Some(ReasoningLevel::Low)));
    all.push(overridden(&|target| target.overrides.reasoning = Some(ReasoningLevel::High)));
    all.push(overridden(&|target| target.overrides.prompt_template = Some("${input}".into())));
    all.push(overridden(&|target| target.overrides.answer_format = Some(AnswerFormat::Json)));
    for (at, one) in all.iter().enumerate() {
        assert!(!all[at + 1..].contains(one), "{at}");
    }
    // By the default scope, a project's users share; who asks, and when, is nothing that matters.
    assert_eq!(all[0], changed(&|facts| facts.caller.user = Some("ana".into())));
    assert_eq!(all[0], changed(&|facts| drop(facts.headers.insert("user-agent", "x".parse().unwrap()))));
}
