//! One request on its way through the house.

use std::sync::Arc;
use std::time::Instant;

use crate::base::RequestId;

use super::{ChatRequest, RunScope, RunStep, Trail};

/// Who is asking. Known from the client key; empty where no keys are configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The project that pays.
    pub project: Option<String>,
    /// The user within it.
    pub user: Option<String>,
    /// What the key is called: its name, or the beginning of its digest. Never the key.
    pub key: Option<Arc<str>>,
    /// The models this caller may use, whoever chooses; `None` means all of them.
    pub models: Option<Arc<[String]>>,
}

/// What is known about a request from the start. Never changes; shared with plugins by reference.
#[derive(Debug)]
pub struct Facts {
    /// Our id of the request.
    pub id: RequestId,
    /// What was asked.
    pub request: ChatRequest,
    /// The task the client named, in the body, by header, or as the model `task/<name>`.
    pub task: Option<String>,
    /// Who asks.
    pub caller: Caller,
    /// The request's headers, credentials taken out: a plugin may see them.
    pub headers: http::HeaderMap,
    /// The run it is a step of, if it is one.
    pub run: Option<Arc<RunScope>>,
    /// Which step of that run.
    pub step: Option<Arc<RunStep>>,
}

/// One request: its facts, its clock, and the trail of what was done.
#[derive(Debug)]
pub struct Exchange {
    /// What is known from the start.
    pub facts: Arc<Facts>,
    /// When it arrived.
    pub started: Instant,
    /// When everything must be over.
    pub deadline: Instant,
    /// What happened.
    pub trail: Trail,
}
