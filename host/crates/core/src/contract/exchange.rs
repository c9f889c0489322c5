//! One request on its way through the house.

use std::sync::Arc;
use std::time::Instant;

use crate::base::{NanoUsd, RequestId};

use super::{ChatRequest, Overrides, Trail};

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

/// The run of a workflow on whose behalf a request is made: one more budget beside the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunScope {
    /// The run's id.
    pub id: String,
    /// The workflow's name.
    pub workflow: String,
    /// What all of the run's calls together may cost; `None`: no more than the caller's budgets say.
    pub budget: Option<NanoUsd>,
}

/// A call that a step of a workflow makes: what it wants besides what its messages say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunStep {
    /// The workflow and the step of it that the configuration describes.
    pub workflow: String,
    /// The step's name.
    pub step: String,
    /// Which of the run's calls it is: `plan`, `cook[3]` (the third item, from 0), `draft#2` (the second version), behind
    /// the steps it is nested in (`outer/plan`). The same in every attempt at the same run.
    pub call: String,
    /// It judges an answer of the step's and is none itself: the step's validators, fallback and router are not for it.
    pub aside: bool,
    /// What the step says of its call. Goes before what rules and rows say.
    pub overrides: Overrides,
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
