//! An answer of Gemini's: what stands on the wire, shared with the streamed pieces, and the whole.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use jackfield_core::base::{LossyText, excerpt};
use jackfield_core::contract::{
    Choice, Fault, FaultKind, FinishReason, Picture, Reply, ToolCall, Usage, quarters,
};

use super::error;
use super::part::{Beside, More, WireCode, WireData, WireFile, WireOutcome};
use crate::call_id::Ids;
use crate::lenient::lenient;
use crate::speech::not_a;

/// One answer, or one piece of a streamed one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireReply {
    #[serde(default)]
    pub(super) candidates: Vec<WireCandidate>,
    #[serde(default, deserialize_with = "lenient")]
    prompt_feedback: Option<WireFeedback>,
    #[serde(default, deserialize_with = "lenient")]
    usage_metadata: Option<WireUsage>,
    #[serde(default, deserialize_with = "lenient")]
    response_id: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    model_version: Option<LossyText>,
    error: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireCandidate {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) index: u32,
    #[serde(default, deserialize_with = "lenient")]
    content: Option<WireContent>,
    #[serde(default, deserialize_with = "lenient")]
    finish_reason: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    finish_message: Option<LossyText>,
}

#[derive(Default, Deserialize)]
struct WireContent {
    #[serde(default)]
    parts: Vec<WirePart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePart {
    #[serde(default, deserialize_with = "lenient")]
    text: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    thought: bool,
    #[serde(default, deserialize_with = "lenient")]
    thought_signature: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    function_call: Option<WireCall>,
    #[serde(default, deserialize_with = "lenient")]
    inline_data: Option<WireData>,
    #[serde(default, deserialize_with = "lenient")]
    file_data: Option<WireFile>,
    #[serde(default, deserialize_with = "lenient")]
    executable_code: Option<WireCode>,
    #[serde(default, deserialize_with = "lenient")]
    code_execution_result: Option<WireOutcome>,
}

#[derive(Deserialize)]
struct WireCall {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<LossyText>,
    name: LossyText,
    args: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFeedback {
    block_reason: Option<LossyText>,
    #[serde(default, deserialize_with = "lenient")]
    block_reason_message: Option<LossyText>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireUsage {
    #[serde(default, deserialize_with = "lenient")]
    prompt_token_count: u64,
    #[serde(default, deserialize_with = "lenient")]
    tool_use_prompt_token_count: u64,
    #[serde(default, deserialize_with = "lenient")]
    candidates_token_count: u64,
    #[serde(default, deserialize_with = "lenient")]
    thoughts_token_count: u64,
    #[serde(default, deserialize_with = "lenient")]
    cached_content_token_count: u64,
}

impl From<WireUsage> for Usage {
    fn from(wire: WireUsage) -> Self {
        Self {
            input_tokens: wire.prompt_token_count.saturating_add(wire.tool_use_prompt_token_count),
            // Gemini counts thoughts apart.
            output_tokens: wire.candidates_token_count.saturating_add(wire.thoughts_token_count),
            cached_input_tokens: wire.cached_content_token_count,
            cache_write_tokens: 0,
            reasoning_tokens: wire.thoughts_token_count,
            estimated: false,
        }
    }
}

impl WireReply {
    /// Reads one. An error in its place is a fault.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let wire: Self = serde_json::from_slice(bytes).map_err(|e| not_a("Gemini's", &e))?;
        match &wire.error {
            Some(error) if error.get() != "null" => Err(error::fault_in(error.get())),
            _ => Ok(wire),
        }
    }

    /// Whether the prompt was refused by a filter, so that there is no candidate.
    pub(super) fn is_blocked(&self) -> bool {
        self.candidates.is_empty()
            && self.prompt_feedback.as_ref().is_some_and(|feedback| feedback.block_reason.is_some())
    }

    /// Why, in the provider's words.
    pub(super) fn blocked(&self) -> Option<String> {
        let said = self.prompt_feedback.as_ref()?.block_reason_message.as_ref()?;
        Some(said.0.clone()).filter(|said| !said.is_empty())
    }

    /// What it consumed so far.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.usage_metadata.map(Usage::from)
    }

    /// The model that answers.
    pub(super) fn model(&self) -> Option<String> {
        self.model_version.as_ref().map(|text| text.0.clone())
    }
}

/// What a candidate says, whole or in part.
#[derive(Default)]
pub(super) struct Said {
    /// Its texts, joined.
    pub(super) text: Option<String>,
    /// Its pictures.
    pub(super) pictures: Vec<Picture>,
    /// Its calls.
    pub(super) calls: Vec<ToolCall>,
    /// It thought, or said something that has no place here.
    pub(super) other: bool,
    /// How much of that are thoughts, in quarters of a token.
    pub(super) thought: u64,
    /// The word for why it ended, if it did.
    pub(super) ended: Option<String>,
    /// What is said of it.
    pub(super) explained: Option<String>,
}

impl Said {
    /// Whether it says nothing at all.
    pub(super) fn is_silent(&self) -> bool {
        self.text.is_none() && self.calls.is_empty() && self.pictures.is_empty()
    }

