//! Runs as a list tells them: how each stands and what it took, without what it was given and what came of it.
//!
//! A caller sees those of its project. Bounded by [`MAX_LISTED`].

use serde::{Deserialize, Serialize};

use jackfield_core::contract::{Caller, Fault};
use jackfield_store::runs::{Listing, StoredRun};

use super::journal::unavailable;
use super::record::{ErrorRecord, RunRecord, RunStatus};
use super::registry::Runs;
use crate::world::World;

/// Runs in one list at most.
pub const MAX_LISTED: usize = 100;

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its id.
    pub id: String,
    /// What this is: `workflow.run`.
    pub object: String,
    /// The workflow's name.
    pub workflow: String,
    /// How it stands.
    pub status: RunStatus,
    /// When it was begun, in milliseconds since the Unix epoch.
    pub started_at_ms: u64,
    /// How long the last attempt at it took, in milliseconds; `None`: nobody wrote that down.
    pub took_ms: Option<u64>,
    /// Calls that answered; `None`: nobody wrote that down.
    pub calls: Option<u32>,
    /// What all calls cost, in US dollars; `None`: nobody wrote that down.
    pub cost_usd: Option<String>,
    /// Why it failed or stopped.
    #[serde(default)]
    pub error: Option<ErrorRecord>,
}

/// A page of runs, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunList {
    /// The runs.
    pub data: Vec<RunSummary>,
    /// Whether there are older ones: ask for those before the last of these.
    pub has_more: bool,
}

impl From<&RunRecord> for RunSummary {
    fn from(record: &RunRecord) -> Self {
        Self {
            id: record.id.clone(),
            object: record.object.clone(),
            workflow: record.workflow.clone(),
            status: record.status,
            started_at_ms: record.started_at_ms,
            took_ms: Some(record.took_ms),
            calls: Some(record.spent.calls),
            cost_usd: Some(record.spent.cost_usd.clone()),
            error: record.error.clone(),
        }
    }
}

impl Runs {
    /// The runs of the caller's project, of this workflow where one is named, begun before this one where one is named. `limit` is
    /// one to [`MAX_LISTED`].
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn list(
        &self,
        world: &World,
        caller: &Caller,
        workflow: Option<&str>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<RunList, Fault> {
        let limit = limit.clamp(1, MAX_LISTED);
        let listing = Listing {
            project: caller.project.clone(),
            workflow: workflow.map(str::to_owned),
            before: before.map(str::to_owned),
            // One more tells whether there are more.
            limit: limit + 1,
        };
        let mut data = world.store().runs().list(listing, of_stored).await.map_err(unavailable)?;
        let has_more = data.len() > limit;
        data.truncate(limit);
        for summary in &mut data {
            if let Some(live) = self.summary(&summary.id) {
                *summary = live;
            }
        }
        Ok(RunList { data, has_more })
    }
}

/// A run as it is kept. One without a record is under way, or its process ended before it did.
fn of_stored(run: StoredRun) -> RunSummary {
    let told = run.record.as_deref().and_then(|record| serde_json::from_str(record).ok());
    told.unwrap_or(RunSummary {
        id: run.id,
        object: "workflow.run".to_owned(),
        workflow: run.workflow,
        status: RunStatus::Interrupted,
        started_at_ms: run.started_ms,
        took_ms: None,
        calls: None,
        cost_usd: None,
        error: None,
    })
}
