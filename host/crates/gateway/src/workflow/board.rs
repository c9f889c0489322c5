//! What is known of a run at every moment: its record as it grows, and whoever listens.
//!
//! One listener at most; what it does not take in time holds the run up, as a client that does not read holds up a stream.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use jackfield_core::contract::{Fault, GivenUp, RunScope};
use jackfield_store::runs::Owner;

use super::listing::RunSummary;
use super::record::{ErrorRecord, RunRecord, RunStatus, Spent, StepRecord, StepStatus, millis};

/// Events that wait for a listener.
const WAITING: usize = 64;

/// What a listener hears.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type")]
pub enum Event {
    /// The run begins.
    #[serde(rename = "run.started")]
    RunStarted {
        /// Its id.
        id: String,
        /// The workflow's name.
        workflow: String,
        /// The names of its steps, in the file's order.
        steps: Vec<String>,
    },
    /// A step begins.
    #[serde(rename = "step.started")]
    StepStarted {
        /// Its name.
        step: String,
    },
    /// More of the text of the last step.
    #[serde(rename = "step.delta")]
    StepDelta {
        /// Its name.
        step: String,
        /// The text.
        text: String,
    },
    /// An item of a `foreach`, or a version of a `repeat`, is done.
    #[serde(rename = "step.progress")]
    StepProgress {
        /// The step's name.
        step: String,
        /// So many are done.
        done: usize,
        /// Of so many at most.
        of: usize,
    },
    /// A step is over, one that was skipped included.
    #[serde(rename = "step.finished")]
    StepFinished(Box<StepRecord>),
    /// The run is over and has an output.
    #[serde(rename = "run.finished")]
    RunFinished(Box<RunRecord>),
    /// The run is over and has not come to its end.
    #[serde(rename = "run.failed")]
    RunFailed {
        /// What became of it.
        #[serde(flatten)]
        record: Box<RunRecord>,
        /// Why.
        #[serde(skip)]
        fault: Box<Fault>,
    },
}

/// What a listener wants to hear besides the run's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listening {
    /// Steps as they begin and end.
    pub steps: bool,
    /// The last step's text as it comes.
    pub deltas: bool,
}

/// A run's record and its listener.
#[derive(Debug)]
pub(super) struct Board {
    record: Mutex<RunRecord>,
    listening: Listening,
    events: mpsc::Sender<Event>,
    began: Instant,
    scope: Arc<RunScope>,
    /// Whose it is.
    owner: Owner,
}

impl Board {
    /// A board with nothing on it but the run.
    pub(super) fn new(
        record: RunRecord,
        scope: Arc<RunScope>,
        owner: Owner,
        listening: Listening,
    ) -> (Self, mpsc::Receiver<Event>) {
        let (events, heard) = mpsc::channel(WAITING);
        (Self { record: Mutex::new(record), listening, events, began: Instant::now(), scope, owner }, heard)
    }

    /// The gateway stops: that is why calls are given up from now on.
    pub(super) fn stops(&self) {
        self.scope.ends(GivenUp::Stopping);
    }

    /// Whether it is this caller's.
    pub(super) fn is_of(&self, caller: &Owner) -> bool {
        caller.owns(self.owner.project.as_deref(), self.owner.key.as_deref())
    }

    /// Whether the last step's text is listened to.
    pub(super) fn wants_deltas(&self) -> bool {
        self.listening.deltas
    }

    /// The record as it stands.
    pub(super) fn record(&self) -> RunRecord {
        let mut record = self.lock().clone();
        if record.status == RunStatus::Running {
            record.took_ms = millis(self.began.elapsed());
        }
        record
    }

    /// The record as a list tells it.
    pub(super) fn summary(&self) -> RunSummary {
        let mut summary = RunSummary::from(&*self.lock());
        summary.took_ms = Some(millis(self.began.elapsed()));
        summary
    }

    /// The run begins with these steps.
    pub(super) async fn begins(&self, steps: Vec<String>) {
        let (id, workflow) = {
            let mut record = self.lock();
            record.steps = steps.iter().cloned().map(StepRecord::waiting).collect();
            (record.id.clone(), record.workflow.clone())
        };
        self.say(Event::RunStarted { id, workflow, steps }).await;
    }

    /// A step begins. One of a nested workflow is not on the board before.
    pub(super) async fn step_begins(&self, name: &str) {
        self.with_step(name, |step| step.status = StepStatus::Running);
        self.say(Event::StepStarted { step: name.to_owned() }).await;
    }

    /// Some of a step is done.
    pub(super) async fn step_goes_on(&self, name: &str, done: usize, of: usize) {
        self.say(Event::StepProgress { step: name.to_owned(), done, of }).await;
    }

    /// More of the last step's text.
    pub(super) async fn delta(&self, step: &str, text: String) {
        if self.listening.deltas && !text.is_empty() {
            let _ = self.events.send(Event::StepDelta { step: step.to_owned(), text }).await;
        }
    }

    /// A step is over.
    pub(super) async fn step_ends(&self, ended: StepRecord) {
        self.with_step(&ended.name, |step| *step = ended.clone());
        self.say(Event::StepFinished(Box::new(ended))).await;
    }

    /// The run is over: what was not done is said to be so. Returns the whole record.
    pub(super) fn ends(
        &self,
        status: RunStatus,
        output: Value,
        spent: Spent,
        fault: Option<&Fault>,
    ) -> RunRecord {
        let mut record = self.lock();
        record.status = status;
        record.output = output;
        record.spent = spent;
        record.error = fault.map(ErrorRecord::from);
        record.took_ms = millis(self.began.elapsed());
        for step in &mut record.steps {
            step.status = match step.status {
                StepStatus::Waiting => StepStatus::NotRun,
                StepStatus::Running => StepStatus::Cancelled,
                ended => ended,
            };
        }
        record.clone()
    }

    /// The last word.
    pub(super) async fn tell_end(&self, record: RunRecord, fault: Option<Fault>) {
        let record = Box::new(record);
        let event = match fault {
            None => Event::RunFinished(record),
            Some(fault) => Event::RunFailed { record, fault: Box::new(fault) },
        };
        let _ = self.events.send(event).await;
    }

    async fn say(&self, event: Event) {
        if self.listening.steps {
            // Nobody needs to be there.
            let _ = self.events.send(event).await;
        }
    }

    fn with_step(&self, name: &str, change: impl FnOnce(&mut StepRecord)) {
        let mut record = self.lock();
        let at = record.steps.iter().position(|step| step.name == name);
        match at.and_then(|at| record.steps.get_mut(at)) {
            Some(step) => change(step),
            None => {
                let mut step = StepRecord::waiting(name.to_owned());
                change(&mut step);
                record.steps.push(step);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, RunRecord> {
        // Nothing under this lock can panic half-way through a change.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
