//! A request for Gemini, written from nobody's dialect.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use jackfield_core::contract::{Fault, ReasoningLevel};

use super::contents::{Content, contents};
use super::model::is_recent;
use crate::conversation::{Conversation, Format, Reasoning, ToolChoice};

/// The most texts that may end an answer.
const MAX_STOP: usize = 5;

/// Writes a request. Gives its bytes and what was left out.
///
/// # Errors
/// The client asked for something that this API has no word for, or told the result of a call that nobody made.
pub(super) fn compose(mut conversation: Conversation, model_id: &str) -> Result<(Bytes, Vec<String>), Fault> {
    let this = &mut conversation;
    if this.parallel_tool_calls == Some(false) && !this.tools.is_empty() {
        this.lacks("parallel_tool_calls")?;
    }
    if this.seed.is_some_and(|seed| i32::try_from(seed).is_err()) {
        this.lacks("seed")?;
    }
    if this.stop.len() > MAX_STOP {
        this.lacks("stop")?;
    }
    let mut dropped = std::mem::take(&mut this.dropped);
    if this.user.is_some() {
        dropped.push("user".to_owned());
    }
    if matches!(&this.format, Some(Format::JsonSchema { description: Some(_), .. })) {
        dropped.push("response_format.description".to_owned());
    }
    let this = &conversation;
    let (system_instruction, contents) = contents(&this.turns, is_recent(model_id))?;
    let out = Out {
        contents,
        system_instruction,
        tools: tools(this),
        tool_config: tool_config(this),
        generation_config: generation_config(this, model_id),
    };
    // Serialising plain structs of strings and numbers cannot fail.
    Ok((Bytes::from(serde_json::to_vec(&out).unwrap_or_default()), dropped))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Out<'a> {
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[OutTools<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<OutToolConfig<'a>>,
    #[serde(skip_serializing_if = "OutConfig::is_empty")]
    generation_config: OutConfig<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutTools<'a> {
    function_declarations: Vec<OutFunction<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutFunction<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a RawValue>,
}

fn tools(this: &Conversation) -> Option<[OutTools<'_>; 1]> {
    let all = this.tools.iter().map(|tool| OutFunction {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters_json_schema: tool.schema.as_deref(),
    });
    (!this.tools.is_empty()).then(|| [OutTools { function_declarations: all.collect() }])
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutToolConfig<'a> {
    function_calling_config: OutCalling<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutCalling<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'a str; 1]>,
}

/// `ANY` keeps to the schemas by itself; where the model may also answer in words, `VALIDATED` does.
fn tool_config(this: &Conversation) -> Option<OutToolConfig<'_>> {
    if this.tools.is_empty() {
        return None;
    }
    let strict = this.tools.iter().any(|tool| tool.strict == Some(true));
    let (mode, allowed_function_names) = match &this.tool_choice {
        None | Some(ToolChoice::Auto) if strict => ("VALIDATED", None),
        None => return None,
        Some(ToolChoice::Auto) => ("AUTO", None),
        Some(ToolChoice::None) => ("NONE", None),
        Some(ToolChoice::Required) => ("ANY", None),
        Some(ToolChoice::Named(name)) => ("ANY", Some([name.as_str()])),
    };
    Some(OutToolConfig { function_calling_config: OutCalling { mode, allowed_function_names } })
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<OutThinking>,
}

impl OutConfig<'_> {
    fn is_empty(&self) -> bool {
        let Self {
            temperature,
            top_p,
            top_k,
            candidate_count,
            max_output_tokens,
            stop_sequences,
            presence_penalty,
            frequency_penalty,
            seed,
            response_mime_type,
            response_json_schema,
            thinking_config,
        } = self;
        let numbers = [temperature, top_p, presence_penalty, frequency_penalty];
        let counts = [top_k, candidate_count, max_output_tokens];
        numbers.iter().all(|n| n.is_none())
            && counts.iter().all(|n| n.is_none())
            && stop_sequences.is_empty()
            && seed.is_none()
            && response_mime_type.is_none()
            && response_json_schema.is_none()
            && thinking_config.is_none()
    }
}

fn generation_config<'a>(this: &'a Conversation, model_id: &str) -> OutConfig<'a> {
    let response_json_schema = match &this.format {
        Some(Format::JsonSchema { schema, .. }) => Some(&**schema),
        Some(Format::JsonObject) | None => None,
    };
    OutConfig {
        temperature: this.temperature,
        top_p: this.top_p,
        top_k: this.top_k,
        candidate_count: this.choices,
        max_output_tokens: this.max_output_tokens,
        stop_sequences: &this.stop,
        presence_penalty: this.presence_penalty,
        frequency_penalty: this.frequency_penalty,
        seed: this.seed,
        response_mime_type: this.format.is_some().then_some("application/json"),
        response_json_schema,
        thinking_config: this.reasoning.map(|reasoning| OutThinking::of(reasoning, model_id)),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum OutThinking {
    ThinkingBudget(u64),
    ThinkingLevel(&'static str),
}

impl OutThinking {
    fn of(reasoning: Reasoning, model_id: &str) -> Self {
        match reasoning {
            Reasoning::Level(level) if is_recent(model_id) => Self::ThinkingLevel(match level {
                // The least there is: recent models always think, and `MINIMAL` is documented as their not thinking.
                ReasoningLevel::None | ReasoningLevel::Minimal => "MINIMAL",
                ReasoningLevel::Low => "LOW",
                ReasoningLevel::Medium => "MEDIUM",
                ReasoningLevel::High => "HIGH",
            }),
            other => Self::ThinkingBudget(other.budget()),
        }
    }
}

#[cfg(test)]
mod tests;
