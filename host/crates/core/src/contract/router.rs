//! The seam behind which routing rules live: WebAssembly components today, native rules in tests.

use std::sync::Arc;

use super::{BoxFuture, Completer, Facts, HostView, Target};

/// What a routing rule is asked. Cheap to clone: everything in it is shared.
#[derive(Clone)]
pub struct Ask {
    /// The request.
    pub facts: Arc<Facts>,
    /// Labels given by earlier rules, in order.
    pub labels: Arc<[(String, String)]>,
    /// The host as the rule may see it.
    pub view: Arc<dyn HostView>,
    /// Who asks models for the rule; `None` where no model is called for it.
    pub completer: Option<Arc<dyn Completer>>,
}

/// What a routing rule answers. Texts are bounded and free of control characters.
#[derive(Clone, Debug)]
pub struct Routing {
    /// The decision itself.
    pub decision: Decision,
    /// Why, in a few words, for the trail.
    pub reason: String,
    /// Labels for whoever comes after.
    pub labels: Vec<(String, String)>,
}

/// A rule's decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Use these targets, best first. Never empty.
    Route(Vec<Target>),
    /// No opinion; the next rule decides.
    Abstain,
    /// Refuse the request.
    Reject {
        /// What kind of refusal.
        class: RejectClass,
        /// What the client is told.
        message: String,
    },
    /// Answer with this text; no model is called.
    Respond(String),
}

/// The refusals a rule may give. A closed set, so that a rule cannot invent statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectClass {
    /// The request is wrong.
    InvalidRequest,
    /// The caller may not do this.
    Forbidden,
    /// Too many requests.
    RateLimited,
    /// Not now.
    Unavailable,
}

/// What went wrong inside a plugin call. The host is alive and the request goes on as `on_error` says.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {message}", kind.reason())]
pub struct PluginFault {
    /// What kind of fault.
    pub kind: PluginFaultKind,
    /// What happened, for the log and the trail.
    pub message: String,
}

/// The kinds of plugin fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PluginFaultKind {
    /// The guest trapped: unreachable, out of bounds, stack overflow, …
    Trap,
    /// The guest computed longer than its CPU limit.
    CpuLimit,
    /// The call took longer than its wall-clock limit, waiting included.
    WallLimit,
    /// The guest wanted more memory, table space or instances than its limit.
    MemoryLimit,
    /// The guest called the host more often, or passed it more bytes, than its limit.
    HostCallLimit,
    /// The guest broke the contract's ABI: a bad pointer, discriminant or string.
    Abi,
    /// The guest answered something that has no meaning: an empty route, an unknown model, a NaN.
    InvalidDecision,
    /// The guest said itself that it failed.
    Reported,
    /// No permit or instance was free in time.
    Overloaded,
    /// The condition under which it is asked came to nothing.
    Condition,
    /// It failed too often of late and was not asked.
    BreakerOpen,
    /// No plugin of this name is loaded, or it is of another kind.
    NotLoaded,
}

impl PluginFaultKind {
    /// The low-cardinality name used in logs and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Condition => "condition",
            Self::CpuLimit => "cpu_limit",
            Self::WallLimit => "wall_limit",
            Self::MemoryLimit => "memory_limit",
            Self::HostCallLimit => "host_call_limit",
            Self::Abi => "abi",
            Self::InvalidDecision => "invalid_decision",
            Self::Reported => "reported",
            Self::Overloaded => "overloaded",
            Self::BreakerOpen => "breaker_open",
            Self::NotLoaded => "not_loaded",
        }
    }
}

/// A routing rule.
pub trait Router: Send + Sync {
    /// The rule's name in configuration, trail and metrics.
    fn name(&self) -> &str;

    /// Decides about one request. Bounded in time and memory by the implementation.
    fn route(&self, ask: Ask) -> BoxFuture<'_, Result<Routing, PluginFault>>;
}
