//! Guest words to contract words and back. What comes from a guest is checked here, once.

use jackfield_core::base::{MAX_TEMPLATE, MAX_TEMPLATE_INPUTS, template_inputs};
use jackfield_core::contract::{
    self, Ask, Decision, Draft, FinishReason, Overrides, PluginFault, PluginFaultKind, ReasoningLevel,
    RejectClass, Routing, Target, Usage, Validation, Verdict,
};

use crate::bindings::jackfield::plugin::types as wit;

/// Bounds of what a guest may answer.
const MAX_TARGETS: usize = 16;
const MAX_REASON: usize = 1_024;
const MAX_LABELS: usize = 32;
const MAX_LABEL_NAME: usize = 64;
const MAX_LABEL_VALUE: usize = 1_024;
const MAX_MODEL_NAME: usize = 256;
const MAX_ISSUES: usize = 64;
const MAX_INSTRUCTION: usize = 64 << 10;

/// What a guest is told of a request.
pub(crate) fn summary(ask: &Ask) -> wit::RequestSummary {
    let facts = &ask.facts;
    let request = &facts.request;
    wit::RequestSummary {
        request_id: facts.id.to_string(),
        task: facts.task.clone(),
        requested_model: request.model.clone(),
        project: facts.caller.project.clone(),
        user: facts.caller.user.clone(),
        streaming: request.stream,
        message_count: u32::try_from(request.messages.len()).unwrap_or(u32::MAX),
        estimated_input_tokens: request.estimated_input_tokens(),
        max_output_tokens: request.max_output_tokens,
        has_tools: request.has_tools,
        has_images: request.has_images(),
        has_response_schema: request.has_response_schema,
        labels: ask.labels.to_vec(),
    }
}

/// What a guest decided. Nonsense is a fault that names it.
pub(crate) fn routing(routing: wit::Routing, ask: &Ask) -> Result<Routing, PluginFault> {
    let decision = match routing.decision {
        wit::Decision::Abstain => Decision::Abstain,
        wit::Decision::Respond(text) => Decision::Respond(text),
        wit::Decision::Reject(wit::Rejection { class, message }) => {
            let class = match class {
                wit::RejectClass::InvalidRequest => RejectClass::InvalidRequest,
                wit::RejectClass::Forbidden => RejectClass::Forbidden,
                wit::RejectClass::RateLimited => RejectClass::RateLimited,
                wit::RejectClass::Unavailable => RejectClass::Unavailable,
            };
            Decision::Reject { class, message: tame(&message, MAX_REASON) }
        }
        wit::Decision::Route(targets) => {
            if targets.is_empty() {
                return Err(nonsense("a route without a target"));
            }
            if targets.len() > MAX_TARGETS {
                return Err(nonsense(format!("{} targets; at most {MAX_TARGETS}", targets.len())));
            }
            Decision::Route(targets.into_iter().map(|t| target(t, ask)).collect::<Result<_, _>>()?)
        }
    };
    Ok(Routing { decision, reason: tame(&routing.reason, MAX_REASON), labels: labels(routing.labels)? })
}

/// What a guest is told of an answer.
pub(crate) fn response_summary(draft: &Draft) -> wit::ResponseSummary {
    let calls = draft.reply.choices.first().map_or(0, |choice| choice.tool_calls.len());
    wit::ResponseSummary {
        model: draft.model.clone(),
        attempt: draft.attempt,
        finish: finish(draft.finish()),
        text_length: draft.text().len() as u64,
        tool_call_count: u32::try_from(calls).unwrap_or(u32::MAX),
    }
}

/// Why a model stopped, in the guest's words.
pub(crate) fn finish(reason: Option<FinishReason>) -> wit::FinishReason {
    match reason {
        Some(FinishReason::Stop) => wit::FinishReason::Stop,
        Some(FinishReason::Length) => wit::FinishReason::Length,
        Some(FinishReason::ToolCalls) => wit::FinishReason::ToolCalls,
        Some(FinishReason::ContentFilter) => wit::FinishReason::ContentFilter,
        None => wit::FinishReason::Unknown,
    }
}

/// What a guest found. Nonsense is a fault that names it.
pub(crate) fn validation(validation: wit::Validation) -> Result<Validation, PluginFault> {
    let mut found = issues(validation.issues)?;
    let verdict = match validation.verdict {
        wit::Verdict::Accept => Verdict::Accept,
        wit::Verdict::Replace(text) => Verdict::Replace(text),
        wit::Verdict::Repair(instruction) => {
            if instruction.trim().is_empty() || instruction.len() > MAX_INSTRUCTION {
                let length = instruction.len();
                return Err(nonsense(format!(
                    "an instruction to repair of {length} bytes; 1 to {MAX_INSTRUCTION}"
                )));
            }
            Verdict::Repair(instruction)
        }
        wit::Verdict::Reject(why) => {
            found.extend(issues(why)?);
            Verdict::Reject
        }
    };
    if let Some(score) = validation.score
        && !(0.0..=1.0).contains(&score)
    {
        return Err(nonsense(format!("the score {score}; it must be 0 to 1")));
    }
    Ok(Validation { verdict, score: validation.score, issues: found, labels: labels(validation.labels)? })
}

