//! What a gateway answers, to the byte.

use bytes::Bytes;
use serde_json::Value;

use crate::soon;
use crate::sse::{self, Frames};

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: http::HeaderMap,
    /// Its body, to the byte.
    pub body: Bytes,
}

impl Reply {
    pub(super) async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = soon("the answer's body", response.bytes()).await.expect("a whole body");
        Self { status, headers, body }
    }

    /// A header's value, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header of text"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {self:?}"))
    }

    /// The `code` of the body's `error`, whatever else is in the body.
    pub fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The body's `error` object, its shape checked: exactly `message`, `type`, `param` and `code`.
    ///
    /// # Panics
    /// When the body has another shape.
    pub fn error(&self) -> ErrorBody {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        ErrorBody::read(&self.json())
    }
}

/// An error in OpenAI's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorBody {
    /// What happened.
    pub message: String,
    /// Its `type`.
    pub kind: String,
    /// The field at fault.
    pub param: Option<String>,
    /// Its `code`.
    pub code: Option<String>,
}

impl ErrorBody {
    /// Reads and checks `{"error": {…}}`.
    ///
    /// # Panics
    /// When it is anything else.
    pub fn read(body: &Value) -> Self {
        let keys = |value: &Value| -> Vec<String> {
            value.as_object().map(|o| o.keys().cloned().collect()).unwrap_or_default()
        };
        assert_eq!(keys(body), ["error"], "{body}");
        let error = &body["error"];
        let mut names = keys(error);
        names.sort();
        assert_eq!(names, ["code", "message", "param", "type"], "{body}");
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        for name in ["param", "code"] {
            assert!(error[name].is_null() || error[name].is_string(), "{name}: {body}");
        }
        Self {
            message: text("message")
                .filter(|m| !m.is_empty())
                .unwrap_or_else(|| panic!("no message: {body}")),
            kind: text("type").unwrap_or_else(|| panic!("no type: {body}")),
            param: text("param"),
            code: text("code"),
        }
    }
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As HTTP says a body ends.
    Whole,
    /// In the middle.
    Broken,
}

/// An answer whose body is still coming.
#[derive(Debug)]
pub struct Stream {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: http::HeaderMap,
    response: reqwest::Response,
    frames: Frames,
    bytes: Vec<u8>,
    ending: Option<Ending>,
}

/// A stream that has ended.
#[derive(Clone, Debug)]
pub struct Streamed {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: http::HeaderMap,
    /// Its frames, to the byte.
    pub frames: Vec<Bytes>,
    /// The whole body, to the byte.
    pub body: Bytes,
    /// How it ended.
    pub ending: Ending,
}

impl Stream {
    pub(super) fn new(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, response, frames: Frames::default(), bytes: Vec::new(), ending: None }
    }

    /// The next frame to the byte; `None` when the stream has ended.
    pub async fn next_frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.frames.pop() {
                return Some(frame);
            }
            if self.ending.is_some() {
                return None;
            }
            match soon("the next frame", self.response.chunk()).await {
                Ok(Some(bytes)) => {
                    self.bytes.extend_from_slice(&bytes);
                    self.frames.push(&bytes);
                }
                Ok(None) => self.ending = Some(Ending::Whole),
                Err(_) => self.ending = Some(Ending::Broken),
            }
        }
    }

    /// Reads to the end. Frames taken before are not in the result's `frames`; their bytes are in `body`.
    pub async fn collect(mut self) -> Streamed {
        let mut frames = Vec::new();
        while let Some(frame) = self.next_frame().await {
            frames.push(frame);
        }
        Streamed {
            status: self.status,
            headers: self.headers,
            frames,
            body: self.bytes.into(),
            ending: self.ending.expect("read to the end"),
        }
    }
}

impl Streamed {
    /// The text that the frames' deltas of the first choice add up to.
    pub fn text(&self) -> String {
        self.chunks()
            .iter()
            .filter_map(|c| c.pointer("/choices/0/delta/content")?.as_str().map(str::to_owned))
            .collect()
    }

    /// Every frame's data that is JSON.
    pub fn chunks(&self) -> Vec<Value> {
        self.frames.iter().filter_map(|f| serde_json::from_str(&sse::data(f)?).ok()).collect()
    }

    /// The error in the last frame, its shape checked.
    ///
    /// # Panics
    /// When the last frame is none.
    pub fn error(&self) -> ErrorBody {
        let last = self.frames.last().expect("a frame");
        let data = sse::data(last).expect("a frame with data");
        ErrorBody::read(&serde_json::from_str(&data).expect("JSON"))
    }

    /// The `error` object of an answer that is no stream.
    ///
    /// # Panics
    /// When it is something else.
    pub fn error_body(&self) -> Value {
        let body: Value = serde_json::from_slice(&self.body).expect("JSON");
        ErrorBody::read(&body);
        body["error"].clone()
    }

    /// A header's value, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header of text"))
    }
}
