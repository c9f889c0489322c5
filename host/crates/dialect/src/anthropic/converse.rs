//! A Messages request in nobody's dialect.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use jackfield_core::contract::{ChatRequest, Fault, ReasoningLevel, Role};

use super::request::missing;
use crate::conversation::{Block, Conversation, Format, Image, Reasoning, Tool, ToolChoice, Turn};
use crate::openai::fields::{is_task_alone, read};

/// Fields that change no answer: labels, advice about caching, and what is told beside it.
const HARMLESS: &[&str] = &["cache_control", "diagnostics", "service_tier", "user_profile_id"];

/// Fields that change nothing when they hold the API's default.
const DEFAULTS: &[(&str, &str)] =
    &[("service_tier", r#""auto""#), ("speed", r#""standard""#), ("mcp_servers", "[]")];

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
    // Standing instructions come first, wherever the field stands.
    if let Some(raw) = request.body.get("system").filter(|raw| raw.as_ref() != b"null") {
        let blocks = read_content("system", &raw, &mut out)?;
        out.turns.push(Turn { role: Role::System, blocks });
    }
    let (mut thinking, mut effort) = (None, None);
    for (name, raw) in request.body.iter().filter(|(_, raw)| raw.as_ref() != b"null") {
        match name {
            "model" | "system" | "stream" => {}
            "max_tokens" if request.max_output_tokens.is_some() => {}
            "messages" => read_messages(&raw, &mut out)?,
            "temperature" => out.temperature = Some(read(name, &raw)?),
            "top_p" => out.top_p = Some(read(name, &raw)?),
            "top_k" => out.top_k = Some(read(name, &raw)?),
            "stop_sequences" => out.stop = read(name, &raw)?,
            "tools" => out.tools = read_tools(&raw, &mut out)?,
            "tool_choice" => read_tool_choice(&raw, &mut out)?,
            "metadata" => read_metadata(&raw, &mut out)?,
            "thinking" => thinking = read_thinking(&raw, &mut out)?,
            "output_config" => effort = read_config(&raw, &mut out)?,
            _ if DEFAULTS
                .iter()
                .any(|(field, default)| *field == name && raw.as_ref() == default.as_bytes()) => {}
            _ if HARMLESS.contains(&name) => note(&mut out, name),
            _ => out.others.push(name.to_owned()),
        }
    }
    out.reasoning = effort.or(thinking);
    Ok(out)
}

/// Notes what is left out and changes no answer, once.
fn note(out: &mut Conversation, what: &str) {
    if !out.dropped.iter().any(|noted| noted == what) {
        out.dropped.push(what.to_owned());
    }
}

#[derive(Deserialize)]
struct WireMessage<'a> {
    role: String,
    #[serde(borrow)]
    content: &'a RawValue,
}

/// A text, or blocks.
enum Content<'a> {
    Text(String),
    Blocks(Vec<&'a RawValue>),
}

impl<'a> Content<'a> {
    fn read(place: &str, json: &'a [u8]) -> Result<Self, Fault> {
        match json.first() {
            Some(b'"') => read(place, json).map(Self::Text),
            _ => read(place, json).map(Self::Blocks),
        }
    }
}

#[derive(Deserialize)]
struct WireBlock<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    text: Option<String>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    id: Option<String>,
    name: Option<String>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    tool_use_id: Option<String>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    is_error: Option<bool>,
    #[serde(borrow)]
    cache_control: Option<&'a RawValue>,
    #[serde(borrow)]
    citations: Option<&'a RawValue>,
    #[serde(borrow)]
    transformations: Option<&'a RawValue>,
    #[serde(borrow)]
    toolset_name: Option<&'a RawValue>,
}

fn read_messages(raw: &[u8], out: &mut Conversation) -> Result<(), Fault> {
    for (at, message) in read::<Vec<WireMessage<'_>>>("messages", raw)?.into_iter().enumerate() {
        let place = format!("messages[{at}].content");
        let blocks = read_content(&place, message.content.get().as_bytes(), out)?;
        let role = match message.role.as_str() {
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => Role::User,
        };
        let (results, said): (Vec<Block>, Vec<Block>) =
            blocks.into_iter().partition(|block| matches!(block, Block::ToolResult { .. }));
        let only_results = !results.is_empty() && said.is_empty();
        if !results.is_empty() {
            out.turns.push(Turn { role: Role::Tool, blocks: results });
        }
        if !only_results {
            out.turns.push(Turn { role, blocks: said });
        }
    }
    Ok(())
}

