//! What went wrong with a request: a kind, a blame, a retry answer and a low-cardinality reason,
//! the same in the HTTP body, the log and the metrics.
//!
//! A fault says nothing about HTTP statuses; that is decided in exactly one place, `http/`.

use std::time::Duration;

use bytes::Bytes;

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The client asked for something it should not have.
    Client,
    /// A provider failed.
    Upstream,
    /// A plugin failed or refused.
    Plugin,
    /// We failed.
    Host,
}

impl Blame {
    /// The name used in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Plugin => "plugin",
            Self::Host => "host",
        }
    }
}

/// Every way a request can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The body is not JSON, not UTF-8, or not an object.
    MalformedBody,
    /// A field is missing, of the wrong type or out of range.
    InvalidRequest,
    /// The body is larger than the configured bound.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body is not announced as JSON.
    UnsupportedMediaType,
    /// There is no such path.
    UnknownPath,
    /// The path is there, the method is not.
    MethodNotAllowed,
    /// The request asks for something that the API of the model's provider has no word for.
    Unsupported,
    /// No such model.
    UnknownModel,
    /// No such task.
    UnknownTask,
    /// The client's key is missing or wrong.
    Unauthenticated,
    /// The caller may not use this model.
    ModelNotAllowed,
    /// The admin port's token is missing or wrong.
    InvalidToken,
    /// The admin port was asked under a name that is not its own.
    HostNotAllowed,
    /// No such plugin.
    UnknownPlugin,
    /// The plugin has no earlier generation to go back to.
    NothingToRollBack,
    /// The plugin has no canary to promote.
    NothingToPromote,
    /// No request of this id is kept.
    UnknownRequest,
    /// No such workflow.
    UnknownWorkflow,
    /// No run of this id is kept.
    UnknownRun,
    /// The run cannot go on: it is under way, or its workflow has changed.
    RunConflict,
    /// The workflow's own time is up.
    WorkflowTimeout,
    /// The run that the call was made for ended before it: another step failed, the budget is spent, time is up.
    RunEnded,
    /// A step of a workflow failed by itself: an expression, an answer of the wrong shape.
    StepFailed,
    /// A routing rule called the request wrong.
    RejectedInvalid,
    /// A routing rule forbade the request.
    RejectedForbidden,
    /// A routing rule held the request back.
    RejectedRateLimited,
    /// A routing rule said: not now.
    RejectedUnavailable,
    /// A plugin failed and its `on_error` is `fail`.
    PluginFailed,
    /// The model's provider has no key.
    ProviderDisabled,
    /// The provider refused the request as the client's mistake.
    UpstreamRefused,
    /// The conversation is longer than the model takes.
    ContextLength,
    /// The provider refused our key.
    UpstreamAuth,
    /// The provider wants us to slow down.
    UpstreamRateLimited,
    /// The provider failed by its own account.
    UpstreamFailed,
    /// The provider could not be reached.
    UpstreamUnreachable,
    /// The provider was too slow.
    UpstreamTimeout,
    /// The provider sent something that is not an answer, or stopped in the middle.
    UpstreamBroken,
    /// A validator did not let the answer through.
    AnswerRejected,
    /// A budget has not enough left.
    BudgetExceeded,
    /// Dollars are limited, and nobody knows what the model costs.
    PriceUnknown,
    /// What must be written down cannot be.
    StateUnavailable,
    /// Too much is going on here.
    Overloaded,
    /// We are stopping and the time to finish is up.
    Stopping,
    /// We broke a promise of our own.
    Internal,
}

impl FaultKind {
    /// Whose fault it is.
    pub fn blame(self) -> Blame {
        use FaultKind as K;
        match self {
            K::MalformedBody
            | K::InvalidRequest
            | K::BodyTooLarge
            | K::BodyTimeout
            | K::UnsupportedMediaType
            | K::UnknownPath
            | K::MethodNotAllowed
            | K::UnknownModel
            | K::UnknownTask
            | K::Unauthenticated
            | K::ModelNotAllowed
            | K::InvalidToken
            | K::HostNotAllowed
            | K::UnknownPlugin
            | K::NothingToRollBack
            | K::NothingToPromote
            | K::UnknownRequest
            | K::UnknownWorkflow
            | K::UnknownRun
            | K::RunConflict
            | K::WorkflowTimeout
            | K::RunEnded
            | K::StepFailed
            | K::Unsupported
            | K::BudgetExceeded
            | K::UpstreamRefused
            | K::ContextLength => Blame::Client,
            K::RejectedInvalid
            | K::RejectedForbidden
            | K::RejectedRateLimited
            | K::RejectedUnavailable
            | K::PluginFailed => Blame::Plugin,
            K::UpstreamAuth
            | K::UpstreamRateLimited
            | K::UpstreamFailed
            | K::UpstreamUnreachable
            | K::UpstreamTimeout
            | K::UpstreamBroken
            | K::AnswerRejected => Blame::Upstream,
            K::ProviderDisabled
            | K::PriceUnknown
            | K::StateUnavailable
            | K::Overloaded
            | K::Stopping
            | K::Internal => Blame::Host,
        }
    }

