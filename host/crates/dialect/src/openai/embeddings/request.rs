//! A request for embeddings: checked once, and read where it lies. Token arrays are the provider's business.

use bytes::Bytes;
use serde_json::value::RawValue;

use jackfield_core::base::{JsonObject, JsonText, LossyText};
use jackfield_core::contract::{ChatRequest, Content, Dialect, Fault, Message, Part, Role};

use crate::openai::request::{MAX_MESSAGES, malformed, model_of, optional, positive, task_of, wrong_type};

/// What an entry of tokens is called where only its kind is told.
const TOKENS: &str = "tokens";

/// Parses the body of `POST /v1/embeddings`. A fault names the field and what it should be.
pub(super) fn parse(bytes: Bytes) -> Result<ChatRequest, Fault> {
    let body = JsonObject::parse(bytes).map_err(malformed)?;
    let model = model_of(&body)?;
    let input =
        body.get("input").ok_or_else(|| Fault::invalid("input", "missing required parameter: 'input'"))?;
    let content = read_input(&input)?;
    if optional::<bool>(&body, "stream", "a boolean")? == Some(true) {
        return Err(Fault::invalid("stream", "embeddings cannot be streamed: remove 'stream'"));
    }
    optional::<String>(&body, "encoding_format", "a string")?;
    positive(&body, "dimensions")?;
    let task = task_of(&body)?;
    Ok(ChatRequest {
        dialect: Dialect::OpenAiEmbeddings,
        body,
        model,
        messages: vec![Message { role: Role::User, content, raw: input }],
        stream: false,
        include_usage: false,
        task,
        has_tools: false,
        has_response_schema: false,
        max_output_tokens: None,
    })
}

/// The texts, as far as there are any.
fn read_input(raw: &Bytes) -> Result<Content, Fault> {
    let want = "a string, an array of strings, an array of tokens or an array of those";
    match raw.first() {
        Some(b'"') => return Ok(Content::Text(JsonText::from_literal(raw.clone()))),
        Some(b'[') => {}
        _ => return Err(wrong_type("input", want, raw)),
    }
    let list: Vec<&RawValue> = serde_json::from_slice(raw).map_err(|_| wrong_type("input", want, raw))?;
    let Some(kind) = list.first().map(|first| kind(first)) else {
        return Err(Fault::invalid("input", "'input' is empty: send at least one text"));
    };
    if let Some(at) = list.iter().position(|entry| self::kind(entry) != kind || kind == Kind::Other) {
        let raw = list.get(at).map_or("", |entry| entry.get());
        return Err(wrong_type(&format!("input[{at}]"), kind.name(), raw.as_bytes()));
    }
    if kind != Kind::Token && list.len() > MAX_MESSAGES {
        let message = format!("'input' has {} entries; at most {MAX_MESSAGES} are taken", list.len());
        return Err(Fault::invalid("input", message));
    }
    Ok(Content::Parts(match kind {
        Kind::Text => list
            .iter()
            .map(|text| Part::Text(JsonText::from_literal(raw.slice_ref(text.get().as_bytes()))))
            .collect(),
        _ => vec![Part::Other(TOKENS.to_owned())],
    }))
}

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Token,
    Tokens,
    Other,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Token => "an integer",
            Self::Tokens => "an array",
            Self::Other => "a string or an array of tokens",
        }
    }
}

pub(super) fn kind(entry: &RawValue) -> Kind {
    match entry.get().as_bytes().first() {
        Some(b'"') => Kind::Text,
        Some(b'0'..=b'9') => Kind::Token,
        Some(b'[') => Kind::Tokens,
        _ => Kind::Other,
    }
}

/// What is wanted, for whoever answers without a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What is to be embedded.
    pub inputs: Vec<Input>,
    /// How many numbers each vector is to have.
    pub dimensions: Option<u64>,
    /// How they are to be written; `None`: as numbers.
    pub encoding: Option<String>,
}

/// One thing to be embedded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A text.
    Text(String),
    /// Tokens, as JSON without white space.
    Tokens(String),
}

/// Reads a request that was parsed.
pub fn wanted(request: &ChatRequest) -> Wanted {
    let raw = request.body.get("input").unwrap_or_default();
    let text = String::from_utf8_lossy(&raw);
    let inputs = match serde_json::from_str::<Vec<&RawValue>>(&text) {
        Ok(list) if list.first().is_some_and(|first| kind(first) != Kind::Token) => {
            list.iter().map(|entry| input(entry.get())).collect()
        }
        _ => vec![input(&text)],
    };
    Wanted {
        inputs,
        dimensions: positive(&request.body, "dimensions").ok().flatten(),
        encoding: optional(&request.body, "encoding_format", "a string").ok().flatten(),
    }
}

fn input(json: &str) -> Input {
    match serde_json::from_str::<LossyText>(json) {
        Ok(text) => Input::Text(text.0),
        Err(_) => Input::Tokens(json.chars().filter(|c| !c.is_ascii_whitespace()).collect()),
    }
}