fn read_content(place: &str, json: &[u8], out: &mut Conversation) -> Result<Vec<Block>, Fault> {
    let list = match Content::read(place, json)? {
        Content::Text(text) => return Ok(vec![Block::Text(text)]),
        Content::Blocks(list) => list,
    };
    let mut blocks = Vec::with_capacity(list.len());
    for (at, block) in list.into_iter().enumerate() {
        let place = format!("{place}[{at}]");
        blocks.extend(read_block(&place, block.get(), out)?);
    }
    Ok(blocks)
}

/// One block; nothing for what is left out and for what has no place here.
fn read_block(place: &str, json: &str, out: &mut Conversation) -> Result<Option<Block>, Fault> {
    let wire: WireBlock<'_> = read(place, json.as_bytes())?;
    for (there, what) in [
        (wire.cache_control, "cache_control"),
        (wire.citations, "citations"),
        (wire.transformations, "transformations"),
        (wire.toolset_name, "toolset_name"),
    ] {
        if there.is_some_and(|value| !matches!(value.get(), "null" | "[]" | "{}")) {
            note(out, what);
        }
    }
    let need = |field: &str| missing(&format!("{place}.{field}"));
    let block = match &*wire.r#type {
        "text" => Block::Text(wire.text.ok_or_else(|| need("text"))?),
        "image" => {
            let source = wire.source.ok_or_else(|| need("source"))?;
            match read_image(&format!("{place}.source"), source.get())? {
                Some(image) => Block::Image(image),
                None => {
                    out.others.push(format!("{place}.source"));
                    return Ok(None);
                }
            }
        }
        "tool_use" => Block::ToolCall {
            id: wire.id.ok_or_else(|| need("id"))?,
            name: wire.name.ok_or_else(|| need("name"))?,
            arguments: wire.input.map_or_else(|| "{}".to_owned(), |input| input.get().to_owned()),
        },
        "tool_result" => {
            let id = wire.tool_use_id.ok_or_else(|| need("tool_use_id"))?;
            let place = format!("{place}.content");
            let blocks = match wire.content.filter(|content| content.get() != "null") {
                None => Vec::new(),
                Some(content) => read_result(&place, content.get(), out)?,
            };
            Block::ToolResult { id, blocks, failed: wire.is_error.unwrap_or(false) }
        }
        // Earlier thoughts are for the model that had them.
        "thinking" | "redacted_thinking" => {
            note(out, "thinking");
            return Ok(None);
        }
        _ => {
            out.others.push(place.to_owned());
            return Ok(None);
        }
    };
    Ok(Some(block))
}

/// What came of a call: texts and pictures.
fn read_result(place: &str, json: &str, out: &mut Conversation) -> Result<Vec<Block>, Fault> {
    let list = match Content::read(place, json.as_bytes())? {
        Content::Text(text) => return Ok(vec![Block::Text(text)]),
        Content::Blocks(list) => list,
    };
    let mut blocks = Vec::with_capacity(list.len());
    for (at, block) in list.into_iter().enumerate() {
        let place = format!("{place}[{at}]");
        // No deeper than this: results hold no results.
        let kind: WireKind<'_> = read(&place, block.get().as_bytes())?;
        match &*kind.r#type {
            "text" | "image" => blocks.extend(read_block(&place, block.get(), out)?),
            _ => out.others.push(place),
        }
    }
    Ok(blocks)
}

#[derive(Deserialize)]
struct WireKind<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
}

#[derive(Deserialize)]
struct WireSource {
    r#type: String,
    url: Option<String>,
    media_type: Option<String>,
    data: Option<String>,
}

fn read_image(place: &str, json: &str) -> Result<Option<Image>, Fault> {
    let source: WireSource = read(place, json.as_bytes())?;
    let need = |field: &str| missing(&format!("{place}.{field}"));
    match source.r#type.as_str() {
        "url" => Ok(Some(Image::Url(source.url.ok_or_else(|| need("url"))?))),
        "base64" => Ok(Some(Image::Inline {
            media_type: source.media_type.ok_or_else(|| need("media_type"))?,
            data: source.data.ok_or_else(|| need("data"))?,
        })),
        _ => Ok(None),
    }
}

#[derive(Deserialize)]
struct WireTool {
    r#type: Option<String>,
    name: Option<String>,
    description: Option<String>,
    input_schema: Option<Box<RawValue>>,
    strict: Option<bool>,
    defer_loading: Option<bool>,
    cache_control: Option<Box<RawValue>>,
    input_examples: Option<Box<RawValue>>,
    allowed_callers: Option<Vec<String>>,
}

