//! A whole answer.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use jackfield_core::base::LossyText;
use jackfield_core::contract::{Choice, Fault, FaultKind, FinishReason, Picture, Reply, ToolCall, Usage};

use crate::lenient::lenient;
use crate::speech::not_a;

/// Reads an answer. It has no id, no time and no model's name of its own.
pub(super) fn parse(model_id: &str, body: &[u8]) -> Result<Reply, Fault> {
    let wire: WireReply = serde_json::from_slice(body).map_err(|e| not_a("a Converse answer", &e))?;
    let finish_reason = read_stop(&wire.stop_reason.unwrap_or_default().0)?;
    let mut text: Option<String> = None;
    let (mut pictures, mut tool_calls) = (Vec::new(), Vec::new());
    for block in wire.output.message.content {
        let cited = block.citations.map(|cited| cited.content).unwrap_or_default();
        for more in block.text.into_iter().chain(cited.into_iter().filter_map(|piece| piece.text)) {
            text.get_or_insert_default().push_str(&more.0);
        }
        pictures.extend(block.image.map(|WireImage { format, source }| Picture {
            media_type: format!("image/{}", format.0),
            data: source.bytes.0,
        }));
        if let Some(call) = block.tool_use.filter(|call| call.r#type.is_none()) {
            let arguments = call.input.map_or_else(|| "{}".to_owned(), |input| input.get().to_owned());
            tool_calls.push(ToolCall { id: call.id.0, name: call.name.0, arguments });
        }
    }
    Ok(Reply {
        id: String::new(),
        model: model_id.to_owned(),
        created: 0,
        choices: vec![Choice { text, pictures, tool_calls, finish_reason, ..Choice::default() }],
        usage: wire.usage.map(Usage::from),
        wire: None,
    })
}

#[derive(Deserialize)]
struct WireReply {
    output: WireOutput,
    #[serde(default, rename = "stopReason", deserialize_with = "lenient")]
    stop_reason: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct WireOutput {
    message: WireMessage,
}

#[derive(Deserialize)]
struct WireMessage {
    content: Vec<WireBlock>,
}

/// One of these; other kinds are not for clients of other APIs.
#[derive(Deserialize)]
struct WireBlock {
    #[serde(default, deserialize_with = "lenient")]
    text: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    image: Option<WireImage>,
    #[serde(default, rename = "toolUse", deserialize_with = "lenient")]
    tool_use: Option<WireToolUse>,
    #[serde(default, rename = "citationsContent", deserialize_with = "lenient")]
    citations: Option<WireCited>,
}

#[derive(Deserialize)]
struct WireImage {
    format: LossyText,
    source: WireSource,
}

#[derive(Deserialize)]
struct WireSource {
    /// In base64.
    bytes: LossyText,
}

#[derive(Deserialize)]
struct WireToolUse {
    #[serde(rename = "toolUseId")]
    id: LossyText,
    name: LossyText,
    input: Option<Box<RawValue>>,
    /// `server_tool_use`: Bedrock called it itself.
    r#type: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct WireCited {
    content: Vec<WirePiece>,
}

#[derive(Deserialize)]
struct WirePiece {
    text: Option<LossyText>,
}

/// Usage as it stands on the wire; shared with the stream.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WireUsage {
    /// Without what the cache was read or written for.
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
}

impl From<WireUsage> for Usage {
    fn from(wire: WireUsage) -> Self {
        let read = wire.cache_read_input_tokens.unwrap_or(0);
        let written = wire.cache_write_input_tokens.unwrap_or(0);
        Self {
            input_tokens: wire.input_tokens.saturating_add(read).saturating_add(written),
            output_tokens: wire.output_tokens,
            cached_input_tokens: read,
            cache_write_tokens: written,
            reasoning_tokens: 0,
            estimated: false,
        }
    }
}

/// A stop reason's meaning; a word this gateway does not know has none.
///
/// # Errors
/// The model's answer is not fit to be read, by Bedrock's own account.
pub(super) fn read_stop(word: &str) -> Result<Option<FinishReason>, Fault> {
    Ok(match word {
        "end_turn" | "stop_sequence" => Some(FinishReason::Stop),
        "max_tokens" | "model_context_window_exceeded" => Some(FinishReason::Length),
        "tool_use" => Some(FinishReason::ToolCalls),
        "content_filtered" | "guardrail_intervened" => Some(FinishReason::ContentFilter),
        "malformed_model_output" | "malformed_tool_use" => {
            let message = format!("the provider could not read its model's answer ({word})");
            return Err(Fault::new(FaultKind::UpstreamFailed, message));
        }
        _ => None,
    })
}
