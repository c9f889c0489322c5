//! Decisions in words and as JSON, the same in `route` and `plugin run`.

use serde_json::{Map, Value, json};

use jackfield_core::base::excerpt;
use jackfield_core::contract::{AnswerFormat, Decision, Overrides, RejectClass, Target};

/// What is shown of a template, in characters.
const MAX_TEMPLATE: usize = 40;

/// What a rule changes of the client's request, as `temperature 0.3, max_tokens 500`; empty when nothing.
pub(super) fn overrides(of: &Overrides) -> String {
    let Overrides { temperature, max_output_tokens, reasoning, prompt_template, answer_format: _ } = of;
    let parts = [
        temperature.map(|t| format!("temperature {t}")),
        max_output_tokens.map(|n| format!("max_tokens {n}")),
        reasoning.map(|level| format!("reasoning {}", level.name())),
        prompt_template.as_ref().map(|text| format!("template {:?}", shortened(text))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn shortened(template: &str) -> String {
    let line = template.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = excerpt(&line, MAX_TEMPLATE);
    if shown.len() < line.len() { format!("{shown}…") } else { shown }
}

/// A target and its overrides; what is not overridden is left out.
pub(super) fn target_json(target: &Target) -> Map<String, Value> {
    let Overrides { temperature, max_output_tokens, reasoning, prompt_template, answer_format } =
        &target.overrides;
    let schema = match answer_format {
        Some(AnswerFormat::Schema(schema)) => Some(schema.source().clone()),
        Some(AnswerFormat::Json) | None => None,
    };
    let fields = [
        ("model", Some(json!(target.model))),
        ("temperature", temperature.map(|t| json!(t))),
        ("max_tokens", max_output_tokens.map(|n| json!(n))),
        ("reasoning", reasoning.map(|level| json!(level.name()))),
        ("template", prompt_template.as_ref().map(|text| json!(text))),
        ("task", target.task.as_ref().map(|task| json!(task))),
        ("result", answer_format.as_ref().map(|_| json!("json"))),
        ("schema", schema),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A router's decision in one line.
pub(super) fn decision(decision: &Decision) -> String {
    match decision {
        Decision::Abstain => "abstain: the next rule decides".to_owned(),
        Decision::Respond(text) => format!("respond: {text:?}"),
        Decision::Reject { class, message } => format!("reject ({}): {message}", class_name(*class)),
        Decision::Route(targets) => {
            let target = |target: &Target| match overrides(&target.overrides) {
                changes if changes.is_empty() => target.model.clone(),
                changes => format!("{} ({changes})", target.model),
            };
            format!("route to {}", targets.iter().map(target).collect::<Vec<_>>().join(", else "))
        }
    }
}

/// A router's decision, by its kind.
pub(super) fn decision_json(decision: &Decision) -> Value {
    match decision {
        Decision::Abstain => json!({ "kind": "abstain" }),
        Decision::Respond(text) => json!({ "kind": "respond", "text": text }),
        Decision::Reject { class, message } => {
            json!({ "kind": "reject", "class": class_name(*class), "message": message })
        }
        Decision::Route(targets) => {
            json!({ "kind": "route", "targets": targets.iter().map(target_json).collect::<Vec<_>>() })
        }
    }
}

/// The class as the contract's `reject-class` spells it.
pub(super) fn class_name(class: RejectClass) -> &'static str {
    match class {
        RejectClass::InvalidRequest => "invalid-request",
        RejectClass::Forbidden => "forbidden",
        RejectClass::RateLimited => "rate-limited",
        RejectClass::Unavailable => "unavailable",
    }
}

#[cfg(test)]
mod tests {
    use jackfield_core::contract::ReasoningLevel;

    use super::*;

    #[test]
    fn a_decision_reads_the_same_in_both_forms() {
        let overrides = Overrides {
            temperature: Some(0.5),
            max_output_tokens: Some(9),
            reasoning: Some(ReasoningLevel::Low),
            prompt_template: Some("${input}!".into()),
            answer_format: None,
        };
        let targets = vec![Target { overrides, ..Target::model("a") }, Target::model("b")];
        let reject = Decision::Reject { class: RejectClass::RateLimited, message: "later".into() };
        for (what, text, value) in [
            (Decision::Abstain, "abstain: the next rule decides", json!({ "kind": "abstain" })),
            (Decision::Respond("hi".into()), "respond: \"hi\"", json!({ "kind": "respond", "text": "hi" })),
            (
                reject,
                "reject (rate-limited): later",
                json!({ "kind": "reject", "class": "rate-limited", "message": "later" }),
            ),
            (
                Decision::Route(targets),
                "route to a (temperature 0.5, max_tokens 9, reasoning low, template \"${input}!\"), else b",
                json!({ "kind": "route", "targets": [
                    { "model": "a", "temperature": 0.5, "max_tokens": 9, "reasoning": "low", "template": "${input}!" },
                    { "model": "b" },
                ] }),
            ),
        ] {
            assert_eq!((decision(&what).as_str(), decision_json(&what)), (text, value));
        }
    }
}
