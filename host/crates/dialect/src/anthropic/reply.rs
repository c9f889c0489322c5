//! A whole answer: read from a provider, or written for a client of this dialect.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use jackfield_core::base::LossyText;
use jackfield_core::contract::{Choice, Fault, FinishReason, Picture, Reply, ToolCall, Usage};

use super::turns::object_of;
use crate::lenient::lenient;
use crate::speech::not_a;

/// Reads a provider's answer and keeps its bytes. Thoughts are the model's own and no part of it.
pub fn parse_reply(bytes: Bytes) -> Result<Reply, Fault> {
    let wire: WireReply = serde_json::from_slice(&bytes).map_err(|e| not_a("a message", &e))?;
    let (mut text, mut tool_calls) = (None::<String>, Vec::new());
    for block in wire.content {
        match block.r#type.0.as_str() {
            "text" => text.get_or_insert_default().push_str(&block.text.unwrap_or_default().0),
            "tool_use" => tool_calls.push(ToolCall {
                id: block.id.unwrap_or_default().0,
                name: block.name.unwrap_or_default().0,
                arguments: block.input.map_or_else(|| "{}".to_owned(), |input| input.get().to_owned()),
            }),
            _ => {}
        }
    }
    let finish_reason = wire.stop_reason.and_then(|word| read_stop(&word.0));
    let refusal = wire.stop_details.and_then(|details| details.refusal());
    Ok(Reply {
        id: wire.id.unwrap_or_default().0,
        model: wire.model.unwrap_or_default().0,
        created: 0,
        choices: vec![Choice { text, refusal, tool_calls, finish_reason, ..Choice::default() }],
        usage: wire.usage.map(|usage| usage.total()),
        wire: Some(bytes),
    })
}

/// Reads how many tokens a request would have. Nothing was consumed: the answer carries no usage.
pub(super) fn parse_count(bytes: Bytes) -> Result<Reply, Fault> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "input_tokens")]
        _tokens: u64,
    }
    let Wire { .. } = serde_json::from_slice(&bytes).map_err(|e| not_a("a count of tokens", &e))?;
    let (id, model) = (String::new(), String::new());
    Ok(Reply { id, model, created: 0, choices: vec![Choice::default()], usage: None, wire: Some(bytes) })
}

/// Writes an answer that came from elsewhere: of several alternatives the first.
pub fn render_reply(reply: &Reply) -> Bytes {
    let choice = reply.choices.first();
    let mut content = Vec::new();
    let said = choice.map(said).unwrap_or_default();
    if let Some(choice) = choice {
        if !said.is_empty() {
            content.push(OutBlock::Text { text: &said });
        }
        content.extend(choice.tool_calls.iter().enumerate().map(|(at, call)| OutBlock::ToolUse {
            id: call_id(&call.id, at),
            name: &call.name,
            input: object_of(&call.arguments),
        }));
    }
    let calls = choice.is_some_and(|choice| !choice.tool_calls.is_empty());
    let finish = choice.and_then(|choice| choice.finish_reason);
    let refused = choice.is_some_and(|choice| choice.refusal.is_some());
    let out = OutReply {
        id: &reply.id,
        r#type: "message",
        role: "assistant",
        model: &reply.model,
        content,
        stop_reason: Some(write_stop(finish, calls, refused)),
        stop_sequence: None,
        usage: OutUsage::from(reply.usage.unwrap_or_default()),
    };
    // Serialising plain structs of strings and numbers cannot fail.
    Bytes::from(serde_json::to_vec(&out).unwrap_or_default())
}

/// All that is said to people. A refusal is text in this API, marked by why the answer ended; a picture has no place.
fn said(choice: &Choice) -> String {
    let told = [&choice.text, &choice.refusal].into_iter().flatten().map(String::as_str).collect::<String>();
    choice.pictures.iter().fold(told, |told, picture| told + &unshown(picture))
}

/// What stands in a picture's place.
pub(super) fn unshown(picture: &Picture) -> String {
    let bytes = picture.data.trim_end_matches('=').len() * 3 / 4;
    format!("\n[a picture ({}, {bytes} bytes) that has no place in this API's answers]\n", picture.media_type)
}

/// A call's id; one of our own where the provider has none.
pub(super) fn call_id(id: &str, at: usize) -> String {
    if id.is_empty() { format!("toolu_{at}") } else { id.to_owned() }
}

#[derive(Deserialize)]
struct WireReply {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    model: Option<LossyText>,
    content: Vec<WireBlock>,
    #[serde(default, deserialize_with = "lenient")]
    stop_reason: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    stop_details: Option<WireDetailsOfStop>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<WireUsage>,
}

