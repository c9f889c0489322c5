//! `request`: reading what is being decided about, piece by piece.

use jackfield_core::base::json_pointer;
use jackfield_core::contract::Message as ChatMessage;

use crate::bindings::jackfield::plugin::request::{Host, Message};
use crate::state::CallState;

impl Host for CallState {
    fn last_user_text(&mut self) -> wasmtime::Result<String> {
        self.meter.enter(0)?;
        Ok(self.ask()?.facts.request.last_user_text())
    }

    fn system_text(&mut self) -> wasmtime::Result<String> {
        self.meter.enter(0)?;
        Ok(self.ask()?.facts.request.system_text())
    }

    fn message_at(&mut self, index: u32) -> wasmtime::Result<Option<Message>> {
        self.meter.enter(0)?;
        Ok(self.ask()?.facts.request.messages.get(index as usize).map(shown))
    }

    fn messages(&mut self) -> wasmtime::Result<Vec<Message>> {
        self.meter.enter(0)?;
        Ok(self.ask()?.facts.request.messages.iter().map(shown).collect())
    }

    fn header(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.meter.enter(name.len())?;
        let value = self.ask()?.facts.headers.get(name.as_str());
        Ok(value.and_then(|v| v.to_str().ok()).map(str::to_owned))
    }

    fn label_value(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.meter.enter(name.len())?;
        Ok(self.ask()?.labels.iter().rev().find(|(n, _)| *n == name).map(|(_, value)| value.clone()))
    }

    fn body(&mut self) -> wasmtime::Result<String> {
        self.meter.enter(0)?;
        Ok(String::from_utf8_lossy(self.ask()?.facts.request.body.bytes()).into_owned())
    }

    fn body_pointer(&mut self, pointer: String) -> wasmtime::Result<Option<String>> {
        self.meter.enter(pointer.len())?;
        let found = json_pointer(self.ask()?.facts.request.body.bytes(), &pointer);
        Ok(found.map(|json| String::from_utf8_lossy(&json).into_owned()))
    }

    fn contains(&mut self, needle: String) -> wasmtime::Result<bool> {
        self.meter.enter(needle.len())?;
        let finder = memchr::memmem::Finder::new(needle.as_bytes());
        let Some(message) = self.ask()?.facts.request.last_user() else { return Ok(needle.is_empty()) };
        Ok(needle.is_empty() || message.texts().any(|text| finder.find(text.as_str().as_bytes()).is_some()))
    }
}

fn shown(message: &ChatMessage) -> Message {
    Message { role: message.role.name().to_owned(), text: message.text(), has_image: message.has_image() }
}
