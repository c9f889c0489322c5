//! The whole file as written: one field a section. The schema is generated from here.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::keys::RawKey;
use super::models::RawModel;
use super::orchestrator::RawOrchestrator;
use super::plugins::RawPlugins;
use super::providers::RawProvider;
use super::server::RawServer;
use super::shared_state::RawSharedState;
use super::telemetry::Telemetry;
use super::workflows::RawWorkflow;

/// The configuration of Jackfield. Every key is optional; unknown keys are errors. `${NAME}` in an
/// ordinary value is an environment variable, `${NAME:-default}` has a default, `$${` is literal.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Jackfield configuration")]
pub(crate) struct RawConfig {
    /// Where the gateway listens, and what one client may cost it.
    pub(crate) server: RawServer,
    /// Where the ledger and the runs of workflows are written down: `sqlite:PATH` or `:memory:`. A relative
    /// path starts at the folder of this file. Left out: `sqlite:jackfield.db` where a budget or a workflow needs it, else nothing is written. What is written survives the end
    /// of the process at any moment; `sqlite:PATH?synchronous=full` survives the loss of power too, and is slower.
    /// `redis://[:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://`, shares limits and kept answers between hosts; the rest
    /// stays in `shared_state.file`.
    pub(crate) state: Option<String>,
    /// How a `state: redis://…` is used.
    pub(crate) shared_state: Option<RawSharedState>,
    /// Who answers for models, by name.
    pub(crate) providers: BTreeMap<String, RawProvider>,
    /// The names people route to. Well-known models need no entry.
    pub(crate) models: BTreeMap<String, RawModel>,
    /// Who may ask. No keys: everybody who reaches the address.
    pub(crate) keys: Vec<RawKey>,
    /// Which model answers which task.
    pub(crate) orchestrator: RawOrchestrator,
    /// The folder of WebAssembly plugins, and what each may cost.
    pub(crate) plugins: RawPlugins,
    /// Graphs of steps, each one call of a model, by name. A workflow is also a model: `workflow/NAME`.
    pub(crate) workflows: BTreeMap<String, RawWorkflow>,
    /// What the gateway says about itself.
    pub(crate) telemetry: Telemetry,
}

impl RawConfig {
    /// Reads a value that fits the schema.
    pub(crate) fn deserialize_from(value: &serde_json::Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(value)
    }
}