/// What is said of why the model stopped; shared with the stream.
#[derive(Debug, Deserialize)]
pub(super) struct WireDetailsOfStop {
    r#type: LossyText,
    #[serde(default, deserialize_with = "lenient")]
    explanation: Option<LossyText>,
}

impl WireDetailsOfStop {
    /// Why the request is refused, if it is and somebody says so.
    pub(super) fn refusal(self) -> Option<String> {
        let said = self.explanation.filter(|_| self.r#type.0 == "refusal")?.0;
        (!said.is_empty()).then_some(said)
    }
}

#[derive(Deserialize)]
struct WireBlock {
    r#type: LossyText,
    #[serde(default, deserialize_with = "lenient")]
    text: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    id: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<LossyText>,
    input: Option<Box<RawValue>>,
}

/// Usage as it stands on the wire; in a stream it grows from event to event.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct WireUsage {
    #[serde(default, deserialize_with = "lenient")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    cache_read_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    output_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    output_tokens_details: Option<WireDetails>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct WireDetails {
    #[serde(default, deserialize_with = "lenient")]
    thinking_tokens: Option<u64>,
}

impl WireUsage {
    /// What is newer counts: later figures are totals too.
    pub(super) fn update(&mut self, newer: Self) {
        self.input_tokens = newer.input_tokens.or(self.input_tokens);
        self.cache_creation_input_tokens =
            newer.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_read_input_tokens = newer.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.output_tokens = newer.output_tokens.or(self.output_tokens);
        self.output_tokens_details = newer.output_tokens_details.or(self.output_tokens_details);
    }

    /// In our words: what was written to the cache and read from it is input too.
    pub(super) fn total(self) -> Usage {
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        let thoughts = self.output_tokens_details.and_then(|details| details.thinking_tokens);
        Usage {
            input_tokens: self.input_tokens.unwrap_or(0).saturating_add(cached).saturating_add(written),
            output_tokens: self.output_tokens.unwrap_or(0),
            cached_input_tokens: cached,
            cache_write_tokens: written,
            reasoning_tokens: thoughts.unwrap_or(0),
            estimated: false,
        }
    }
}

/// Why the model stopped; a word this gateway does not know has no meaning, nor has a pause, after which it would go on.
pub(super) fn read_stop(word: &str) -> Option<FinishReason> {
    match word {
        "end_turn" | "stop_sequence" => Some(FinishReason::Stop),
        "max_tokens" | "model_context_window_exceeded" => Some(FinishReason::Length),
        "tool_use" => Some(FinishReason::ToolCalls),
        "refusal" => Some(FinishReason::ContentFilter),
        _ => None,
    }
}

/// The API's word. Clients go by it to make the calls, so an answer that has some says so, whatever its provider called it;
/// and one that is refused says so too, where other APIs have a place of its own for it.
pub(super) fn write_stop(reason: Option<FinishReason>, calls: bool, refused: bool) -> &'static str {
    match reason {
        Some(FinishReason::Length) => "max_tokens",
        Some(FinishReason::ContentFilter) => "refusal",
        Some(FinishReason::ToolCalls) => "tool_use",
        Some(FinishReason::Stop) | None if calls => "tool_use",
        Some(FinishReason::Stop) | None if refused => "refusal",
        Some(FinishReason::Stop) | None => "end_turn",
    }
}

#[derive(Serialize)]
pub(super) struct OutReply<'a> {
    pub id: &'a str,
    pub r#type: &'static str,
    pub role: &'static str,
    pub model: &'a str,
    pub content: Vec<OutBlock<'a>>,
    pub stop_reason: Option<&'static str>,
    pub stop_sequence: Option<()>,
    pub usage: OutUsage,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutBlock<'a> {
    Text { text: &'a str },
    ToolUse { id: String, name: &'a str, input: Box<RawValue> },
}

/// Usage in the API's words: what came from the cache does not count as input there.
#[derive(Clone, Copy, Serialize)]
pub(super) struct OutUsage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutDetails>,
}

#[derive(Clone, Copy, Serialize)]
struct OutDetails {
    thinking_tokens: u64,
}

impl From<Usage> for OutUsage {
    fn from(usage: Usage) -> Self {
        let thinking_tokens = usage.reasoning_tokens;
        Self {
            input_tokens: usage.input_tokens.saturating_sub(usage.cached_input_tokens),
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: usage.cached_input_tokens,
            output_tokens: usage.output_tokens,
            output_tokens_details: (thinking_tokens > 0).then_some(OutDetails { thinking_tokens }),
        }
    }
}

#[cfg(test)]
mod tests;
