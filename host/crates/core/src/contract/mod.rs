//! What one request means, whoever sent it and whoever answers; and the seams behind which answers
//! come from.
//!
//! Reading order: a `ChatRequest` of `Message`s becomes an `Exchange`; a `Router` turns it into
//! `Target`s; a `Provider` turns one target into a `Reply` or a stream of `Chunk`s; what went
//! on is in the `Trail`, and what went wrong is a `Fault`.

mod bill;
mod chat;
mod chunk;
mod completer;
mod exchange;
mod fault;
mod message;
mod provider;
mod reply;
mod router;
mod run;
mod stream_validator;
mod target;
mod trail;
mod usage;
mod validator;
mod view;

pub use bill::{Bill, Charged};
pub use chat::{ChatRequest, Dialect};
pub use chunk::{Chunk, Delta, ToolCallDelta, quarters};
pub use completer::{Completer, Completion, CompletionError, CompletionRequest};
pub use exchange::{Caller, Exchange, Facts};
pub use fault::{Blame, Fault, FaultKind, UpstreamAnswer};
pub use message::{Content, Message, Part, Role};
pub use provider::{Answer, Call, ChunkStream, KeyPick, Provider, Timeouts};
pub use reply::{Choice, FinishReason, Picture, Reply, ToolCall};
pub use router::{Ask, Decision, PluginFault, PluginFaultKind, RejectClass, Router, Routing};
pub use run::{GivenUp, RunScope, RunStep};
pub use stream_validator::{Held, Piece, StreamValidator, StreamWatch};
pub use target::{AnswerFormat, Overrides, ReasoningLevel, Target};
pub use trail::{Aside, CacheOutcome, Called, LlmUse, Step, Trail};
pub use usage::Usage;
pub use validator::{Draft, Review, Validation, Validator, Verdict};
pub use view::{BudgetScope, Headroom, HostView, LiveState, LoadState, ModelInfo};

/// A boxed future that can move between threads: what the seams return.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
