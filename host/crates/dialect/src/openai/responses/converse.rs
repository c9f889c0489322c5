//! The request in nobody's dialect.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use jackfield_core::base::JsonObject;
use jackfield_core::contract::{ChatRequest, Fault, ReasoningLevel, Role};

use super::request::{missing, read_role};
use crate::conversation::{Block, Conversation, Image, Reasoning, Tool, ToolChoice, Turn};
use crate::openai::alike::{self, Bound};
use crate::openai::converse::{is_task_alone, read, read_image};

/// Fields that change no answer: labels, caching advice, bounds on tools that nobody here has. Nothing is kept here, so
/// `store` is one of them.
const HARMLESS: &[&str] = &[
    "max_tool_calls",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "stream_options",
];

/// What may be asked for beyond the answer and is never there: the items that it would be part of need OpenAI's own
/// tools, or are not given out by providers of other APIs.
const NEVER_THERE: &[&str] = &[
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results",
];

/// Reads a request for a provider.
///
/// # Errors
/// A field is not what the API says it is.
pub(super) fn converse(request: &ChatRequest) -> Result<Conversation, Fault> {
    let mut out = Conversation {
        stream: request.stream,
        max_output_tokens: request.max_output_tokens,
        ..Conversation::default()
    };
    if let Some(raw) = request.body.get("instructions")
        && let Some(text) = read::<Option<String>>("instructions", &raw)?
    {
        out.turns.push(Turn { role: Role::System, blocks: vec![Block::Text(text)] });
    }
    for (name, raw) in request.body.iter().filter(|(_, raw)| raw.as_ref() != b"null") {
        match name {
            "input" => read_input(&raw, &mut out)?,
            // Read already, or refused on arrival when it says anything.
            "model" | "instructions" | "stream" | "max_output_tokens" => {}
            "background" | "conversation" | "previous_response_id" | "prompt" | "truncation" => {}
            "temperature" => out.temperature = Some(read(name, &raw)?),
            "top_p" => out.top_p = Some(read(name, &raw)?),
            "user" => out.user = Some(read(name, &raw)?),
            "tools" => out.tools = read_tools(&raw, &mut out.others)?,
            "tool_choice" => read_tool_choice(&raw, &mut out)?,
            "parallel_tool_calls" => out.parallel_tool_calls = Some(read(name, &raw)?),
            "text" => read_text(&raw, &mut out)?,
            "reasoning" => read_reasoning(&raw, &mut out)?,
            "include" => read_include(&raw, &mut out)?,
            "store" if raw.as_ref() == b"false" => {}
            "service_tier" if [&br#""auto""#[..], br#""default""#].contains(&raw.as_ref()) => {}
            "top_logprobs" if raw.as_ref() == b"0" => {}
            "metadata" if is_task_alone(&raw) => {}
            _ if HARMLESS.contains(&name) => out.dropped.push(name.to_owned()),
            _ => out.others.push(name.to_owned()),
        }
    }
    Ok(out)
}

#[derive(Deserialize)]
struct WireItem<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content: Option<WireContent<'a>>,
    call_id: Option<String>,
    name: Option<String>,
    arguments: Option<String>,
    #[serde(borrow)]
    output: Option<WireContent<'a>>,
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
    image_url: Option<String>,
    #[serde(borrow)]
    file_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    detail: Option<Cow<'a, str>>,
}

/// The two fields that say how an item is to be read: items of kinds that are not read may have any others.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
}

