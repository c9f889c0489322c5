//! What a guest prints through WASI: each line is a line of the host's log, as if given to the `log` import.
//!
//! Bounds: the line count and length of that import, shared with it; one unfinished line is kept for each of the
//! two channels, cut at the length of a line. Nothing else is buffered and nobody is waited for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::log::say;
use crate::bindings::jackfield::plugin::log::Level;
use crate::state::Shared;

/// The bytes a guest may print at once.
const PERMIT: usize = 4 << 10;

/// Both channels of one instance. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Stdio {
    plugin: Arc<Shared>,
    heard: Arc<Mutex<Heard>>,
}

/// What was printed in the call under way.
#[derive(Default)]
struct Heard {
    request_id: Option<String>,
    lines: u32,
    out: Vec<u8>,
    err: Vec<u8>,
}

/// `stdout` or `stderr`.
#[derive(Clone)]
pub(crate) struct Channel {
    stdio: Stdio,
    is_err: bool,
}

impl Stdio {
    /// Silent yet; `lines` were logged in this call already.
    pub(crate) fn new(plugin: &Arc<Shared>, request_id: Option<String>, lines: u32) -> Self {
        let heard = Heard { request_id, lines, ..Heard::default() };
        Self { plugin: Arc::clone(plugin), heard: Arc::new(Mutex::new(heard)) }
    }

    /// Begins another call of the same instance.
    pub(crate) fn renew(&self, request_id: Option<String>) {
        *self.lock() = Heard { request_id, ..Heard::default() };
    }

    /// Ends a call: lines that were never ended are told all the same.
    pub(crate) fn finish(&self) {
        let mut heard = self.lock();
        for is_err in [false, true] {
            if !heard.channel(is_err).is_empty() {
                self.tell(&mut heard, is_err);
            }
        }
    }

    /// Counts one line; whether it may still be told.
    pub(crate) fn count(&self) -> bool {
        self.lock().count(self.plugin.limits.log_lines)
    }

    fn write(&self, is_err: bool, bytes: &[u8]) {
        let mut heard = self.lock();
        let mut lines = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = lines.next() {
            let line = heard.channel(is_err);
            let room = self.plugin.limits.log_line_size.saturating_sub(line.len());
            line.extend(part.iter().take(room));
            if lines.peek().is_some() {
                self.tell(&mut heard, is_err);
            }
        }
    }

    fn tell(&self, heard: &mut Heard, is_err: bool) {
        let line = std::mem::take(heard.channel(is_err));
        if heard.count(self.plugin.limits.log_lines) {
            let level = if is_err { Level::Warn } else { Level::Info };
            say(&self.plugin, heard.request_id.as_deref(), level, &String::from_utf8_lossy(&line));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        // What is half said in it is only text.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn channel(&mut self, is_err: bool) -> &mut Vec<u8> {
        if is_err { &mut self.err } else { &mut self.out }
    }

    fn count(&mut self, most: u32) -> bool {
        self.lines = self.lines.saturating_add(1);
        self.lines <= most
    }
}

impl Channel {
    /// Standard output.
    pub(crate) fn out(stdio: &Stdio) -> Self {
        Self { stdio: stdio.clone(), is_err: false }
    }

    /// Standard error.
    pub(crate) fn err(stdio: &Stdio) -> Self {
        Self { stdio: stdio.clone(), is_err: true }
    }
}

impl IsTerminal for Channel {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Channel {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    /// The form that preview 2 does not use.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::empty())
    }
}

impl OutputStream for Channel {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > PERMIT {
            return Err(StreamError::trap("printed more at once than `check-write` allowed"));
        }
        self.stdio.write(self.is_err, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        // A line is told when it ends: languages flush after every word.
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

#[async_trait]
impl Pollable for Channel {
    async fn ready(&mut self) {}
}
