//! What a scripted provider says: answers made of steps, and which request gets which answer.
//!
//! An `Answer` is written once and played once. Everything about it that takes time waits for a
//! gate that the test opens, so that no test depends on how fast a machine is.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

/// One thing an answer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends these bytes.
    Bytes(Bytes),
    /// Waits until the test opens the gate of this name; at once when it is open already.
    Gate(String),
    /// Ends the connection with a reset, in the middle of whatever was being said.
    Cut,
    /// Closes the connection in good manners (FIN), in the middle of whatever was being said.
    Close,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) shape: Shape,
    /// Waited for before anything is sent, the head included.
    pub(super) before: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// A well-formed head, and a body of steps.
    Http { status: StatusCode, headers: HeaderMap, steps: VecDeque<Step>, streamed: bool },
    /// Bytes put on the connection as they are; what they are is the test's business.
    Wire { steps: VecDeque<Step> },
}

impl Answer {
    /// An answer with this status and, so far, no headers and no body.
    ///
    /// A body of bytes alone is sent whole with its `content-length`. One with any other step, and any
    /// stream of events, is sent in chunks, unless a `content-length` is set by [`Answer::header`].
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("an HTTP status");
        let shape =
            Shape::Http { status, headers: HeaderMap::new(), steps: VecDeque::new(), streamed: false };
        Self { shape, before: None }
    }

    /// Bytes and other steps put on the wire as they are, head included, then the connection's end:
    /// for slow heads, broken heads and things that are not HTTP.
    pub fn wire(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { shape: Shape::Wire { steps: steps.into_iter().collect() }, before: None }
    }

    /// A JSON answer.
    pub fn json(status: u16, value: &Value) -> Self {
        Self::raw(status, "application/json", value.to_string())
    }

    /// An answer with exactly this body.
    pub fn raw(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::status(status).header("content-type", content_type).bytes(body)
    }

    /// A stream of server-sent events, each frame exactly as given.
    pub fn sse<F: Into<Bytes>>(frames: impl IntoIterator<Item = F>) -> Self {
        let empty = Self::status(200).header("content-type", "text/event-stream").streamed();
        frames.into_iter().fold(empty, Self::bytes)
    }

    /// No answer: the connection is reset before the head.
    pub fn cut() -> Self {
        Self::wire([Step::Cut])
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let Shape::Http { headers, .. } = &mut self.shape else {
            panic!("an answer off the wire has no headers")
        };
        let name: HeaderName = name.parse().expect("a header name");
        headers.append(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }

    /// Adds bytes to the body.
    #[must_use]
    pub fn bytes(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Bytes(bytes.into()))
    }

    /// Waits for a gate before going on.
    #[must_use]
    pub fn gate(self, name: &str) -> Self {
        self.step(Step::Gate(name.to_owned()))
    }

    /// Waits for a gate before the head.
    #[must_use]
    pub fn hang_before_head(mut self, gate: &str) -> Self {
        self.before = Some(gate.to_owned());
        self
    }

    /// Resets the connection at this point of the body.
    #[must_use]
    pub fn then_cut(self) -> Self {
        self.step(Step::Cut)
    }

    /// Closes the connection at this point of the body as if all had been said.
    #[must_use]
    pub fn then_close(self) -> Self {
        self.step(Step::Close)
    }

    /// Sends the body in chunks even if all of it is known.
    #[must_use]
    pub fn streamed(mut self) -> Self {
        if let Shape::Http { streamed, .. } = &mut self.shape {
            *streamed = true;
        }
        self
    }

    fn step(mut self, step: Step) -> Self {
        match &mut self.shape {
            Shape::Http { steps, .. } | Shape::Wire { steps } => steps.push_back(step),
        }
        self
    }
}

/// Which requests a rule is for. Everything that is set must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    path: Option<String>,
    model: Option<String>,
    text: Option<String>,
}

impl Match {
    /// Requests of this path, its query not counted.
    pub fn path(path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..Self::default() }
    }

    /// Requests whose JSON body names this model.
    pub fn model(model: &str) -> Self {
        Self { model: Some(model.to_owned()), ..Self::default() }
    }

    /// The same, and the path too.
    #[must_use]
    pub fn and_path(self, path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// The same, and the body holds these very bytes: for requests that are sent side by side, which
    /// arrive in any order.
    #[must_use]
    pub fn and_text(self, text: &str) -> Self {
        Self { text: Some(text.to_owned()), ..self }
    }

    fn fits(&self, path: &str, model: Option<&str>, body: &[u8]) -> bool {
        self.path.as_deref().is_none_or(|want| path.split('?').next() == Some(want))
            && self.model.as_deref().is_none_or(|want| model == Some(want))
            && self.text.as_deref().is_none_or(|want| memchr::memmem::find(body, want.as_bytes()).is_some())
    }
}

/// Which request gets which answer. The first rule that fits and has an answer left gives it; then
/// the queue for everybody, then the default for everybody.
#[derive(Debug, Default)]
pub(super) struct Script {
    rules: Vec<(Match, Answers)>,
    common: Answers,
}

#[derive(Debug, Default)]
struct Answers {
    queue: VecDeque<Answer>,
    default: Option<Answer>,
}

impl Script {
    pub(super) fn push(&mut self, rule: Option<&Match>, answer: Answer) {
        self.answers(rule).queue.push_back(answer);
    }

    pub(super) fn set_default(&mut self, rule: Option<&Match>, answer: Answer) {
        self.answers(rule).default = Some(answer);
    }

    pub(super) fn next(&mut self, path: &str, body: &[u8]) -> Option<Answer> {
        let model = serde_json::from_slice::<Value>(body)
            .ok()
            .and_then(|body| body.get("model").and_then(Value::as_str).map(str::to_owned));
        self.rules
            .iter_mut()
            .filter(|(rule, _)| rule.fits(path, model.as_deref(), body))
            .map(|(_, answers)| answers)
            .chain([&mut self.common])
            .find_map(|answers| answers.queue.pop_front().or_else(|| answers.default.clone()))
    }

    fn answers(&mut self, rule: Option<&Match>) -> &mut Answers {
        let Some(rule) = rule else { return &mut self.common };
        let at = self.rules.iter().position(|(known, _)| known == rule).unwrap_or_else(|| {
            self.rules.push((rule.clone(), Answers::default()));
            self.rules.len() - 1
        });
        &mut self.rules[at].1
    }
}
