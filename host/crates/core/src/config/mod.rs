//! One file of YAML, checked as a whole into types that cannot hold nonsense.
//!
//! The journey: a `Source` gives a text; the document reader finds every value's place; variables
//! are put in; the schema finds every fault of shape; the sections find every fault of meaning; and
//! out comes one `Config`, or one `Report` that tells all faults at once.

// What comes out.
mod checked;
mod fault;
mod report;
mod source;

// The journey, step by step.
mod document;
mod environment;
mod schema;
mod secrets;
mod shape;
mod text;

// One file a section: what is written, and what is checked.
mod admin;
mod bedrock;
mod budget_limits;
mod budgets;
mod cache;
mod dynamic_router;
mod fallback;
mod figures;
mod grants;
mod keys;
mod models;
mod orchestrator;
mod plugin_compile;
mod plugin_limits;
mod plugins;
mod prompt_files;
mod providers;
mod raw;
mod rollout;
mod router_when;
mod server;
mod shared_state;
mod simulated;
mod state;
mod task;
mod telemetry;
mod validators;
mod workflows;

// Names of models.
mod families;
mod names;

// Words the checks share.
mod azure;
mod base_url;
mod findings;
mod later;
mod places;
mod pointer;
mod schema_fault;
mod suggest;
mod units;

pub use admin::Admin;
pub use base_url::{BaseUrl, BaseUrlError};
pub use bedrock::AwsSigning;
pub use budget_limits::{Limits, NamedLimits, Window};
pub use budgets::{Budgets, OnExceeded, Webhook};
pub use cache::{Cache, CacheScope, CachedEmbeddings};
pub use checked::Config;
pub use dynamic_router::{Complexity, DynamicRouter};
pub use fallback::{Fallback, MAX_CANDIDATES};
pub use fault::Fault;
pub use figures::{Origin, Origins};
pub use grants::Grant;
pub use keys::Keys;
pub use models::{ModelTimeouts, ResolvedModel};
pub use orchestrator::{Orchestrator, Route};
pub use plugin_compile::PluginCache;
pub use plugin_limits::PluginLimits;
pub use plugins::{Instances, OnError, PluginSettings, Plugins};
pub use providers::{ApiKind, ApiProvider, Provider, ProviderKind};
pub use report::Report;
pub use rollout::{Rollback, Rollout};
pub use router_when::REQUEST;
pub use schema::schema;
pub use server::{OpenListen, Server, ServerLimits};
pub use shared_state::{OnStoreError, SharedState};
pub use simulated::{ScriptedReply, SimulatedProvider};
pub use source::Source;
pub use state::{DEFAULT_STATE, State, Synchronous};
pub use telemetry::Telemetry;
pub use units::{Count, Period, Share, Size, UnitError};
pub use validators::{AnswerPattern, MAX_REPAIRS, StreamMode, ValidatorOnError, ValidatorRule};
pub use workflows::{
    Ask, Call, Choose, Foreach, Input, InputKind, MAX_BATCH, MAX_ITEMS, MAX_ITERATIONS, MAX_NESTED,
    OnDisconnect, Refine, Repeat, Step, StepFailure, StepOutput, Until, Workflow,
};

#[cfg(test)]
mod tests;
