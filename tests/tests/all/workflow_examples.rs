//! The lab's workflows, from the files that ship: each runs on its simulated models, and its output is what its pattern is for.

use jackfield_tests::gateway::{Gateway, Setup};
use serde_json::{Value, json};

async fn start(name: &str) -> Gateway {
    let file = format!("{}/../config/examples/workflow-{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    Setup::yaml(&std::fs::read_to_string(file).unwrap()).start().await
}

/// A file, a workflow of it, its input; places in the output and what is there.
type Row<'a> = (&'a str, &'a str, &'a Value, &'a [(&'a str, Value)]);

async fn run(gateway: &Gateway, name: &str, input: Value) -> Value {
    let reply = gateway.post_json(&format!("/v1/workflows/{name}/runs"), &json!({ "input": input })).await;
    assert_eq!(reply.status, 200, "{name}: {}", reply.text());
    let record = reply.json();
    assert_eq!(record["status"], "succeeded", "{name}: {record:#}");
    record["output"].clone()
}

#[tokio::test]
async fn the_labs_workflows_run_as_they_ship() {
    let order = json!({ "order": { "event": "wedding", "guests": 80 } });
    let recipes = json!({ "guests": 80, "recipes": [{ "name": "soup" }, { "name": "stew" }, { "name": "tart" }, { "name": "bread" }] });
    let rows: [Row<'_>; 6] = [
        (
            "catering",
            "process_catering_order",
            &order,
            &[
                ("/plan/0/id", json!("menu")),
                ("/plan/1/complexity", json!("low")),
                ("/results/3", Value::Null),
            ],
        ),
        (
            "hierarchical-planning",
            "hierarchical_planning",
            &json!({ "event": { "kind": "gala", "guests": 200 } }),
            &[(
                "/strategic_overview",
                json!("A seated dinner in three courses, most of it prepared the day before."),
            )],
        ),
        (
            "refinement",
            "generate_catering_plan",
            &order,
            &[("", json!("Plan 2: the menu, the staff, and a timeline back from service."))],
        ),
        (
            "refinement",
            "progressive_detail",
            &order,
            &[("/details/0", Value::Null), ("/sketch/1/title", json!("Timeline"))],
        ),
        ("recipe-scaling", "process_recipes", &recipes, &[("/servings", json!([80, 80, 80, 80]))]),
        (
            "recipe-scaling",
            "process_recipes_in_batches",
            &recipes,
            &[("/3/servings", json!(80)), ("/4", Value::Null)],
        ),
    ];
    for (name, workflow, input, wanted) in rows {
        let gateway = start(name).await;
        let output = run(&gateway, workflow, input.clone()).await;
        for (place, want) in wanted {
            let got = output.pointer(place).unwrap_or(&Value::Null);
            assert_eq!(got, want, "{workflow}: {place} of {output:#}");
        }
        gateway.stop().await;
    }
}

/// Each step of the plan is done by the model that its complexity asks for, and knows what those before it gave.
#[tokio::test]
async fn a_plan_is_executed_by_the_models_it_asks_for() {
    let gateway = start("catering").await;
    let output = run(&gateway, "process_catering_order", json!({ "order": { "event": "wedding" } })).await;
    let said = |index: usize| output["results"][index].as_str().unwrap().to_owned();
    for (index, model) in ["planner", "efficient", "planner"].into_iter().enumerate() {
        assert!(said(index).starts_with(&format!("[simulated {model}]")), "{output:#}");
    }
    gateway.stop().await;
}