fn read_input(raw: &[u8], out: &mut Conversation) -> Result<(), Fault> {
    if raw.first() == Some(&b'"') {
        let text = Block::Text(read("input", raw)?);
        out.turns.push(Turn { role: Role::User, blocks: vec![text] });
        return Ok(());
    }
    for (at, item) in read::<Vec<&RawValue>>("input", raw)?.into_iter().enumerate() {
        let place = format!("input[{at}]");
        let kind: Kind<'_> = read(&place, item.get().as_bytes())?;
        match kind.r#type.as_deref() {
            None | Some("message" | "function_call" | "function_call_output") => {
                read_item(&place, read(&place, item.get().as_bytes())?, out)?;
            }
            Some("image_generation_call") => {
                match read::<WirePicture>(&place, item.get().as_bytes())?.into_image() {
                    Some(image) => join(out, Role::Assistant, vec![Block::Image(image)], |_| true),
                    None => out.dropped.push(place),
                }
            }
            // Thoughts are for the API that had them.
            Some("reasoning") => out.dropped.push(place),
            Some(_) => out.others.push(place),
        }
    }
    Ok(())
}

/// A picture in an answer of before.
#[derive(Deserialize)]
struct WirePicture {
    result: Option<String>,
    output_format: Option<String>,
}

impl WirePicture {
    fn into_image(self) -> Option<Image> {
        let media_type = format!("image/{}", self.output_format.as_deref().unwrap_or("png"));
        self.result.map(|data| Image::Inline { media_type, data })
    }
}

fn read_item(place: &str, item: WireItem<'_>, out: &mut Conversation) -> Result<(), Fault> {
    let needed = |name: &str, field: Option<String>| field.ok_or_else(|| missing(&format!("{place}.{name}")));
    match item.r#type.as_deref() {
        Some("function_call") => {
            let call = Block::ToolCall {
                id: needed("call_id", item.call_id)?,
                name: needed("name", item.name)?,
                arguments: needed("arguments", item.arguments)?,
            };
            // Calls belong to what was said before them.
            join(out, Role::Assistant, vec![call], |_| true);
        }
        Some("function_call_output") => {
            let id = needed("call_id", item.call_id)?;
            let blocks = read_content(&format!("{place}.output"), item.output, out)?;
            let result = Block::ToolResult { id, blocks, failed: false };
            join(out, Role::Tool, vec![result], |_| true);
        }
        _ => {
            let role = read_role(place, item.role.as_deref().unwrap_or_default())?;
            let blocks = read_content(&format!("{place}.content"), item.content, out)?;
            // Nothing may stand between a call and its result.
            let calls = |turn: &Turn| turn.blocks.iter().any(|block| matches!(block, Block::ToolCall { .. }));
            join(out, role, blocks, |turn| role == Role::Assistant && calls(turn));
        }
    }
    Ok(())
}

/// Adds to the last turn, if it is this speaker's and `fits`, or begins another.
fn join(out: &mut Conversation, role: Role, blocks: Vec<Block>, fits: impl Fn(&Turn) -> bool) {
    match out.turns.last_mut() {
        Some(turn) if turn.role == role && fits(turn) => turn.blocks.extend(blocks),
        _ => out.turns.push(Turn { role, blocks }),
    }
}

fn read_content(
    place: &str,
    content: Option<WireContent<'_>>,
    out: &mut Conversation,
) -> Result<Vec<Block>, Fault> {
    let parts = match content {
        None => return Err(missing(place)),
        Some(WireContent::Text(text)) => return Ok(vec![Block::Text(text)]),
        Some(WireContent::Parts(parts)) => parts,
    };
    let mut blocks = Vec::with_capacity(parts.len());
    for (at, part) in parts.into_iter().enumerate() {
        let place = format!("{place}[{at}]");
        let missing = |field: &str| missing(&format!("{place}.{field}"));
        match &*part.r#type {
            "input_text" | "output_text" => {
                blocks.push(Block::Text(part.text.ok_or_else(|| missing("text"))?));
            }
            "refusal" => blocks.push(Block::Text(part.refusal.ok_or_else(|| missing("refusal"))?)),
            "input_image" => match part.image_url {
                Some(url) => {
                    if part.detail.is_some_and(|detail| detail != "auto") {
                        out.dropped.push(format!("{place}.detail"));
                    }
                    blocks.push(Block::Image(read_image(url)));
                }
                // A file that OpenAI keeps.
                None if part.file_id.is_some() => out.others.push(format!("{place}.file_id")),
                None => return Err(missing("image_url")),
            },
            _ => out.others.push(place),
        }
    }
    Ok(blocks)
}

