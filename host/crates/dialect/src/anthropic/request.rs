//! A client's request: checked once, read where it lies.
//!
//! Only fields that the gateway acts on are checked; the rest is the provider's business and is forwarded as it came. The
//! view that is decided on begins with the standing instructions, and the results of tools in a user's message are a
//! message of their own in it.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use jackfield_core::base::{JsonObject, JsonText};
use jackfield_core::contract::{ChatRequest, Content, Dialect, Fault, Message, Part, Role};

use crate::openai::fields::{
    excerpt, malformed, messages_of, model_of, object, optional, task_of, wrong_type,
};

/// Reads the body of `POST /v1/messages` or, by its dialect, of `POST /v1/messages/count_tokens`. A fault names the field
/// and what it should be.
pub fn parse_request(dialect: Dialect, bytes: Bytes) -> Result<ChatRequest, Fault> {
    let body = JsonObject::parse(bytes).map_err(malformed)?;
    let model = model_of(&body)?;
    let mut messages: Vec<Message> = parse_system(&body)?.into_iter().collect();
    parse_messages(&body, &mut messages)?;
    let task = task_of(&body)?;
    let answers = dialect == Dialect::AnthropicMessages;
    let max_output_tokens = optional::<u64>(&body, "max_tokens", "an integer of at least 0")?;
    if answers && max_output_tokens.is_none() {
        return Err(missing("max_tokens"));
    }
    for name in ["temperature", "top_p"] {
        optional::<f64>(&body, name, "a number")?;
    }
    optional::<u64>(&body, "top_k", "an integer of at least 0")?;
    optional::<Vec<String>>(&body, "stop_sequences", "an array of strings")?;
    object(&body, "thinking")?;
    object(&body, "tool_choice")?;
    let stream = optional::<bool>(&body, "stream", "a boolean")?.unwrap_or(false);
    let tools = optional::<Vec<Box<RawValue>>>(&body, "tools", "an array")?.unwrap_or_default();
    let config = object(&body, "output_config")?;
    let has_response_schema =
        config.and_then(|config| config.get("format")).is_some_and(|format| format.as_ref() != b"null");
    Ok(ChatRequest {
        dialect,
        body,
        model,
        messages,
        stream: stream && answers,
        include_usage: true,
        task,
        has_tools: !tools.is_empty(),
        has_response_schema,
        max_output_tokens: max_output_tokens.filter(|max| *max > 0),
    })
}

/// A field that has to be there.
pub(super) fn missing(place: &str) -> Fault {
    Fault::invalid(place, format!("missing required parameter: '{place}'"))
}

