//! The request that is decided about.
//!
//! The summary came with the call; everything else is asked of the host when a rule wants it, and copied then.

use std::cell::OnceCell;
use std::ops::Deref;

use serde::de::DeserializeOwned;

use crate::{RequestSummary, imports, json};

pub use crate::bindings::imports::jackfield::plugin::request::Message;

/// The request that is decided about: its summary as fields (`request.task`, `request.streaming`, all of
/// [`RequestSummary`]), its texts as methods.
#[derive(Debug)]
pub struct Request {
    summary: RequestSummary,
    prompt: OnceCell<String>,
    system: OnceCell<String>,
    body: OnceCell<String>,
}

impl Request {
    pub(crate) fn new(summary: RequestSummary) -> Self {
        Self { summary, prompt: OnceCell::new(), system: OnceCell::new(), body: OnceCell::new() }
    }

    /// The text of the last user message, the prompt proper; empty when there is none. Copied from the host at
    /// the first call; to look for a word, [`contains`](Self::contains) copies nothing.
    pub fn prompt(&self) -> &str {
        self.prompt.get_or_init(imports::request::last_user_text)
    }

    /// Whether the prompt contains this text, to the letter. The host searches: a megabyte takes it some 50 µs.
    pub fn contains(&self, needle: &str) -> bool {
        imports::request::contains(needle)
    }

    /// All standing instructions, joined by a line feed; empty when there are none.
    pub fn system_text(&self) -> &str {
        self.system.get_or_init(imports::request::system_text)
    }

    /// One message by its place, the first being 0.
    pub fn message(&self, index: u32) -> Option<Message> {
        imports::request::message_at(index)
    }

    /// The whole conversation.
    pub fn messages(&self) -> Vec<Message> {
        imports::request::messages()
    }

    /// One request header; the case of its name does not matter. Credentials are never shown.
    pub fn header(&self, name: &str) -> Option<String> {
        imports::request::header(&name.to_ascii_lowercase())
    }

    /// The value of a label given by an earlier plugin.
    pub fn label(&self, name: &str) -> Option<String> {
        imports::request::label_value(name)
    }

    /// The request's body as JSON text, in the client's own dialect.
    pub fn body(&self) -> &str {
        self.body.get_or_init(imports::request::body)
    }

    /// One value of the body, as JSON text, by its JSON pointer (RFC 6901), for example
    /// `/tools/0/function/name`.
    pub fn body_pointer(&self, pointer: &str) -> Option<String> {
        imports::request::body_pointer(pointer)
    }

    /// One value of the body, read; absent when it is not there or is of another type.
    pub fn body_value<T: DeserializeOwned>(&self, pointer: &str) -> Option<T> {
        json::from_str(&self.body_pointer(pointer)?).ok()
    }

    /// Whether the request names this task.
    pub fn is_task(&self, task: &str) -> bool {
        self.summary.task.as_deref() == Some(task)
    }
}

impl Deref for Request {
    type Target = RequestSummary;

    fn deref(&self) -> &RequestSummary {
        &self.summary
    }
}
