//! A run as people are told of it: how it stands, what each step came to, what all of it took. The same while it is under way
//! and when it is over, over HTTP, on the command line and in the store.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use jackfield_core::base::NanoUsd;
use jackfield_core::contract::{Fault, Usage};

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It is under way.
    Running,
    /// Every step that was to run did.
    Succeeded,
    /// It came to its end, and steps of it failed (`on_error: continue`).
    Partial,
    /// A step failed, or its time was up. It can be resumed.
    Failed,
    /// What it may spend is spent: it ended with what it had. It can be resumed.
    BudgetExceeded,
    /// Its client left, and it goes on without nobody. It can be resumed.
    Cancelled,
    /// Its process ended before it did. It can be resumed.
    Interrupted,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It waits for others.
    Waiting,
    /// It is under way.
    Running,
    /// It has its output.
    Succeeded,
    /// Its `when` said no.
    Skipped,
    /// It failed.
    Failed,
    /// It was given up, because another failed, the budget was spent, time was up or the client left.
    Cancelled,
    /// Its turn did not come.
    NotRun,
}

impl RunStatus {
    /// The word in records, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::BudgetExceeded => "budget_exceeded",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether its output is all there is to come.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Succeeded | Self::Partial)
    }
}

impl StepStatus {
    /// The word in records, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::NotRun => "not_run",
        }
    }
}

/// Why a run or a step failed, in the words of every other error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRecord {
    /// One word.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// The field at fault, if it is the client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
}

impl From<&Fault> for ErrorRecord {
    fn from(fault: &Fault) -> Self {
        let code = fault.kind.reason().to_owned();
        Self { code, message: fault.message.clone(), param: fault.param.clone() }
    }
}

/// What calls took together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Calls of the pipeline: those that answered, paid for in this attempt or in one before.
    pub calls: u32,
    /// Those of them that an earlier attempt at the same run had made.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resumed_calls: u32,
    /// Tokens of prompts, as far as providers said.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// US dollars, exact, of all calls but those of requests in which a model without a known price was called.
    pub cost_usd: String,
    /// The same in nano-dollars, for adding up.
    #[serde(skip)]
    pub cost: NanoUsd,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Spent {
    /// One more answer.
    pub(super) fn add(&mut self, usage: Option<Usage>, cost: Option<NanoUsd>, resumed: bool) {
        self.calls = self.calls.saturating_add(1);
        self.resumed_calls = self.resumed_calls.saturating_add(u32::from(resumed));
        let usage = usage.unwrap_or_default();
        self.input_tokens = self.input_tokens.saturating_add(usage.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(usage.output_tokens);
        self.pay(cost);
    }

    /// What calls cost.
    pub(super) fn pay(&mut self, cost: Option<NanoUsd>) {
        self.cost = self.cost.plus(cost.unwrap_or_default());
        self.cost_usd = self.cost.to_string();
    }

    /// As a provider would report it; nothing where no call was made.
    pub(super) fn usage(&self) -> Option<Usage> {
        let (input_tokens, output_tokens) = (self.input_tokens, self.output_tokens);
        (self.calls > 0).then(|| Usage { input_tokens, output_tokens, ..Usage::default() })
    }
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its name, behind those of the steps it is nested in: `outer/plan`.
    pub name: String,
    /// How it stands.
    pub status: StepStatus,
    /// What it came to; null where it has none.
    pub output: Value,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
    /// What its calls took.
    #[serde(flatten)]
    pub spent: Spent,
    /// How long it took, in milliseconds, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id: `run_…`, sortable by time.
    pub id: String,
    /// What this is: `workflow.run`.
    pub object: String,
    /// The workflow's name.
    pub workflow: String,
    /// How it stands.
    pub status: RunStatus,
    /// When it was begun, in milliseconds since the Unix epoch.
    pub started_at_ms: u64,
    /// How long this attempt at it has taken, in milliseconds.
    pub took_ms: u64,
    /// What it was given.
    pub input: Value,
    /// What it came to; null where it has come to nothing.
    pub output: Value,
    /// Why it failed or stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
    /// What all calls took.
    #[serde(flatten)]
    pub spent: Spent,
    /// Every step, those of nested workflows behind the others.
    pub steps: Vec<StepRecord>,
}

impl StepRecord {
    /// A step that waits.
    pub(super) fn waiting(name: String) -> Self {
        let (status, spent) =
            (StepStatus::Waiting, Spent { cost_usd: NanoUsd::ZERO.to_string(), ..Spent::default() });
        Self { name, status, output: Value::Null, error: None, spent, took_ms: None }
    }
}

impl RunRecord {
    /// A run that begins.
    pub(super) fn begun(id: String, workflow: String, started_at_ms: u64, input: Value) -> Self {
        let spent = Spent { cost_usd: NanoUsd::ZERO.to_string(), ..Spent::default() };
        Self {
            id,
            object: "workflow.run".to_owned(),
            workflow,
            status: RunStatus::Running,
            started_at_ms,
            took_ms: 0,
            input,
            output: Value::Null,
            error: None,
            spent,
            steps: Vec::new(),
        }
    }
}

/// Milliseconds since the Unix epoch.
pub(super) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

/// Whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
