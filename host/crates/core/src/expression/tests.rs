//! The room as a whole.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

fn scope() -> Scope {
    let mut scope = Scope::new();
    scope.insert(
        "input",
        json!({ "guests": 12, "name": "Ada", "big": 18_446_744_073_709_551_615_u64, "ratio": 0.5 }),
    );
    scope.insert_output("plan", json!({ "steps": [{ "id": "a", "complexity": "high" }, { "id": "b" }] }));
    scope
}

fn value(text: &str) -> Value {
    Expression::parse(text).unwrap_or_else(|f| panic!("{text}: {f:?}")).evaluate(&scope()).unwrap()
}

#[test]
fn expressions_give_what_they_say() {
    let rows = [
        ("plan.output.steps[0].id", json!("a")),
        ("size(plan.output.steps) == 2 && input.guests > 10.5", json!(true)),
        ("plan.output.steps.map(s, s.id).join(', ')", json!("a, b")),
    ];
    for (text, want) in rows {
        assert_eq!(value(text), want, "{text}");
    }
    let mut inner = Scope::inside(Arc::new(scope()));
    inner.insert("item", json!(1));
    assert_eq!(Expression::parse("item + input.guests").unwrap().evaluate(&inner).unwrap(), json!(13));
}
