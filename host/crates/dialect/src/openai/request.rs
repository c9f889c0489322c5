//! A client's request: checked once, read where it lies.
//!
//! Only fields that the gateway acts on are checked; the rest is the provider's business and is
//! forwarded as it came. Numbers stay as the client wrote them.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use jackfield_core::base::{JsonObject, JsonText, ObjectError};
use jackfield_core::contract::{ChatRequest, Content, Dialect, Fault, FaultKind, Message, Part, Role};

use super::rewrite::TASK_FIELD;

/// The model name that leaves the choice to the gateway, for clients that must send one.
const AUTO: &str = "auto";

/// The longest name of a model or task taken, in bytes: longer ones would only fill logs.
pub const MAX_NAME: usize = 256;
/// Messages taken in one conversation: far above any real one, low enough that their records stay small.
pub(super) const MAX_MESSAGES: usize = 16_384;

/// Parses the body of `POST /v1/chat/completions`. A fault names the field and what it should be.
pub fn parse_request(bytes: Bytes) -> Result<ChatRequest, Fault> {
    let body = JsonObject::parse(bytes).map_err(malformed)?;
    let model = model_of(&body)?;
    let messages = parse_messages(&body)?;
    let stream = optional::<bool>(&body, "stream", "a boolean")?.unwrap_or(false);
    let include_usage = match object(&body, "stream_options")? {
        Some(options) => {
            optional_in::<bool>(&options, "stream_options.include_usage", "include_usage", "a boolean")?
                .unwrap_or(false)
        }
        None => false,
    };
    let task = task_of(&body)?;
    for name in ["temperature", "top_p", "presence_penalty", "frequency_penalty"] {
        optional::<f64>(&body, name, "a number")?;
    }
    positive(&body, "n")?;
    let max_output_tokens = match positive(&body, "max_completion_tokens")? {
        Some(max) => Some(max),
        None => positive(&body, "max_tokens")?,
    };
    let tools = optional::<Vec<Box<RawValue>>>(&body, "tools", "an array")?.unwrap_or_default();
    let format = object(&body, "response_format")?;
    let has_response_schema = format.is_some_and(|f| f.get("json_schema").is_some());
    Ok(ChatRequest {
        dialect: Dialect::OpenAiChat,
        body,
        model,
        messages,
        stream,
        include_usage,
        task,
        has_tools: !tools.is_empty(),
        has_response_schema,
        max_output_tokens,
    })
}

/// The model that the client named, if it did.
pub(crate) fn model_of(body: &JsonObject) -> Result<Option<String>, Fault> {
    let name = named("model", optional::<String>(body, "model", "a string")?)?;
    Ok(name.filter(|m| !m.is_empty() && m != AUTO))
}

/// The task in the client's labels, if there is one.
pub(crate) fn task_of(body: &JsonObject) -> Result<Option<String>, Fault> {
    let Some(metadata) = object(body, "metadata")? else { return Ok(None) };
    named("metadata.task", optional_in::<String>(&metadata, "metadata.task", TASK_FIELD, "a string")?)
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawPart<'a> {
    r#type: Option<String>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

fn parse_messages(body: &JsonObject) -> Result<Vec<Message>, Fault> {
    let list = messages_of(body)?;
    list.into_iter().enumerate().map(|(at, raw)| parse_message(at, raw)).collect()
}

/// The texts of a conversation's messages, none of them read yet. At least one.
pub(crate) fn messages_of(body: &JsonObject) -> Result<Vec<Bytes>, Fault> {
    let Some(raw) = body.get("messages") else {
        return Err(Fault::invalid("messages", "missing required parameter: 'messages'"));
    };
    let list: Vec<&RawValue> =
        serde_json::from_slice(&raw).map_err(|_| wrong_type("messages", "an array of messages", &raw))?;
    if list.is_empty() {
        return Err(Fault::invalid("messages", "'messages' is empty: send at least one message"));
    }
    if list.len() > MAX_MESSAGES {
        let message = format!("'messages' has {} entries; at most {MAX_MESSAGES} are taken", list.len());
        return Err(Fault::invalid("messages", message));
    }
    Ok(list.iter().map(|text| raw.slice_ref(text.get().as_bytes())).collect())
}

fn parse_message(at: usize, raw: Bytes) -> Result<Message, Fault> {
    let place = |field: &str| format!("messages[{at}]{field}");
    if raw.first() != Some(&b'{') {
        return Err(wrong_type(&place(""), "an object", &raw));
    }
    let fields: RawMessage<'_> = serde_json::from_slice(&raw)
        .map_err(|e| Fault::invalid(place(""), format!("'{}' {e}", place(""))))?;
    let Some(role) = fields.role else {
        return Err(Fault::invalid(
            place(".role"),
            format!("missing required parameter: '{}'", place(".role")),
        ));
    };
    // A role may be spelled with escapes, so it cannot be borrowed.
    let word = serde_json::from_str::<String>(role.get());
    let role = match word.as_deref() {
        Ok("system" | "developer") => Role::System,
        Ok("user") => Role::User,
        Ok("assistant") => Role::Assistant,
        Ok("tool" | "function") => Role::Tool,
        Ok(other) => {
            let message = format!(
                "invalid value for '{}': '{}'; supported values are 'system', 'developer', 'user', 'assistant', 'tool' and 'function'",
                place(".role"),
                excerpt(other)
            );
            return Err(Fault::invalid(place(".role"), message));
        }
        Err(_) => return Err(wrong_type(&place(".role"), "a string", role.get().as_bytes())),
    };
    let content = match fields.content {
        None => Content::Empty,
        Some(content) => parse_content(&place(".content"), raw.slice_ref(content.get().as_bytes()))?,
    };
    Ok(Message { role, content, raw })
}

fn parse_content(place: &str, raw: Bytes) -> Result<Content, Fault> {
    match raw.first() {
        Some(b'"') => Ok(Content::Text(JsonText::from_literal(raw))),
        Some(b'n') => Ok(Content::Empty),
        Some(b'[') => {
            let list: Vec<&RawValue> =
                serde_json::from_slice(&raw).map_err(|_| wrong_type(place, "an array", &raw))?;
            let parts = list.iter().enumerate().map(|(at, part)| {
                let place = format!("{place}[{at}]");
                parse_part(&place, &raw, part.get())
            });
            Ok(Content::Parts(parts.collect::<Result<_, _>>()?))
        }
        _ => Err(wrong_type(place, "a string, an array of parts or null", &raw)),
    }
}

fn parse_part(place: &str, raw: &Bytes, part: &str) -> Result<Part, Fault> {
    let fields: RawPart<'_> = serde_json::from_str(part)
        .map_err(|_| wrong_type(place, "an object with a 'type'", part.as_bytes()))?;
    let kind = fields.r#type.ok_or_else(|| {
        Fault::invalid(format!("{place}.type"), format!("missing required parameter: '{place}.type'"))
    })?;
    match kind.as_str() {
        "text" => match fields.text {
            Some(text) if text.get().starts_with('"') => {
                Ok(Part::Text(JsonText::from_literal(raw.slice_ref(text.get().as_bytes()))))
            }
            Some(text) => Err(wrong_type(&format!("{place}.text"), "a string", text.get().as_bytes())),
            None => Err(Fault::invalid(
                format!("{place}.text"),
                format!("missing required parameter: '{place}.text'"),
            )),
        },
        "image_url" => Ok(Part::Image),
        _ => Ok(Part::Other(kind)),
    }
}

