//! `response`: reading the answer that is being judged, piece by piece.

use jackfield_core::base::json_pointer;

use crate::bindings::jackfield::plugin::response::{FinishReason, Host, TokenUsage, ToolCall};
use crate::convert;
use crate::state::CallState;

impl Host for CallState {
    fn text(&mut self) -> wasmtime::Result<String> {
        self.meter.enter(0)?;
        Ok(self.draft()?.text().to_owned())
    }

    fn body(&mut self) -> wasmtime::Result<String> {
        self.meter.enter(0)?;
        Ok(String::from_utf8_lossy(self.draft()?.body()).into_owned())
    }

    fn body_pointer(&mut self, pointer: String) -> wasmtime::Result<Option<String>> {
        self.meter.enter(pointer.len())?;
        let found = json_pointer(self.draft()?.body(), &pointer);
        Ok(found.map(|json| String::from_utf8_lossy(&json).into_owned()))
    }

    fn tool_calls(&mut self) -> wasmtime::Result<Vec<ToolCall>> {
        self.meter.enter(0)?;
        let calls = self.draft()?.reply.choices.first().map(|choice| choice.tool_calls.as_slice());
        let shown = |call: &jackfield_core::contract::ToolCall| ToolCall {
            id: call.id.clone(),
            name: call.name.clone(),
            arguments: call.arguments.clone(),
        };
        Ok(calls.unwrap_or_default().iter().map(shown).collect())
    }

    fn finish(&mut self) -> wasmtime::Result<FinishReason> {
        self.meter.enter(0)?;
        Ok(convert::finish(self.draft()?.finish()))
    }

    fn usage(&mut self) -> wasmtime::Result<Option<TokenUsage>> {
        self.meter.enter(0)?;
        Ok(self.draft()?.reply.usage.map(convert::usage))
    }

    fn model(&mut self) -> wasmtime::Result<String> {
        self.meter.enter(0)?;
        Ok(self.draft()?.model.clone())
    }

    fn attempt(&mut self) -> wasmtime::Result<u32> {
        self.meter.enter(0)?;
        Ok(self.draft()?.attempt)
    }
}
