//! `workflows:` as it takes effect.

use serde_json::json;

use crate::base::NanoUsd;
use crate::config::{Call, InputKind, OnDisconnect, Step, StepFailure, StepOutput, Until};

use super::*;

/// A provider, two models and two routes for the tests' workflows.
const BASE: &str = "providers: { sim: { kind: simulated } }
models: { small: { provider: sim }, large: { provider: sim } }
orchestrator:
  routes:
    - { task: scale, model: small, template: \"Scale: ${input}\", result: json, schema: { type: object, properties: { servings: { type: integer } } } }
    - { task: format, model: small }
workflows:
";

fn workflow(text: &str) -> std::sync::Arc<crate::config::Workflow> {
    let config = parse(&format!("{BASE}{text}")).unwrap_or_else(|report| panic!("{report}"));
    config.workflows().values().next().unwrap().clone()
}

#[test]
fn the_seeds_workflow_loads_as_it_is() {
    let seed = include_str!("../../../tests-data/config/seed-workflow.yaml");
    let config = parse(seed).unwrap();
    let workflow = &config.workflows()["feature_implementation"];
    let [plan, code, review] = &workflow.steps[..] else { panic!("{workflow:?}") };
    assert_eq!(plan.call, Call::Model("claude-3-opus".into()));
    // The seed's plan says nothing of what is to be planned: it gets the run's input.
    let asks = |step: &Step| step.input.as_ref().unwrap().expressions()[0].expression.as_str().to_owned();
    assert_eq!([asks(plan), asks(code), asks(review)], ["input", "plan.output", "code.output"]);
    assert_eq!([&plan.needs[..], &code.needs[..], &review.needs[..]], [&[][..], &[0], &[1]]);
    assert_eq!(workflow.output, None);
    // Named in a step, a well-known model brings its provider, as in a route.
    for provider in ["anthropic", "deepseek", "openai"] {
        assert!(config.providers().contains_key(provider), "{provider}");
    }
}

#[test]
fn every_key_of_a_step_takes_effect() {
    let text = r#"  all:
    description: All of it.
    inputs:
      order: { type: object, description: what was ordered }
      guests: { type: integer, default: 10 }
    budget_usd: 0.123456789
    timeout: 90s
    on_error: continue
    max_parallel: 3
    on_disconnect: detach
    output: { plan: "${plan.output}", note: "for ${input.guests}, $${literally}" }
    steps:
      - name: plan
        model: large
        system: Be brief.
        prompt: "Plan ${input.order}"
        output: json
        schema: { type: object, properties: { steps: { type: array, items: { type: object, properties: { id: {}, complexity: {} } } } } }
        reasoning: high
        temperature: 0.2
        max_tokens: 2000
        validators: [not_empty]
        fallback: [small, task/format]
      - name: execute
        choose: { on: "${step.complexity}", cases: { high: large, low: task/format }, else: small }
        foreach: ${plan.output.steps}
        as: step
        sequential: true
        when: step.complexity != "none"
        input: { step: "${step}", before: "${results}" }
      - name: scaled
        task: scale
        foreach: plan.output.steps
        max_parallel: 2
      - name: batched
        model: small
        prompt: Convert.
        foreach: ${plan.output.steps}
        batch: 5
        output: json
      - name: better
        model: large
        prompt: Write it.
        input: ${execute.output}
        repeat:
          max_iterations: 3
          evaluate: { model: small, prompt: "Judge ${output} for ${request}", schema: { type: object } }
          until: ${evaluation.quality_score > 0.9}
          score: evaluation.quality_score
      - name: detailed
        router: urgent-router
        needs: [better]
        prompt: "Sketch."
        refine: { when: size(output) < 100, model: large, prompt: "More: ${output}" }
      - name: checked
        model: small
        template: "All of ${plan.output.steps[0].id}"
        repeat: { max_iterations: 1, until: { validator: { max_length: 10 }, score: 1 } }
"#;
    let workflow = workflow(text);
    assert_eq!(workflow.budget, Some(NanoUsd::new(123_456_789)));
    assert_eq!(workflow.timeout.as_secs(), 90);
    assert_eq!((workflow.on_error, workflow.max_parallel), (StepFailure::Continue, 3));
    assert_eq!(workflow.on_disconnect, OnDisconnect::Detach);
    assert_eq!(workflow.inputs["order"].kind, InputKind::Object);
    assert!(workflow.inputs["order"].required && !workflow.inputs["guests"].required);
    let step = |name: &str| workflow.step(name).unwrap();
    let plan = step("plan");
    assert!(matches!(&plan.output, StepOutput::Json { schema: Some(_) }));
    assert!(plan.overrides.answer_format.is_some() && plan.input.is_none());
    assert_eq!((plan.validators.len(), plan.fallback.len()), (1, 2));
    let execute = step("execute").foreach.as_ref().unwrap();
    assert_eq!((&*execute.variable, execute.max_parallel, execute.sequential), ("step", 1, true));
    let Call::Choose(choose) = &step("execute").call else { panic!() };
    assert_eq!(choose.pick(&json!("high")), &Call::Model("large".into()));
    assert_eq!(choose.pick(&json!("low")), &Call::Task("format".into()));
    assert_eq!(choose.pick(&json!(7)), &Call::Model("small".into()));
    // A task's answer is what its route says; an item that the prompt does not mention follows it.
    let scaled = step("scaled");
    assert!(matches!(&scaled.output, StepOutput::Json { schema: Some(_) }));
    assert_eq!(scaled.input.as_ref().unwrap().expressions()[0].expression.as_str(), "item");
    assert_eq!(scaled.foreach.as_ref().unwrap().max_parallel, 2);
    assert_eq!(step("batched").foreach.as_ref().unwrap().batch, Some(5));
    let repeat = step("better").repeat.as_ref().unwrap();
    assert!(matches!(repeat.until, Until::Expression(_)) && repeat.score.is_some());
    assert!(repeat.improve.prompt.expressions().iter().any(|e| e.expression.as_str() == "evaluation"));
    let detailed = step("detailed");
    assert_eq!(detailed.call, Call::Router("urgent-router".into()));
    assert!(detailed.refine.is_some() && detailed.input.is_none(), "what needs another step gets no input");
    let Until::Validator { score, .. } = &step("checked").repeat.as_ref().unwrap().until else { panic!() };
    assert_eq!(*score, Some(1.0));
    let needs: Vec<&[usize]> = workflow.steps.iter().map(|step| &step.needs[..]).collect();
    assert_eq!(needs, [&[][..], &[0], &[0], &[0], &[1], &[4], &[0]]);
}

#[test]
fn a_definition_has_a_digest_with_all_that_it_nests() {
    let two = |prompt: &str| {
        let text = format!(
            "{BASE}  outer: {{ steps: [{{ name: a, workflow: inner }}] }}\n  inner: {{ steps: [{{ name: b, model: small, prompt: {prompt} }}] }}\n"
        );
        parse(&text).unwrap()
    };
    let (one, same, other) = (two("x"), two("x"), two("y"));
    assert_eq!(one.workflows()["outer"].digest, same.workflows()["outer"].digest);
    assert_ne!(one.workflows()["outer"].digest, other.workflows()["outer"].digest);
    assert_ne!(one.workflows()["outer"].digest, one.workflows()["inner"].digest);
}

#[test]
fn the_environment_does_not_reach_into_a_workflow() {
    let text = format!(
        "{BASE}  w: {{ steps: [{{ name: a, model: small, system: \"${{input}}\", prompt: \"$${{HOME}}\" }}] }}\n"
    );
    let config = with(&text, &[("input", "leaked"), ("HOME", "leaked")]).unwrap();
    let shown = config.show().unwrap();
    assert!(shown.contains("${input}") && !shown.contains("leaked"), "{shown}");
    // What is shown loads again, as the same.
    let again = with(&shown, &[]).unwrap_or_else(|report| panic!("{report}\n{shown}"));
    assert_eq!(again.workflows()["w"].steps, config.workflows()["w"].steps);
}

#[test]
fn a_plugin_that_only_a_step_names_is_a_validator() {
    let text = format!(
        "{BASE}  w: {{ steps: [{{ name: a, model: small, prompt: x, validators: [polite], repeat: {{ max_iterations: 1, until: {{ validator: judge }} }} }}] }}\nplugins: {{ settings: {{ polite: {{ on_error: reject }}, judge: {{ on_error: reject }} }} }}\n"
    );
    let config = parse(&text).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(config.orchestrator().validator_names(), ["judge", "polite"]);
}

#[test]
fn a_simulation_says_what_its_first_fitting_reply_says() {
    let text = "providers: { sim: { kind: simulated, replies: [{ model: a, contains: plan, text: one }, { contains: plan, text: two }, { model: b, text: three }] } }";
    let config = parse(text).unwrap();
    let crate::config::ProviderKind::Simulated(sim) = config.providers()["sim"].kind() else { panic!() };
    let said = [("a", "a plan"), ("b", "a plan"), ("b", "x"), ("a", "x")].map(|(id, ask)| sim.reply(id, ask));
    assert_eq!(said, [Some("one"), Some("two"), Some("three"), None]);
    let shown = config.show().unwrap();
    assert_eq!(parse(&shown).unwrap().show().unwrap(), shown);
}