    /// Whether another model may do better with the same request.
    pub fn try_next(self) -> bool {
        self.blame() == Blame::Upstream
            || matches!(
                self,
                Self::ProviderDisabled | Self::PriceUnknown | Self::ContextLength | Self::Unsupported
            )
    }

    /// Whether the same call may do better in a moment: the provider was down, slow or confused. Says that the
    /// model is not well.
    pub fn is_transient(self) -> bool {
        use FaultKind as K;
        matches!(self, K::UpstreamFailed | K::UpstreamUnreachable | K::UpstreamTimeout | K::UpstreamBroken)
    }

    /// The low-cardinality name: `error.code` in bodies, `reason` in logs and metrics.
    pub fn reason(self) -> &'static str {
        use FaultKind as K;
        match self {
            K::MalformedBody => "malformed_body",
            K::InvalidRequest => "invalid_request",
            K::BodyTooLarge => "body_too_large",
            K::BodyTimeout => "body_timeout",
            K::UnsupportedMediaType => "unsupported_media_type",
            K::UnknownPath => "unknown_path",
            K::MethodNotAllowed => "method_not_allowed",
            K::Unsupported => "unsupported_parameter",
            K::UnknownModel => "model_not_found",
            K::UnknownTask => "unknown_task",
            K::Unauthenticated => "invalid_api_key",
            K::ModelNotAllowed => "model_not_allowed",
            K::InvalidToken => "invalid_admin_token",
            K::HostNotAllowed => "host_not_allowed",
            K::UnknownPlugin => "plugin_not_found",
            K::NothingToRollBack => "nothing_to_roll_back",
            K::NothingToPromote => "nothing_to_promote",
            K::UnknownRequest => "request_not_found",
            K::UnknownWorkflow => "workflow_not_found",
            K::UnknownRun => "run_not_found",
            K::RunConflict => "run_conflict",
            K::WorkflowTimeout => "workflow_timeout",
            K::RunEnded => "run_ended",
            K::StepFailed => "step_failed",
            K::RejectedInvalid | K::RejectedForbidden | K::RejectedRateLimited | K::RejectedUnavailable => {
                "rejected_by_router"
            }
            K::PluginFailed => "plugin_failed",
            K::ProviderDisabled => "provider_disabled",
            K::UpstreamRefused => "upstream_refused",
            K::ContextLength => "context_length_exceeded",
            K::UpstreamAuth => "upstream_auth",
            K::UpstreamRateLimited => "upstream_rate_limited",
            K::UpstreamFailed => "upstream_failed",
            K::UpstreamUnreachable => "upstream_unreachable",
            K::UpstreamTimeout => "upstream_timeout",
            K::UpstreamBroken => "upstream_broken",
            K::AnswerRejected => "answer_rejected",
            K::BudgetExceeded => "budget_exceeded",
            K::PriceUnknown => "price_unknown",
            K::StateUnavailable => "state_unavailable",
            K::Overloaded => "overloaded",
            K::Stopping => "stopping",
            K::Internal => "internal",
        }
    }
}

/// An error answer exactly as a provider sent it.
#[derive(Clone, Debug)]
pub struct UpstreamAnswer {
    /// Its HTTP status.
    pub status: u16,
    /// Its `content-type`.
    pub content_type: Option<String>,
    /// Its body, cut at the provider room's error-body bound.
    pub body: Bytes,
}

/// One failure.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// What kind of failure.
    pub kind: FaultKind,
    /// What happened and what to do about it. Shown to the client: never holds a secret.
    pub message: String,
    /// The request field at fault, when one is.
    pub param: Option<String>,
    /// When trying again makes sense.
    pub retry_after: Option<Duration>,
    /// The status of the provider's error answer, when it sent one.
    pub status: Option<u16>,
    /// The provider's own words, when it sent any.
    pub upstream: Option<Box<UpstreamAnswer>>,
    /// Whether nothing reached the provider, so that it cannot bill anything.
    pub unsent: bool,
}

impl Fault {
    /// A fault without further details.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            retry_after: None,
            status: None,
            upstream: None,
            unsent: false,
        }
    }

    /// A field is wrong.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(FaultKind::InvalidRequest, message) }
    }

    /// The same fault, naming the field at fault.
    #[must_use]
    pub fn with_param(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    /// The same fault, with the status of the provider's answer.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status: Some(status), ..self }
    }

    /// The same fault, of a call that never reached its provider if `unsent`.
    #[must_use]
    pub fn unsent(self, unsent: bool) -> Self {
        Self { unsent, ..self }
    }

    /// The same fault, with the provider's own answer.
    #[must_use]
    pub fn with_upstream(self, answer: UpstreamAnswer) -> Self {
        Self { upstream: Some(Box::new(answer)), ..self }
    }

    /// The same fault, with the time to wait.
    #[must_use]
    pub fn with_retry_after(self, wait: Option<Duration>) -> Self {
        Self { retry_after: wait, ..self }
    }
}