/// A name of a bearable length.
fn named(place: &str, name: Option<String>) -> Result<Option<String>, Fault> {
    match name {
        Some(name) if name.len() > MAX_NAME => {
            let message =
                format!("invalid value for '{place}': {} bytes long; at most {MAX_NAME}", name.len());
            Err(Fault::invalid(place, message))
        }
        name => Ok(name),
    }
}

/// A field of the body; `null` counts as absent.
pub(crate) fn optional<T: DeserializeOwned>(
    body: &JsonObject,
    name: &str,
    what: &str,
) -> Result<Option<T>, Fault> {
    optional_in(body, name, name, what)
}

/// A field of one of the body's objects; `place` is where it is.
pub(super) fn optional_in<T: DeserializeOwned>(
    object: &JsonObject,
    place: &str,
    name: &str,
    what: &str,
) -> Result<Option<T>, Fault> {
    let Some(raw) = object.get(name) else { return Ok(None) };
    serde_json::from_slice::<Option<T>>(&raw).map_err(|_| wrong_type(place, what, &raw))
}

/// A count of at least 1.
pub(super) fn positive(body: &JsonObject, name: &str) -> Result<Option<u64>, Fault> {
    match optional::<u64>(body, name, "an integer of at least 1")? {
        Some(0) => {
            Err(Fault::invalid(name, format!("invalid value for '{name}': must be at least 1, got 0")))
        }
        other => Ok(other),
    }
}

/// An object in the body; `null` counts as absent.
pub(crate) fn object(body: &JsonObject, name: &str) -> Result<Option<JsonObject>, Fault> {
    match body.get(name) {
        None => Ok(None),
        Some(raw) if raw.as_ref() == b"null" => Ok(None),
        Some(raw) if raw.first() == Some(&b'{') => JsonObject::parse(raw)
            .map(Some)
            .map_err(|e| Fault::invalid(name, format!("invalid value for '{name}': {e}"))),
        Some(raw) => Err(wrong_type(name, "an object", &raw)),
    }
}

/// A body that is not taken.
pub(crate) fn malformed(error: ObjectError) -> Fault {
    match &error {
        ObjectError::NotUtf8 { .. } | ObjectError::NotAnObject(_) => {
            Fault::new(FaultKind::MalformedBody, format!("the request body is not a JSON object: {error}"))
        }
        ObjectError::Duplicate(name) => Fault::invalid(name.to_string(), error.to_string()),
        ObjectError::TooMany => Fault::new(FaultKind::InvalidRequest, error.to_string()),
    }
}

/// A field of another type than `want`.
pub(crate) fn wrong_type(place: &str, want: &str, raw: &[u8]) -> Fault {
    let got = match raw.first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    };
    let got = if want.starts_with(got) { format!("{got} that is not one") } else { got.to_owned() };
    Fault::invalid(place, format!("invalid type for '{place}': expected {want}, got {got}"))
}

/// Enough of a client's own word to recognise it in an error.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(64).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests;