fn read_tools(raw: &[u8], out: &mut Conversation) -> Result<Vec<Tool>, Fault> {
    let mut tools = Vec::new();
    for (at, tool) in read::<Vec<WireTool>>("tools", raw)?.into_iter().enumerate() {
        let place = format!("tools[{at}]");
        if tool.r#type.as_deref().is_some_and(|kind| kind != "custom") {
            out.others.push(place);
            continue;
        }
        if tool.defer_loading == Some(true) {
            out.others.push(format!("{place}.defer_loading"));
        }
        if tool.allowed_callers.is_some_and(|callers| callers != ["direct"]) {
            out.others.push(format!("{place}.allowed_callers"));
        }
        if tool.input_examples.is_some_and(|examples| examples.get() != "null") {
            out.others.push(format!("{place}.input_examples"));
        }
        if tool.cache_control.is_some_and(|control| control.get() != "null") {
            note(out, "cache_control");
        }
        let name = tool.name.ok_or_else(|| missing(&format!("{place}.name")))?;
        let schema = tool.input_schema.filter(|schema| schema.get() != "null");
        tools.push(Tool { name, description: tool.description, schema, strict: tool.strict });
    }
    Ok(tools)
}

#[derive(Deserialize)]
struct WireChoice {
    r#type: String,
    name: Option<String>,
    disable_parallel_tool_use: Option<bool>,
}

fn read_tool_choice(raw: &[u8], out: &mut Conversation) -> Result<(), Fault> {
    let choice: WireChoice = read("tool_choice", raw)?;
    out.parallel_tool_calls = choice.disable_parallel_tool_use.map(|disabled| !disabled);
    out.tool_choice = match (choice.r#type.as_str(), choice.name) {
        ("auto", _) => Some(ToolChoice::Auto),
        ("any", _) => Some(ToolChoice::Required),
        ("none", _) => Some(ToolChoice::None),
        ("tool", Some(name)) => Some(ToolChoice::Named(name)),
        ("tool", None) => return Err(missing("tool_choice.name")),
        _ => {
            out.others.push("tool_choice".to_owned());
            None
        }
    };
    Ok(())
}

fn read_metadata(raw: &[u8], out: &mut Conversation) -> Result<(), Fault> {
    #[derive(Deserialize)]
    struct Wire {
        user_id: Option<String>,
    }
    out.user = read::<Wire>("metadata", raw)?.user_id;
    if out.user.is_none() && !is_task_alone(raw) {
        note(out, "metadata");
    }
    Ok(())
}

fn read_thinking(raw: &[u8], out: &mut Conversation) -> Result<Option<Reasoning>, Fault> {
    #[derive(Deserialize)]
    struct Wire {
        r#type: String,
        budget_tokens: Option<u64>,
        display: Option<String>,
    }
    let wire: Wire = read("thinking", raw)?;
    // Other providers' thoughts are not given out.
    if wire.display.as_deref().map_or(wire.r#type == "enabled", |display| display != "omitted") {
        note(out, "thinking.display");
    }
    Ok(match (wire.r#type.as_str(), wire.budget_tokens) {
        ("enabled", Some(tokens)) => Some(Reasoning::Budget(tokens)),
        ("enabled", None) => return Err(missing("thinking.budget_tokens")),
        ("disabled", _) => Some(Reasoning::Level(ReasoningLevel::None)),
        ("between_tools", _) => Some(Reasoning::Level(ReasoningLevel::Minimal)),
        // As the model sees fit, which is what others do unasked.
        ("adaptive", _) => None,
        _ => {
            out.others.push("thinking".to_owned());
            None
        }
    })
}

/// The effort; the format goes where it belongs.
fn read_config(raw: &[u8], out: &mut Conversation) -> Result<Option<Reasoning>, Fault> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        effort: Option<String>,
        #[serde(borrow)]
        format: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct WireFormat {
        r#type: String,
        schema: Option<Box<RawValue>>,
    }
    let wire: Wire<'_> = read("output_config", raw)?;
    if let Some(format) = wire.format.filter(|format| format.get() != "null") {
        let format: WireFormat = read("output_config.format", format.get().as_bytes())?;
        match (format.r#type.as_str(), format.schema) {
            ("json_schema", Some(schema)) => {
                let name = "answer".to_owned();
                // The API always keeps to the schema.
                let (description, strict) = (None, Some(true));
                out.format = Some(Format::JsonSchema { name, description, schema, strict });
            }
            ("json_schema", None) => return Err(missing("output_config.format.schema")),
            _ => out.others.push("output_config.format".to_owned()),
        }
    }
    let level = match wire.effort.as_deref() {
        None => return Ok(None),
        Some("low") => ReasoningLevel::Low,
        Some("medium") => ReasoningLevel::Medium,
        Some("high") => ReasoningLevel::High,
        // Nobody else has a word for more than high.
        Some("xhigh" | "max") => {
            note(out, "output_config.effort");
            ReasoningLevel::High
        }
        Some(_) => {
            out.others.push("output_config.effort".to_owned());
            return Ok(None);
        }
    };
    Ok(Some(Reasoning::Level(level)))
}

#[cfg(test)]
mod tests;