#[derive(Deserialize)]
struct WireTool {
    name: Option<String>,
    description: Option<String>,
    parameters: Option<Box<RawValue>>,
    strict: Option<bool>,
}

fn read_tools(raw: &[u8], others: &mut Vec<String>) -> Result<Vec<Tool>, Fault> {
    let mut tools = Vec::new();
    for (at, tool) in read::<Vec<&RawValue>>("tools", raw)?.into_iter().enumerate() {
        let place = format!("tools[{at}]");
        let kind: Kind<'_> = read(&place, tool.get().as_bytes())?;
        if kind.r#type.as_deref() != Some("function") {
            others.push(place);
            continue;
        }
        let WireTool { name, description, parameters, strict } = read(&place, tool.get().as_bytes())?;
        let name = name.ok_or_else(|| missing(&format!("{place}.name")))?;
        tools.push(Tool { name, description, schema: parameters, strict });
    }
    Ok(tools)
}

fn read_tool_choice(raw: &[u8], out: &mut Conversation) -> Result<(), Fault> {
    let choice: Value = read("tool_choice", raw)?;
    let field = |name: &str| choice.get(name).and_then(Value::as_str);
    let named = field("name").filter(|_| field("type") == Some("function"));
    let named = named.map(|name| ToolChoice::Named(name.to_owned()));
    out.tool_choice = choice.as_str().and_then(alike::tool_choice).or(named);
    if out.tool_choice.is_none() {
        out.others.push("tool_choice".to_owned());
    }
    Ok(())
}

#[derive(Deserialize)]
struct WireFormat {
    r#type: String,
    name: Option<String>,
    description: Option<String>,
    schema: Option<Box<RawValue>>,
    strict: Option<bool>,
}

fn read_text(raw: &Bytes, out: &mut Conversation) -> Result<(), Fault> {
    let fields = JsonObject::parse(raw.clone())
        .map_err(|e| Fault::invalid("text", format!("invalid value for 'text': {e}")))?;
    for (name, raw) in fields.iter().filter(|(_, raw)| raw.as_ref() != b"null") {
        match name {
            "format" => read_format(&raw, out)?,
            "verbosity" if raw.as_ref() == br#""medium""# => {}
            _ => out.others.push(format!("text.{name}")),
        }
    }
    Ok(())
}

fn read_format(raw: &[u8], out: &mut Conversation) -> Result<(), Fault> {
    let WireFormat { r#type, name, description, schema, strict } = read("text.format", raw)?;
    if r#type == "json_schema" && schema.is_none() {
        return Err(missing("text.format.schema"));
    }
    let bound = Bound { name, description, schema, strict };
    out.format = alike::format("text.format", &r#type, Some(bound))?;
    Ok(())
}

fn read_reasoning(raw: &[u8], out: &mut Conversation) -> Result<(), Fault> {
    let fields: serde_json::Map<String, Value> = read("reasoning", raw)?;
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_null()) {
        let place = format!("reasoning.{name}");
        match &*name {
            // A level that is newer than this gateway is no mistake of the client's.
            "effort" => match serde_json::from_value::<ReasoningLevel>(value) {
                Ok(level) => out.reasoning = Some(Reasoning::Level(level)),
                Err(_) => out.others.push(place),
            },
            // A summary of thoughts that nobody gives out.
            "summary" | "generate_summary" => out.dropped.push(place),
            _ => out.others.push(place),
        }
    }
    Ok(())
}

fn read_include(raw: &[u8], out: &mut Conversation) -> Result<(), Fault> {
    for (at, what) in read::<Vec<String>>("include", raw)?.into_iter().enumerate() {
        let place = format!("include[{at}]");
        match NEVER_THERE.contains(&&*what) {
            true => out.dropped.push(place),
            false => out.others.push(place),
        }
    }
    Ok(())
}
