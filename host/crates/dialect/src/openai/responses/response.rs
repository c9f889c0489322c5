//! The response object: what was asked, repeated, and what came of it.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use jackfield_core::contract::{Blame, ChatRequest, Fault, FaultKind, FinishReason, Reply, Usage};

use super::item::{Item, Said, State, What};

/// What a response repeats of its request, as the client wrote it.
#[derive(Clone, Debug, Default)]
pub(super) struct Echo {
    instructions: Option<Box<RawValue>>,
    max_output_tokens: Option<Box<RawValue>>,
    max_tool_calls: Option<Box<RawValue>>,
    metadata: Option<Box<RawValue>>,
    parallel_tool_calls: Option<Box<RawValue>>,
    reasoning: Option<Box<RawValue>>,
    temperature: Option<Box<RawValue>>,
    text: Option<Box<RawValue>>,
    tool_choice: Option<Box<RawValue>>,
    tools: Option<Box<RawValue>>,
    top_p: Option<Box<RawValue>>,
    user: Option<Box<RawValue>>,
}

impl Echo {
    pub(super) fn of(request: &ChatRequest) -> Self {
        let raw = |name: &str| {
            let raw = request.body.get(name).filter(|raw| raw.as_ref() != b"null")?;
            serde_json::from_slice(&raw).ok()
        };
        Self {
            instructions: raw("instructions"),
            max_output_tokens: raw("max_output_tokens"),
            max_tool_calls: raw("max_tool_calls"),
            metadata: raw("metadata"),
            parallel_tool_calls: raw("parallel_tool_calls"),
            reasoning: raw("reasoning"),
            temperature: raw("temperature"),
            text: raw("text"),
            tool_choice: raw("tool_choice"),
            tools: raw("tools"),
            top_p: raw("top_p"),
            user: raw("user"),
        }
    }
}

/// How far a response is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Status<'a> {
    /// It grows.
    InProgress,
    /// It is whole.
    Completed,
    /// It was cut off, and why.
    Incomplete(&'static str),
    /// It failed.
    Failed(&'a Fault),
}

impl Status<'_> {
    /// What became of an answer that ended so.
    pub(super) fn of(finish: Option<FinishReason>) -> Status<'static> {
        match finish {
            Some(FinishReason::Length) => Status::Incomplete("max_output_tokens"),
            Some(FinishReason::ContentFilter) => Status::Incomplete("content_filter"),
            Some(FinishReason::Stop | FinishReason::ToolCalls) | None => Status::Completed,
        }
    }

    /// What became of its last item: the others were whole when it began.
    pub(super) fn of_last_item(self) -> State {
        match self {
            Self::Completed => State::Completed,
            Self::InProgress => State::InProgress,
            Self::Incomplete(_) | Self::Failed(_) => State::Incomplete,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed(_) => "failed",
        }
    }
}

/// A response, of which the client knows these parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Response<'a> {
    pub echo: &'a Echo,
    /// The answer's id, without a prefix.
    pub id: &'a str,
    pub model: &'a str,
    pub created: u64,
    pub status: Status<'a>,
    pub items: &'a [Item],
    pub usage: Option<Usage>,
}

/// Writes a whole answer. Only the first of several choices has a place here.
pub(super) fn render(echo: &Echo, reply: &Reply) -> Bytes {
    // Ids of chat completions say so; this is none.
    let id = reply.id.strip_prefix("chatcmpl-").unwrap_or(&reply.id);
    let choice = reply.choices.first();
    let status = Status::of(choice.and_then(|choice| choice.finish_reason));
    let mut items = Vec::new();
    let calls = choice.map(|choice| &choice.tool_calls[..]).unwrap_or_default();
    let pictures = choice.map(|choice| &choice.pictures[..]).unwrap_or_default();
    let text = choice.and_then(|choice| choice.text.clone()).map(Said::Text);
    let refusal = choice.and_then(|choice| choice.refusal.clone()).map(Said::Refusal);
    let mut said: Vec<Said> =
        text.into_iter().chain(refusal).filter(|said| !said.words().is_empty()).collect();
    // An answer without any item is none.
    if said.is_empty() && calls.is_empty() && pictures.is_empty() {
        said.push(Said::Text(String::new()));
    }
    if !said.is_empty() {
        items.push(Item::message(id, 0, said));
    }
    for picture in pictures {
        items.push(Item::picture(id, items.len(), picture.clone()));
    }
    for call in calls {
        let (call_id, name, arguments) = (call.id.clone(), call.name.clone(), call.arguments.clone());
        items.push(Item::call(id, items.len(), call_id, name, arguments));
    }
    // A picture is whole, whatever ended the answer.
    if let Some(last) = items.last_mut().filter(|last| !matches!(last.what, What::Picture(_))) {
        last.state = status.of_last_item();
    }
    let (model, created, usage) = (&reply.model, reply.created, reply.usage);
    let response = Response { echo, id, model, created, status, items: &items, usage };
    // Serialising plain structs of strings and numbers cannot fail.
    Bytes::from(serde_json::to_vec(&response).unwrap_or_default())
}