fn parse_system(body: &JsonObject) -> Result<Option<Message>, Fault> {
    let Some(raw) = body.get("system").filter(|raw| raw.as_ref() != b"null") else { return Ok(None) };
    let content = match raw.first() {
        Some(b'"') => Content::Text(JsonText::from_literal(raw.clone())),
        Some(b'[') => Content::Parts(parse_blocks("system", &raw)?.into_iter().map(Block::part).collect()),
        _ => return Err(wrong_type("system", "a string or an array of text blocks", &raw)),
    };
    Ok(Some(Message { role: Role::System, content, raw }))
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawBlock<'a> {
    r#type: Option<String>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

/// A block of a message's content, as far as it is looked at.
enum Block {
    Part(Part),
    /// What came of a call.
    Result(Vec<Part>),
}

impl Block {
    fn part(self) -> Part {
        match self {
            Self::Part(part) => part,
            Self::Result(_) => Part::Other("tool_result".to_owned()),
        }
    }
}

fn parse_messages(body: &JsonObject, out: &mut Vec<Message>) -> Result<(), Fault> {
    for (at, raw) in messages_of(body)?.into_iter().enumerate() {
        parse_message(at, raw, out)?;
    }
    Ok(())
}

fn parse_message(at: usize, raw: Bytes, out: &mut Vec<Message>) -> Result<(), Fault> {
    let place = |field: &str| format!("messages[{at}]{field}");
    if raw.first() != Some(&b'{') {
        return Err(wrong_type(&place(""), "an object", &raw));
    }
    let fields: RawMessage<'_> = serde_json::from_slice(&raw)
        .map_err(|e| Fault::invalid(place(""), format!("'{}' {e}", place(""))))?;
    let role = fields.role.ok_or_else(|| missing(&place(".role")))?;
    // A role may be spelled with escapes, so it cannot be borrowed.
    let role = match serde_json::from_str::<String>(role.get()).as_deref() {
        Ok("user") => Role::User,
        Ok("assistant") => Role::Assistant,
        Ok("system") => Role::System,
        Ok(other) => {
            let message = format!(
                "invalid value for '{}': '{}'; supported values are 'user', 'assistant' and 'system'",
                place(".role"),
                excerpt(other)
            );
            return Err(Fault::invalid(place(".role"), message));
        }
        Err(_) => return Err(wrong_type(&place(".role"), "a string", role.get().as_bytes())),
    };
    let content = fields.content.ok_or_else(|| missing(&place(".content")))?;
    let content = raw.slice_ref(content.get().as_bytes());
    match content.first() {
        Some(b'"') => {
            out.push(Message { role, content: Content::Text(JsonText::from_literal(content)), raw });
        }
        Some(b'[') => {
            let (mut results, mut parts) = (Vec::new(), Vec::new());
            for block in parse_blocks(&place(".content"), &content)? {
                match block {
                    Block::Part(part) => parts.push(part),
                    Block::Result(said) => results.push(said),
                }
            }
            let has_results = !results.is_empty();
            if has_results {
                let parts = results.into_iter().flatten().collect();
                out.push(Message { role: Role::Tool, content: Content::Parts(parts), raw: raw.clone() });
            }
            if !parts.is_empty() || !has_results {
                out.push(Message { role, content: Content::Parts(parts), raw });
            }
        }
        _ => return Err(wrong_type(&place(".content"), "a string or an array of content blocks", &content)),
    }
    Ok(())
}

fn parse_blocks(place: &str, raw: &Bytes) -> Result<Vec<Block>, Fault> {
    let list: Vec<&RawValue> =
        serde_json::from_slice(raw).map_err(|_| wrong_type(place, "an array of content blocks", raw))?;
    let blocks = list.iter().enumerate().map(|(at, block)| {
        let place = format!("{place}[{at}]");
        parse_block(&place, raw, block.get())
    });
    blocks.collect()
}

fn parse_block(place: &str, raw: &Bytes, block: &str) -> Result<Block, Fault> {
    let fields: RawBlock<'_> = serde_json::from_str(block)
        .map_err(|_| wrong_type(place, "an object with a 'type'", block.as_bytes()))?;
    let kind = fields.r#type.ok_or_else(|| missing(&format!("{place}.type")))?;
    let part = match kind.as_str() {
        "text" => match fields.text {
            Some(text) if text.get().starts_with('"') => {
                Part::Text(JsonText::from_literal(raw.slice_ref(text.get().as_bytes())))
            }
            Some(text) => {
                return Err(wrong_type(&format!("{place}.text"), "a string", text.get().as_bytes()));
            }
            None => return Err(missing(&format!("{place}.text"))),
        },
        "image" => Part::Image,
        "tool_result" => return parse_result(place, raw, fields.content).map(Block::Result),
        _ => Part::Other(kind),
    };
    Ok(Block::Part(part))
}

fn parse_result(place: &str, raw: &Bytes, content: Option<&RawValue>) -> Result<Vec<Part>, Fault> {
    let Some(content) = content.filter(|content| content.get() != "null") else { return Ok(Vec::new()) };
    let content = raw.slice_ref(content.get().as_bytes());
    let place = format!("{place}.content");
    match content.first() {
        Some(b'"') => Ok(vec![Part::Text(JsonText::from_literal(content))]),
        Some(b'[') => {
            let list: Vec<&RawValue> = serde_json::from_slice(&content)
                .map_err(|_| wrong_type(&place, "an array of content blocks", &content))?;
            let mut parts = Vec::with_capacity(list.len());
            for (at, block) in list.iter().enumerate() {
                let place = format!("{place}[{at}]");
                // Results hold no results: no deeper than this.
                match serde_json::from_str::<RawBlock<'_>>(block.get()) {
                    Ok(RawBlock { r#type: Some(kind), .. }) if kind == "tool_result" => {
                        parts.push(Part::Other(kind));
                    }
                    _ => parts.push(parse_block(&place, &content, block.get())?.part()),
                }
            }
            Ok(parts)
        }
        _ => Err(wrong_type(&place, "a string or an array of content blocks", &content)),
    }
}

#[cfg(test)]
pub(super) mod tests;
