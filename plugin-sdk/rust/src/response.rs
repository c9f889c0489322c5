//! The answer that is judged. As with `crate::Request`, texts are copied when a check asks for them.

use std::cell::OnceCell;
use std::ops::Deref;

use serde::de::DeserializeOwned;

use crate::{ResponseSummary, TokenUsage, imports, json};

pub use crate::bindings::imports::jackfield::plugin::response::ToolCall;

/// The answer that is judged: its summary as fields (`response.model`, `response.finish`, all of
/// [`ResponseSummary`]), its texts as methods.
#[derive(Debug)]
pub struct Response {
    summary: ResponseSummary,
    text: OnceCell<String>,
    body: OnceCell<String>,
}

impl Response {
    pub(crate) fn new(summary: ResponseSummary) -> Self {
        Self { summary, text: OnceCell::new(), body: OnceCell::new() }
    }

    /// The answer's text; empty when it has none.
    pub fn text(&self) -> &str {
        self.text.get_or_init(imports::response::text)
    }

    /// The answer's text read as JSON.
    ///
    /// # Errors
    /// The text is no JSON, or not of this type; the error says where.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, json::Error> {
        json::from_str(self.text())
    }

    /// The answer's body as JSON text.
    pub fn body(&self) -> &str {
        self.body.get_or_init(imports::response::body)
    }

    /// One value of the body, as JSON text, by its JSON pointer (RFC 6901).
    pub fn body_pointer(&self, pointer: &str) -> Option<String> {
        imports::response::body_pointer(pointer)
    }

    /// The calls the model wants made.
    pub fn tool_calls(&self) -> Vec<ToolCall> {
        imports::response::tool_calls()
    }

    /// What the call consumed, if the provider said.
    pub fn usage(&self) -> Option<TokenUsage> {
        imports::response::usage()
    }
}

impl Deref for Response {
    type Target = ResponseSummary;

    fn deref(&self) -> &ResponseSummary {
        &self.summary
    }
}
