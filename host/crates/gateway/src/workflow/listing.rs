//! Runs as a list tells them: how each stands and what it took, without what it was given and what came of it.
//!
//! A caller sees those of its project, or without one those of its key, of workflows that it may run. Bounded by [`MAX_LISTED`].

use serde::{Deserialize, Serialize};

use jackfield_core::contract::{Caller, Fault};
use jackfield_store::runs::{Listing, StoredSummary};

use super::journal::unavailable;
use super::named;
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
    /// The caller's runs, of this workflow where one is named, begun before this one where one is named. `limit` is
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
            owner: named::owner(caller),
            workflows: workflow.map_or_else(|| named::nameable(caller), |name| Some(vec![name.to_owned()])),
            before: before.map(str::to_owned),
            // One more tells whether there are more.
            limit: limit + 1,
        };
        let stored = world.store().runs();
        let mut rows = stored.list(listing.clone()).await.map_err(unavailable)?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let mut live: Vec<_> = rows.iter().map(|row| self.summary(&row.id)).collect();
        let open = |(row, live): (&StoredSummary, &Option<_>)| row.summary.is_none() && live.is_none();
        // One that was under way when it was read and is no more has its end written down by now.
        if rows.iter().zip(&live).any(open) {
            let mut again = stored.list(listing).await.map_err(unavailable)?;
            for (row, live) in rows.iter_mut().zip(&mut live) {
                if let Some(at) = again.iter().position(|read| read.id == row.id) {
                    *row = again.swap_remove(at);
                }
                *live = self.summary(&row.id);
            }
        }
        let data = rows.into_iter().zip(live).map(|(row, live)| live.unwrap_or_else(|| of_stored(row)));
        Ok(RunList { data: data.collect(), has_more })
    }
}

/// A run as it is kept. The process of one without a summary ended before it did.
fn of_stored(run: StoredSummary) -> RunSummary {
    let told = run.summary.as_deref().and_then(|summary| serde_json::from_str(summary).ok());
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
