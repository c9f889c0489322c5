//! A whole answer: read from a provider, or written for a client of this dialect.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::picture::{self, OutPicture, WirePicture};
use crate::lenient::lenient;
use crate::speech::not_a;
use jackfield_core::base::LossyText;
use jackfield_core::contract::{Choice, Fault, FaultKind, FinishReason, Reply, ToolCall, Usage};

/// Reads a provider's answer and keeps its bytes.
pub fn parse_reply(bytes: Bytes) -> Result<Reply, Fault> {
    let wire: WireReply = serde_json::from_slice(&bytes).map_err(|e| not_a("a chat completion", &e))?;
    if wire.choices.is_empty() {
        return Err(Fault::new(FaultKind::UpstreamBroken, "the provider's answer has no choices"));
    }
    let choices = wire.choices.into_iter().map(WireChoice::into_choice).collect();
    Ok(Reply {
        id: wire.id.unwrap_or_default().0,
        model: wire.model.unwrap_or_default().0,
        created: wire.created.unwrap_or_default(),
        choices,
        usage: wire.usage.map(Usage::from),
        wire: Some(bytes),
    })
}

/// Writes an answer that came from elsewhere.
pub fn render_reply(reply: &Reply) -> Bytes {
    let out = OutReply {
        id: &reply.id,
        object: "chat.completion",
        created: reply.created,
        model: &reply.model,
        choices: reply.choices.iter().enumerate().map(|(index, c)| OutChoice::of(index, c)).collect(),
        usage: reply.usage.map(WireUsage::from),
    };
    // Serialising plain structs of strings and numbers cannot fail.
    Bytes::from(serde_json::to_vec(&out).unwrap_or_default())
}

#[derive(Deserialize)]
struct WireReply {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    model: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    created: Option<u64>,
    choices: Vec<WireChoice>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct WireChoice {
    #[serde(default, deserialize_with = "lenient")]
    message: Option<WireMessage>,
    #[serde(default, deserialize_with = "lenient")]
    finish_reason: Option<LossyText>,
}

#[derive(Default, Deserialize)]
struct WireMessage {
    #[serde(default, deserialize_with = "lenient")]
    content: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    refusal: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    images: Option<Vec<WirePicture>>,
    #[serde(default, deserialize_with = "lenient")]
    tool_calls: Option<Vec<WireToolCall>>,
}

#[derive(Deserialize)]
struct WireToolCall {
    #[serde(default, deserialize_with = "lenient")]
    id: LossyText,
    #[serde(default, deserialize_with = "lenient")]
    function: Option<WireFunction>,
}

#[derive(Deserialize)]
struct WireFunction {
    name: LossyText,
    #[serde(default, deserialize_with = "lenient")]
    arguments: LossyText,
}

impl WireChoice {
    fn into_choice(self) -> Choice {
        let message = self.message.unwrap_or_default();
        let (pictures, links) = picture::read(message.images);
        let tool_calls = message
            .tool_calls
            .unwrap_or_default()
            .into_iter()
            .filter_map(|call| {
                let function = call.function?;
                Some(ToolCall { id: call.id.0, name: function.name.0, arguments: function.arguments.0 })
            })
            .collect();
        Choice {
            text: joined(message.content.map(|text| text.0), links),
            refusal: message.refusal.map(|text| text.0).filter(|text| !text.is_empty()),
            pictures,
            tool_calls,
            finish_reason: self.finish_reason.as_ref().and_then(|word| read_finish(&word.0)),
        }
    }
}

/// A text and what follows it; no text where there is neither.
pub(super) fn joined(text: Option<String>, more: Option<String>) -> Option<String> {
    match (text, more) {
        (Some(text), Some(more)) => Some(text + &more),
        (text, more) => text.or(more),
    }
}

/// Usage as it stands on the wire; shared with the chunks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(super) struct WireUsage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    #[serde(default)]
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl From<WireUsage> for Usage {
    fn from(wire: WireUsage) -> Self {
        Self {
            input_tokens: wire.prompt_tokens,
            output_tokens: wire.completion_tokens,
            cached_input_tokens: wire.prompt_tokens_details.and_then(|d| d.cached_tokens).unwrap_or(0),
            cache_write_tokens: 0,
            reasoning_tokens: wire.completion_tokens_details.and_then(|d| d.reasoning_tokens).unwrap_or(0),
            estimated: false,
        }
    }
}

impl From<Usage> for WireUsage {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.input_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
            prompt_tokens_details: Some(PromptDetails { cached_tokens: Some(usage.cached_input_tokens) }),
            completion_tokens_details: Some(CompletionDetails {
                reasoning_tokens: Some(usage.reasoning_tokens),
            }),
        }
    }
}

/// A finish reason's meaning; a word this gateway does not know has none.
pub(super) fn read_finish(word: &str) -> Option<FinishReason> {
    match word {
        "stop" => Some(FinishReason::Stop),
        "length" => Some(FinishReason::Length),
        "tool_calls" | "function_call" => Some(FinishReason::ToolCalls),
        "content_filter" => Some(FinishReason::ContentFilter),
        _ => None,
    }
}

/// A finish reason's word.
pub(super) fn write_finish(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
    }
}

#[derive(Serialize)]
struct OutReply<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<OutChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<WireUsage>,
}

#[derive(Serialize)]
struct OutChoice<'a> {
    index: usize,
    message: OutMessage<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct OutMessage<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<OutPicture>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<OutToolCall<'a>>,
}

/// A call as it stands in an answer, and in a later request's messages.
#[derive(Serialize)]
pub(super) struct OutToolCall<'a> {
    pub(super) id: &'a str,
    pub(super) r#type: &'static str,
    pub(super) function: OutFunction<'a>,
}

#[derive(Serialize)]
pub(super) struct OutFunction<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: &'a str,
}

impl<'a> OutChoice<'a> {
    fn of(index: usize, choice: &'a Choice) -> Self {
        let tool_calls = choice
            .tool_calls
            .iter()
            .map(|call| OutToolCall {
                id: &call.id,
                r#type: "function",
                function: OutFunction { name: &call.name, arguments: &call.arguments },
            })
            .collect();
        Self {
            index,
            message: OutMessage {
                role: "assistant",
                content: choice.text.as_deref(),
                refusal: choice.refusal.as_deref(),
                images: picture::write(&choice.pictures),
                tool_calls,
            },
            logprobs: None,
            finish_reason: choice.finish_reason.map(write_finish),
        }
    }
}

#[cfg(test)]
mod tests;