    /// What is said in the place of an answer that a filter stopped.
    pub(super) fn refusal(&mut self, why: Option<FinishReason>) -> Option<String> {
        self.explained.take().filter(|_| why == Some(FinishReason::ContentFilter))
    }
}

impl WireCandidate {
    /// What it says.
    pub(super) fn said(self, ids: &mut Ids) -> Said {
        let mut said = Said {
            // An unspecified reason says that there is none yet.
            ended: self.finish_reason.map(|word| word.0).filter(|word| word != "FINISH_REASON_UNSPECIFIED"),
            explained: self.finish_message.map(|said| said.0).filter(|said| !said.is_empty()),
            ..Said::default()
        };
        for part in self.content.unwrap_or_default().parts {
            if part.thought {
                said.other = true;
                said.thought += part.text.as_ref().map_or(0, |text| quarters(&text.0));
            } else if let Some(WireCall { id, name, args }) = part.function_call {
                let signature = part.thought_signature.as_ref().map(|text| text.0.as_str());
                let args = args.as_deref().map(RawValue::get).filter(|args| *args != "null");
                said.calls.push(ToolCall {
                    id: ids.id(id.map(|text| text.0), signature),
                    name: name.0,
                    arguments: args.unwrap_or("{}").to_owned(),
                });
            } else if let Some(text) = part.text {
                // A signature may come with an empty text.
                if !text.0.is_empty() {
                    said.text.get_or_insert_default().push_str(&text.0);
                }
            } else {
                let WirePart { inline_data, file_data, executable_code, code_execution_result, .. } = part;
                let beside = Beside { inline_data, file_data, executable_code, code_execution_result };
                match beside.read() {
                    Some(More::Picture(picture)) => said.pictures.push(picture),
                    Some(More::Text(text)) => said.text.get_or_insert_default().push_str(&text),
                    None => said.other = true,
                }
            }
        }
        said
    }
}

/// Why a candidate ended. `called`: it wants calls made. `silent`: it said nothing at all.
///
/// # Errors
/// The model failed: what it said is not an answer.
pub(super) fn finish(word: &str, called: bool, silent: bool) -> Result<Option<FinishReason>, Fault> {
    let reason = match word {
        "STOP" if called => FinishReason::ToolCalls,
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" | "CONTINUATION" => FinishReason::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "ESCALATION"
        | "PUP_LIMITED_DISABLED"
        | "MODEL_ARMOR" => FinishReason::ContentFilter,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE" => return Err(no_answer(word)),
        _ if silent => return Err(no_answer(word)),
        _ => return Ok(None),
    };
    Ok(Some(reason))
}

fn no_answer(word: &str) -> Fault {
    let message = format!("the provider's model stopped without a usable answer ({})", excerpt(word, 64));
    Fault::new(FaultKind::UpstreamBroken, message)
}

/// Reads a whole answer.
pub(super) fn parse_reply(bytes: &Bytes, ids: &mut Ids) -> Result<Reply, Fault> {
    let wire = WireReply::parse(bytes)?;
    let (usage, model) = (wire.usage(), wire.model().unwrap_or_default());
    let choices = if wire.is_blocked() {
        let finish_reason = Some(FinishReason::ContentFilter);
        vec![Choice { refusal: wire.blocked(), finish_reason, ..Choice::default() }]
    } else {
        wire.candidates.into_iter().map(|candidate| choice(candidate, ids)).collect::<Result<Vec<_>, _>>()?
    };
    if choices.is_empty() {
        return Err(Fault::new(FaultKind::UpstreamBroken, "the provider's answer has no candidates"));
    }
    let id = wire.response_id.unwrap_or_default().0;
    Ok(Reply { id, model, created: 0, choices, usage, wire: None })
}

fn choice(candidate: WireCandidate, ids: &mut Ids) -> Result<Choice, Fault> {
    let mut said = candidate.said(ids);
    let finish_reason = match &said.ended {
        Some(word) => finish(word, !said.calls.is_empty(), said.is_silent())?,
        None => None,
    };
    let refusal = said.refusal(finish_reason);
    let Said { text, pictures, calls: tool_calls, .. } = said;
    Ok(Choice { text, refusal, pictures, tool_calls, finish_reason })
}

#[cfg(test)]
mod tests;