#[derive(Serialize)]
struct Out<'a> {
    id: String,
    object: &'static str,
    created_at: u64,
    status: &'static str,
    background: bool,
    error: Option<OutError<'a>>,
    incomplete_details: Option<OutDetails>,
    instructions: &'a Option<Box<RawValue>>,
    max_output_tokens: &'a Option<Box<RawValue>>,
    max_tool_calls: &'a Option<Box<RawValue>>,
    metadata: Or<'a>,
    model: &'a str,
    output: &'a [Item],
    parallel_tool_calls: Or<'a>,
    previous_response_id: Option<()>,
    reasoning: Or<'a>,
    service_tier: &'static str,
    store: bool,
    temperature: &'a Option<Box<RawValue>>,
    text: Or<'a>,
    tool_choice: Or<'a>,
    tools: Or<'a>,
    top_p: &'a Option<Box<RawValue>>,
    truncation: &'static str,
    usage: Option<OutUsage>,
    user: &'a Option<Box<RawValue>>,
}

/// What the client wrote, or the API's default.
#[derive(Serialize)]
#[serde(untagged)]
enum Or<'a> {
    Written(&'a RawValue),
    Default(Value),
}

fn or<'a>(written: &'a Option<Box<RawValue>>, default: Value) -> Or<'a> {
    written.as_deref().map_or(Or::Default(default), Or::Written)
}

#[derive(Serialize)]
struct OutError<'a> {
    code: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
struct OutDetails {
    reason: &'static str,
}

#[derive(Serialize)]
struct OutUsage {
    input_tokens: u64,
    input_tokens_details: OutInput,
    output_tokens: u64,
    output_tokens_details: OutOutput,
    total_tokens: u64,
}

#[derive(Serialize)]
struct OutInput {
    cached_tokens: u64,
    /// Nobody tells these; the API's own models require the field.
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct OutOutput {
    reasoning_tokens: u64,
}

impl Serialize for Response<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { echo, id, model, created, status, items, usage } = *self;
        let out = Out {
            id: format!("resp_{id}"),
            object: "response",
            created_at: created,
            status: status.name(),
            background: false,
            error: match status {
                Status::Failed(fault) => Some(OutError { code: code(fault.kind), message: &fault.message }),
                _ => None,
            },
            incomplete_details: match status {
                Status::Incomplete(reason) => Some(OutDetails { reason }),
                _ => None,
            },
            instructions: &echo.instructions,
            max_output_tokens: &echo.max_output_tokens,
            max_tool_calls: &echo.max_tool_calls,
            metadata: or(&echo.metadata, json!({})),
            model,
            output: items,
            parallel_tool_calls: or(&echo.parallel_tool_calls, json!(true)),
            previous_response_id: None,
            reasoning: or(&echo.reasoning, json!({ "effort": null, "summary": null })),
            service_tier: "default",
            store: false,
            temperature: &echo.temperature,
            text: or(&echo.text, json!({ "format": { "type": "text" } })),
            tool_choice: or(&echo.tool_choice, json!("auto")),
            tools: or(&echo.tools, json!([])),
            top_p: &echo.top_p,
            truncation: "disabled",
            usage: usage.map(OutUsage::from),
            user: &echo.user,
        };
        out.serialize(serializer)
    }
}

impl From<Usage> for OutUsage {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            input_tokens_details: OutInput {
                cached_tokens: usage.cached_input_tokens,
                cache_write_tokens: 0,
            },
            output_tokens: usage.output_tokens,
            output_tokens_details: OutOutput { reasoning_tokens: usage.reasoning_tokens },
            total_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
        }
    }
}

/// The code of a response's error: a closed set of the API's.
fn code(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::UpstreamRateLimited => "rate_limit_exceeded",
        kind if kind.blame() == Blame::Client => "invalid_prompt",
        _ => "server_error",
    }
}
