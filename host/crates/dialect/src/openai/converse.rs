//! A chat completion request in nobody's dialect.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use jackfield_core::contract::{ChatRequest, Fault, Message, ReasoningLevel, Role};

use super::alike::{self, Bound};
use super::rewrite::TASK_FIELD;
use crate::conversation::{Block, Conversation, Format, Image, Reasoning, Tool, ToolChoice, Turn};

/// Fields that change no answer: labels, caching advice, what is kept of it.
const HARMLESS: &[&str] = &[
    "metadata",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "stream_options",
];

/// Fields that change nothing when they hold the API's default, as JSON.
const DEFAULTS: &[(&str, &[&str])] = &[
    ("logit_bias", &["{}"]),
    ("logprobs", &["false"]),
    ("modalities", &[r#"["text"]"#]),
    ("service_tier", &[r#""auto""#, r#""default""#]),
    ("top_logprobs", &["0"]),
    ("verbosity", &[r#""medium""#]),
];

/// Reads a request for a provider of another dialect.
///
/// # Errors
/// A field is not what the API says it is.
pub(super) fn converse(request: &ChatRequest) -> Result<Conversation, Fault> {
    let mut out = Conversation {
        stream: request.stream,
        max_output_tokens: request.max_output_tokens,
        ..Conversation::default()
    };
    for (at, message) in request.messages.iter().enumerate() {
        read_message(at, message, &mut out)?;
    }
    for (name, raw) in request.body.iter().filter(|(_, raw)| raw.as_ref() != b"null") {
        match name {
            "model" | "messages" | "stream" | "max_tokens" | "max_completion_tokens" => {}
            "temperature" => out.temperature = Some(read(name, &raw)?),
            "top_p" => out.top_p = Some(read(name, &raw)?),
            "top_k" => out.top_k = Some(read(name, &raw)?),
            "seed" => out.seed = Some(read(name, &raw)?),
            "presence_penalty" => out.presence_penalty = Some(read(name, &raw)?).filter(|p| *p != 0.0),
            "frequency_penalty" => out.frequency_penalty = Some(read(name, &raw)?).filter(|p| *p != 0.0),
            "n" => out.choices = Some(read(name, &raw)?).filter(|n| *n > 1),
            "user" => out.user = Some(read(name, &raw)?),
            "stop" => out.stop = read::<OneOrMany>(name, &raw)?.into_list(),
            "tools" => out.tools = read_tools(&raw, &mut out.others)?,
            "tool_choice" => read_tool_choice(&raw, &mut out)?,
            "parallel_tool_calls" => out.parallel_tool_calls = Some(read(name, &raw)?),
            "response_format" => out.format = read_format(&raw)?,
            "reasoning_effort" => read_effort(&raw, &mut out)?,
            _ if is_default(name, &raw) => {}
            "metadata" if is_task_alone(&raw) => {}
            _ if HARMLESS.contains(&name) => out.dropped.push(name.to_owned()),
            _ => out.others.push(name.to_owned()),
        }
    }
    Ok(out)
}

fn is_default(name: &str, raw: &[u8]) -> bool {
    let Some((_, defaults)) = DEFAULTS.iter().find(|(field, _)| *field == name) else { return false };
    let compact: Vec<u8> = raw.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    defaults.iter().any(|default| default.as_bytes() == compact)
}

/// Our own label says nothing to a provider.
pub(crate) fn is_task_alone(raw: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, Value>>(raw)
        .is_ok_and(|labels| labels.keys().all(|key| key == TASK_FIELD))
}

/// A field's value.
pub(crate) fn read<'a, T: Deserialize<'a>>(place: &str, raw: &'a [u8]) -> Result<T, Fault> {
    serde_json::from_slice(raw)
        .map_err(|e| Fault::invalid(place, format!("invalid value for '{place}': {e}")))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn into_list(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

#[derive(Deserialize)]
struct WireMessage<'a> {
    #[serde(borrow)]
    content: Option<WireContent<'a>>,
    #[serde(default)]
    tool_calls: Option<Vec<WireCall>>,
    tool_call_id: Option<String>,
    name: Option<String>,
    refusal: Option<String>,
    images: Option<Vec<WirePicture>>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow)]
    audio: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireContent<'a> {
    Text(String),
    #[serde(borrow)]
    Parts(Vec<WirePart<'a>>),
}

#[derive(Deserialize)]
struct WirePart<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    text: Option<String>,
    refusal: Option<String>,
    image_url: Option<WireImage>,
}

/// A picture in an answer of before.
#[derive(Deserialize)]
struct WirePicture {
    image_url: WireImage,
}

#[derive(Deserialize)]
struct WireImage {
    url: String,
    detail: Option<Value>,
}

#[derive(Deserialize)]
struct WireCall {
    id: String,
    function: Option<WireFunction>,
}

#[derive(Deserialize)]
struct WireFunction {
    name: String,
    #[serde(default)]
    arguments: String,
}

fn read_message(at: usize, message: &Message, out: &mut Conversation) -> Result<(), Fault> {
    let place = format!("messages[{at}]");
    let wire: WireMessage<'_> = serde_json::from_slice(&message.raw)
        .map_err(|e| Fault::invalid(&*place, format!("invalid value for '{place}': {e}")))?;
    for (field, there) in [("function_call", wire.function_call.is_some()), ("audio", wire.audio.is_some())] {
        if there {
            out.others.push(format!("{place}.{field}"));
        }
    }
    if wire.name.is_some() && message.role != Role::Tool {
        out.dropped.push(format!("{place}.name"));
    }
    let mut blocks = match wire.content {
        None => Vec::new(),
        Some(WireContent::Text(text)) => vec![Block::Text(text)],
        Some(WireContent::Parts(parts)) => read_parts(&place, parts, out)?,
    };
    blocks.extend(wire.refusal.map(Block::Text));
    let pictures = wire.images.into_iter().flatten();
    blocks.extend(pictures.map(|picture| Block::Image(read_image(picture.image_url.url))));
    for call in wire.tool_calls.into_iter().flatten() {
        match call.function {
            Some(WireFunction { name, arguments }) => {
                blocks.push(Block::ToolCall { id: call.id, name, arguments });
            }
            None => out.others.push(format!("{place}.tool_calls")),
        }
    }
    if message.role != Role::Tool {
        out.turns.push(Turn { role: message.role, blocks });
        return Ok(());
    }
    let Some(id) = wire.tool_call_id else {
        let field = format!("{place}.tool_call_id");
        return Err(Fault::invalid(&*field, format!("missing required parameter: '{field}'")));
    };
    let result = Block::ToolResult { id, blocks, failed: false };
    // Results of one turn's calls belong together.
    match out.turns.last_mut() {
        Some(turn) if turn.role == Role::Tool => turn.blocks.push(result),
        _ => out.turns.push(Turn { role: Role::Tool, blocks: vec![result] }),
    }
    Ok(())
}

fn read_parts(place: &str, parts: Vec<WirePart<'_>>, out: &mut Conversation) -> Result<Vec<Block>, Fault> {
    let mut blocks = Vec::with_capacity(parts.len());
    for (at, part) in parts.into_iter().enumerate() {
        let place = format!("{place}.content[{at}]");
        match (&*part.r#type, part.text, part.refusal, part.image_url) {
            ("text", Some(text), ..) | ("refusal", _, Some(text), _) => blocks.push(Block::Text(text)),
            ("image_url", .., Some(WireImage { url, detail })) => {
                if detail.is_some_and(|detail| detail != "auto") {
                    out.dropped.push(format!("{place}.image_url.detail"));
                }
                blocks.push(Block::Image(read_image(url)));
            }
            ("text" | "refusal" | "image_url", ..) => {
                let message = format!("invalid value for '{place}': it holds no {}", part.r#type);
                return Err(Fault::invalid(&*place, message));
            }
            _ => out.others.push(place),
        }
    }
    Ok(blocks)
}

/// An address, or the picture itself in a `data:` address.
pub(super) fn read_image(url: String) -> Image {
    let inline = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match inline {
        Some((media_type, data)) => {
            // Parameters of the type say nothing about a picture.
            let media_type = media_type.split(';').next().unwrap_or_default().to_owned();
            Image::Inline { media_type, data: data.to_owned() }
        }
        None => Image::Url(url),
    }
}

#[derive(Deserialize)]
struct WireTool {
    r#type: String,
    function: Option<WireDeclared>,
}

#[derive(Deserialize)]
struct WireDeclared {
    name: String,
    description: Option<String>,
    parameters: Option<Box<RawValue>>,
    strict: Option<bool>,
}

fn read_tools(raw: &[u8], others: &mut Vec<String>) -> Result<Vec<Tool>, Fault> {
    let mut tools = Vec::new();
    for (at, tool) in read::<Vec<WireTool>>("tools", raw)?.into_iter().enumerate() {
        match tool.function.filter(|_| tool.r#type == "function") {
            Some(WireDeclared { name, description, parameters, strict }) => {
                tools.push(Tool { name, description, schema: parameters, strict });
            }
            None => others.push(format!("tools[{at}]")),
        }
    }
    Ok(tools)
}

fn read_tool_choice(raw: &[u8], out: &mut Conversation) -> Result<(), Fault> {
    let choice: Value = read("tool_choice", raw)?;
    let name = choice.pointer("/function/name").and_then(Value::as_str);
    out.tool_choice =
        choice.as_str().and_then(alike::tool_choice).or(name.map(|name| ToolChoice::Named(name.to_owned())));
    if out.tool_choice.is_none() {
        out.others.push("tool_choice".to_owned());
    }
    Ok(())
}

#[derive(Deserialize)]
struct WireFormat {
    r#type: String,
    json_schema: Option<WireSchema>,
}

#[derive(Deserialize)]
struct WireSchema {
    name: Option<String>,
    description: Option<String>,
    schema: Option<Box<RawValue>>,
    strict: Option<bool>,
}

fn read_format(raw: &[u8]) -> Result<Option<Format>, Fault> {
    let WireFormat { r#type, json_schema } = read("response_format", raw)?;
    let bound = json_schema.map(|WireSchema { name, description, schema, strict }| Bound {
        name,
        description,
        schema,
        strict,
    });
    // A schema without a schema binds the answer to be an object.
    if r#type == "json_schema" && bound.as_ref().is_some_and(|bound| bound.schema.is_none()) {
        return Ok(Some(Format::JsonObject));
    }
    alike::format("response_format", &r#type, bound)
}

fn read_effort(raw: &[u8], out: &mut Conversation) -> Result<(), Fault> {
    // A level that is newer than this gateway is no mistake of the client's.
    match serde_json::from_slice::<ReasoningLevel>(raw) {
        Ok(level) => out.reasoning = Some(Reasoning::Level(level)),
        Err(_) => {
            read::<String>("reasoning_effort", raw)?;
            out.others.push("reasoning_effort".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
