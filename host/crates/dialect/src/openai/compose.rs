//! A chat completion request written from nobody's dialect, for clients that speak another API.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use jackfield_core::contract::{Fault, Role};

use super::reply::{OutFunction, OutToolCall};
use super::rewrite::token_limit_field;
use crate::conversation::{Block, Conversation, Format, Image, ToolChoice, texts};

/// Writes a request. Gives its bytes and what was left out.
///
/// # Errors
/// The client asked for something that this API has no word for.
pub(super) fn compose(mut conversation: Conversation, model_id: &str) -> Result<(Bytes, Vec<String>), Fault> {
    if conversation.top_k.is_some() {
        conversation.lacks("top_k")?;
    }
    let failed = |block: &Block| matches!(block, Block::ToolResult { failed: true, .. });
    if conversation.turns.iter().flat_map(|turn| &turn.blocks).any(failed) {
        // The API has no mark for it; what the result says is said.
        conversation.dropped.push("is_error".to_owned());
    }
    let dropped = std::mem::take(&mut conversation.dropped);
    let this = &conversation;
    let modern = token_limit_field(model_id) == "max_completion_tokens";
    let out = Out {
        model: model_id,
        messages: messages(this),
        stream: this.stream,
        stream_options: this.stream.then_some(StreamOptions { include_usage: true }),
        temperature: this.temperature,
        top_p: this.top_p,
        max_tokens: this.max_output_tokens.filter(|_| !modern),
        max_completion_tokens: this.max_output_tokens.filter(|_| modern),
        stop: &this.stop,
        seed: this.seed,
        presence_penalty: this.presence_penalty,
        frequency_penalty: this.frequency_penalty,
        n: this.choices,
        user: this.user.as_deref(),
        reasoning_effort: this.reasoning.map(|reasoning| reasoning.level().name()),
        tools: tools(this),
        tool_choice: this.tool_choice.as_ref().map(tool_choice),
        parallel_tool_calls: this.parallel_tool_calls,
        response_format: this.format.as_ref().map(OutFormat::of),
    };
    // Serialising plain structs of strings and numbers cannot fail.
    Ok((Bytes::from(serde_json::to_vec(&out).unwrap_or_default()), dropped))
}

#[derive(Serialize)]
struct Out<'a> {
    model: &'a str,
    messages: Vec<OutMessage<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<OutTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<OutChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<OutFormat<'a>>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Default, Serialize)]
struct OutMessage<'a> {
    role: &'static str,
    content: Option<OutContent<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<OutToolCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum OutContent<'a> {
    Text(String),
    Parts(Vec<OutPart<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum OutPart<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: OutUrl },
}

#[derive(Serialize)]
struct OutUrl {
    url: String,
}

fn messages(conversation: &Conversation) -> Vec<OutMessage<'_>> {
    let mut out = Vec::new();
    for turn in &conversation.turns {
        if turn.role != Role::Tool {
            let calls = turn.blocks.iter().filter_map(|block| match block {
                Block::ToolCall { id, name, arguments } => {
                    Some(OutToolCall { id, r#type: "function", function: OutFunction { name, arguments } })
                }
                _ => None,
            });
            out.push(OutMessage {
                role: turn.role.name(),
                content: content(&turn.blocks),
                tool_calls: calls.collect(),
                tool_call_id: None,
            });
            continue;
        }
        // A tool's message holds text alone; the pictures among the results follow as the user's.
        let mut pictures = Vec::new();
        for block in &turn.blocks {
            let Block::ToolResult { id, blocks, .. } = block else { continue };
            out.push(OutMessage {
                role: "tool",
                content: Some(OutContent::Text(texts(blocks))),
                tool_call_id: Some(id),
                ..OutMessage::default()
            });
            pictures.extend(
                blocks.iter().filter_map(part).filter(|part| matches!(part, OutPart::ImageUrl { .. })),
            );
        }
        if !pictures.is_empty() {
            out.push(OutMessage {
                role: "user",
                content: Some(OutContent::Parts(pictures)),
                ..OutMessage::default()
            });
        }
    }
    out
}

fn content(blocks: &[Block]) -> Option<OutContent<'_>> {
    let parts: Vec<OutPart<'_>> = blocks.iter().filter_map(part).collect();
    match &parts[..] {
        [] => None,
        [OutPart::Text { text }] => Some(OutContent::Text((*text).to_owned())),
        _ => Some(OutContent::Parts(parts)),
    }
}

fn part(block: &Block) -> Option<OutPart<'_>> {
    match block {
        Block::Text(text) => Some(OutPart::Text { text }),
        Block::Image(Image::Url(url)) => Some(OutPart::ImageUrl { image_url: OutUrl { url: url.clone() } }),
        Block::Image(Image::Inline { media_type, data }) => {
            let url = format!("data:{media_type};base64,{data}");
            Some(OutPart::ImageUrl { image_url: OutUrl { url } })
        }
        Block::ToolCall { .. } | Block::ToolResult { .. } => None,
    }
}

#[derive(Serialize)]
struct OutTool<'a> {
    r#type: &'static str,
    function: OutDeclared<'a>,
}

#[derive(Serialize)]
struct OutDeclared<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

fn tools(conversation: &Conversation) -> Vec<OutTool<'_>> {
    let all = conversation.tools.iter().map(|tool| OutTool {
        r#type: "function",
        function: OutDeclared {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.schema.as_deref(),
            strict: tool.strict,
        },
    });
    all.collect()
}

#[derive(Serialize)]
#[serde(untagged)]
enum OutChoice<'a> {
    Word(&'static str),
    Named { r#type: &'static str, function: OutName<'a> },
}

#[derive(Serialize)]
struct OutName<'a> {
    name: &'a str,
}

fn tool_choice(choice: &ToolChoice) -> OutChoice<'_> {
    match choice {
        ToolChoice::Auto => OutChoice::Word("auto"),
        ToolChoice::None => OutChoice::Word("none"),
        ToolChoice::Required => OutChoice::Word("required"),
        ToolChoice::Named(name) => OutChoice::Named { r#type: "function", function: OutName { name } },
    }
}

#[derive(Serialize)]
struct OutFormat<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<OutSchema<'a>>,
}

#[derive(Serialize)]
struct OutSchema<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

impl<'a> OutFormat<'a> {
    fn of(format: &'a Format) -> Self {
        match format {
            Format::JsonObject => Self { r#type: "json_object", json_schema: None },
            Format::JsonSchema { name, description, schema, strict } => Self {
                r#type: "json_schema",
                json_schema: Some(OutSchema {
                    name,
                    description: description.as_deref(),
                    schema,
                    strict: *strict,
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests;
