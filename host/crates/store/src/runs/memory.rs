//! Runs in memory: gone with the process. Bounded as its room says; a run that is open is never let go.

use std::collections::{HashMap, VecDeque};

use super::{Ended, Listing, MAX_BYTES, MAX_ENDED, Standing, StoredCall, StoredRun, StoredSummary};

/// Runs by id.
#[derive(Debug, Default)]
pub(super) struct Memory {
    runs: HashMap<String, Kept>,
    /// Those that are over, the oldest first. One that went on stands in it no more.
    ended: VecDeque<String>,
    /// What those take, in bytes.
    bytes: usize,
    /// Whether a run was ever begun here.
    used: bool,
}

#[derive(Debug)]
struct Kept {
    run: StoredRun,
    calls: Vec<StoredCall>,
    /// What a list tells of it, once it has ended.
    summary: Option<String>,
}

impl Kept {
    fn weight(&self) -> usize {
        let calls: usize = self.calls.iter().map(|kept| kept.call.len() + kept.answer.len()).sum();
        let record = self.run.record.as_ref().map_or(0, String::len);
        let summary = self.summary.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.run.input.len() + record + summary + calls
    }
}

impl Memory {
    pub(super) fn was_used(&self) -> bool {
        self.used
    }

    pub(super) fn begin(&mut self, run: StoredRun) {
        self.used = true;
        let calls = match self.runs.remove(&run.id) {
            Some(before) => {
                if let Some(at) = self.ended.iter().position(|id| *id == run.id) {
                    self.ended.remove(at);
                    self.bytes -= before.weight();
                }
                before.calls
            }
            None => Vec::new(),
        };
        self.runs.insert(run.id.clone(), Kept { run, calls, summary: None });
    }

    /// Says whether the run is under way.
    pub(super) fn keep(&mut self, run: &str, call: StoredCall) -> bool {
        let Some(kept) = self.runs.get_mut(run).filter(|kept| kept.run.standing == Standing::Open) else {
            return false;
        };
        kept.calls.retain(|before| before.call != call.call);
        kept.calls.push(call);
        true
    }

    /// Says whether the run was under way.
    pub(super) fn end(&mut self, run: &str, ended: Ended) -> bool {
        let Ended { standing, record, summary } = ended;
        let Some(kept) = self.runs.get_mut(run).filter(|kept| kept.run.standing == Standing::Open) else {
            return false;
        };
        kept.run.standing = standing;
        kept.summary = Some(summary);
        kept.run.record = Some(record);
        if standing == Standing::Whole {
            kept.calls = Vec::new();
        }
        self.bytes += kept.weight();
        self.ended.push_back(run.to_owned());
        while self.ended.len() > MAX_ENDED || self.bytes > MAX_BYTES {
            let Some(oldest) = self.ended.pop_front() else { break };
            self.bytes -= self.runs.remove(&oldest).map_or(0, |kept| kept.weight());
        }
        true
    }

    pub(super) fn find(&self, run: &str) -> Option<(StoredRun, Vec<StoredCall>)> {
        self.runs.get(run).map(|kept| (kept.run.clone(), kept.calls.clone()))
    }

    pub(super) fn list(&self, listing: &Listing) -> Vec<StoredSummary> {
        let wanted = self.runs.values().filter(|Kept { run, .. }| {
            listing.owner.owns(run.project.as_deref(), run.key.as_deref())
                && listing.workflows.as_ref().is_none_or(|workflows| workflows.contains(&run.workflow))
                && listing.before.as_ref().is_none_or(|before| run.id < *before)
        });
        let mut wanted: Vec<&Kept> = wanted.collect();
        wanted.sort_unstable_by(|one, other| other.run.id.cmp(&one.run.id));
        let told = wanted.into_iter().take(listing.limit).map(|Kept { run, summary, .. }| StoredSummary {
            id: run.id.clone(),
            workflow: run.workflow.clone(),
            started_ms: run.started_ms,
            summary: summary.clone(),
        });
        told.collect()
    }

    #[cfg(test)]
    pub(super) fn total(&self) -> usize {
        let weights: usize = self.ended.iter().filter_map(|id| self.runs.get(id)).map(Kept::weight).sum();
        assert_eq!(weights, self.bytes);
        weights
    }
}