/// A guest's issues, each on one line.
pub(crate) fn issues(issues: Vec<String>) -> Result<Vec<String>, PluginFault> {
    if issues.len() > MAX_ISSUES {
        return Err(nonsense(format!("{} issues; at most {MAX_ISSUES}", issues.len())));
    }
    Ok(issues.into_iter().map(|issue| tame(&issue, MAX_REASON)).collect())
}

/// What a guest says went wrong.
pub(crate) fn reported(error: &wit::PluginError) -> PluginFault {
    let (what, text) = match error {
        wit::PluginError::InvalidConfig(text) => ("its settings", text),
        wit::PluginError::InvalidInput(text) => ("its input", text),
        wit::PluginError::Internal(text) => ("itself", text),
    };
    let message = format!("the plugin blames {what}: {}", tame(text, MAX_REASON));
    PluginFault { kind: PluginFaultKind::Reported, message }
}

/// A guest's text made harmless: no control characters (a line feed would forge log lines and headers),
/// no more than `max` bytes.
pub(crate) fn tame(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        let c = if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
        if out.len() + c.len_utf8() > max {
            break;
        }
        out.push(c);
    }
    out
}

fn target(target: wit::Target, ask: &Ask) -> Result<Target, PluginFault> {
    let name = target.model;
    if name.len() > MAX_MODEL_NAME || !ask.view.knows(&name) {
        let shown = tame(&name, 64);
        let near = ask.view.nearest_models(&shown);
        let hint =
            if near.is_empty() { String::new() } else { format!("; the nearest are {}", near.join(", ")) };
        return Err(nonsense(format!("the model `{shown}`, which is not configured{hint}")));
    }
    if let Some(t) = target.temperature
        && !(0.0..=2.0).contains(&t)
    {
        return Err(nonsense(format!("the temperature {t} for `{name}`; it must be 0 to 2")));
    }
    if target.max_output_tokens == Some(0) {
        return Err(nonsense(format!("0 output tokens for `{name}`; at least 1")));
    }
    if let Some(template) = &target.prompt_template {
        if template.len() > MAX_TEMPLATE {
            return Err(nonsense(format!("a prompt template over {MAX_TEMPLATE} bytes for `{name}`")));
        }
        if template_inputs(template) > MAX_TEMPLATE_INPUTS {
            let most = MAX_TEMPLATE_INPUTS;
            return Err(nonsense(format!(
                "a prompt template with `${{input}}` more than {most} times for `{name}`"
            )));
        }
    }
    let overrides = Overrides {
        temperature: target.temperature,
        max_output_tokens: target.max_output_tokens,
        reasoning: target.reasoning.map(reasoning),
        prompt_template: target.prompt_template,
        // What an answer must be is the task's to say.
        answer_format: None,
    };
    Ok(Target { model: name, overrides, task: None })
}

/// What a call consumed, in the guest's words.
pub(crate) fn usage(usage: Usage) -> wit::TokenUsage {
    wit::TokenUsage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cached_input_tokens: usage.cached_input_tokens,
        reasoning_tokens: usage.reasoning_tokens,
    }
}

/// How much a model should think.
pub(crate) fn reasoning(level: wit::ReasoningLevel) -> ReasoningLevel {
    match level {
        wit::ReasoningLevel::None => ReasoningLevel::None,
        wit::ReasoningLevel::Minimal => ReasoningLevel::Minimal,
        wit::ReasoningLevel::Low => ReasoningLevel::Low,
        wit::ReasoningLevel::Medium => ReasoningLevel::Medium,
        wit::ReasoningLevel::High => ReasoningLevel::High,
    }
}

fn labels(labels: Vec<(String, String)>) -> Result<Vec<(String, String)>, contract::PluginFault> {
    if labels.len() > MAX_LABELS {
        return Err(nonsense(format!("{} labels; at most {MAX_LABELS}", labels.len())));
    }
    labels
        .into_iter()
        .map(|(name, value)| {
            let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b);
            if name.is_empty() || name.len() > MAX_LABEL_NAME || !name.bytes().all(legal) {
                return Err(nonsense(format!(
                    "the label name `{}`; see the contract's `label`",
                    tame(&name, 64)
                )));
            }
            Ok((name, tame(&value, MAX_LABEL_VALUE)))
        })
        .collect()
}

fn nonsense(what: impl std::fmt::Display) -> PluginFault {
    PluginFault { kind: PluginFaultKind::InvalidDecision, message: format!("the plugin answered {what}") }
}
