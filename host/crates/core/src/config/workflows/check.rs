//! The section as a whole: each workflow's envelope, and what workflows have to do with each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::findings::Located;
use super::super::names::Names;
use super::super::orchestrator::Orchestrator;
use super::super::pointer::Pointer;
use super::super::units::{Count, Period};
use super::check_step::Checking;
use super::graph;
use super::nested;
use super::raw::{RawInput, RawWorkflow};
use super::reader::{Needs, Reader};
use super::step::{Step, StepOutput};
use super::types::{Input, Workflow};
use super::{MAX_PARALLEL, MAX_STEPS, MAX_WORKFLOWS};

/// How long a run may take when nothing is said, and at most.
const TIMEOUT: Period = Period::from_secs(600);
const LONGEST: Period = Period::from_secs(24 * 3_600);
/// Calls of one run at the same time when nothing is said.
const PARALLEL: usize = 8;

/// Every workflow, by name.
pub(crate) type Workflows = BTreeMap<String, Arc<Workflow>>;

/// Checks the section; references to models go through `names`. `written` is the section as it was written.
pub(crate) fn check_all(
    raw: &BTreeMap<String, RawWorkflow>,
    written: &Value,
    orchestrator: &Orchestrator,
    names: &mut Names<'_>,
    found: &mut Located<'_>,
) -> Workflows {
    let all = Pointer::root().key("workflows");
    if raw.len() > MAX_WORKFLOWS {
        let message = format!("{} workflows are more than one file may have", raw.len());
        found.fault(&all, message, format!("keep {MAX_WORKFLOWS} or fewer"));
        return Workflows::new();
    }
    let mut checked: BTreeMap<String, Workflow> = BTreeMap::new();
    for (name, workflow) in raw {
        let at = all.key(name);
        found.name(&at, "workflow", name);
        let source = written.get(name).cloned().unwrap_or_default();
        let workflow = check(name, workflow, source, &at, raw, orchestrator, names, found);
        checked.insert(name.clone(), workflow);
    }
    nested::check(&checked, &all, found);
    let digests: BTreeMap<String, [u8; 32]> =
        checked.keys().map(|name| (name.clone(), digest(name, &checked))).collect();
    let finished = checked.into_iter().map(|(name, workflow)| {
        let digest = digests.get(&name).copied().unwrap_or_default();
        (name, Arc::new(Workflow { digest, ..workflow }))
    });
    finished.collect()
}

#[allow(clippy::too_many_arguments)] // What a workflow is read against; every one is another thing.
fn check(
    name: &str,
    raw: &RawWorkflow,
    source: Value,
    at: &Pointer,
    all: &BTreeMap<String, RawWorkflow>,
    orchestrator: &Orchestrator,
    names: &mut Names<'_>,
    found: &mut Located<'_>,
) -> Workflow {
    let inputs = raw.inputs.iter().map(|(name, input)| {
        let at = at.key("inputs").key(name);
        found.name(&at, "workflow's input", name);
        (name.clone(), check_input(input, &at, found))
    });
    let inputs: BTreeMap<String, Input> = inputs.collect();
    let max_parallel = raw
        .max_parallel
        .map_or(PARALLEL, |count| bounded(count, 1, MAX_PARALLEL, &at.key("max_parallel"), found));
    let steps_at = at.key("steps");
    if raw.steps.is_empty() {
        found.key_fault(
            &steps_at,
            format!("the workflow `{name}` has no steps"),
            "add one: `- { name: …, model: … }`",
        );
    }
    if raw.steps.len() > MAX_STEPS {
        let message = format!("{} steps are more than one workflow may have", raw.steps.len());
        found.key_fault(
            &steps_at,
            message,
            format!("keep {MAX_STEPS} or fewer; put some into a workflow of their own"),
        );
    }
    let raw_steps = raw.steps.get(..MAX_STEPS).unwrap_or(&raw.steps);
    let reader = Reader {
        steps: raw_steps.iter().map(|step| step.name.as_str()).collect(),
        shapes: raw_steps.iter().map(|step| step.shape(orchestrator)).collect(),
        inputs: &inputs,
    };
    let mut steps: Vec<Step> = Vec::with_capacity(raw_steps.len());
    let mut needs: Vec<Needs> = Vec::with_capacity(raw_steps.len());
    for (index, step) in raw_steps.iter().enumerate() {
        let at = steps_at.index(index);
        let mut checking = Checking {
            raw: step,
            at: &at,
            index,
            reader: &reader,
            workflows: all,
            orchestrator,
            max_parallel,
            needs: Needs::new(),
        };
        steps.push(checking.step(names, found));
        needs.push(checking.needs);
    }
    graph::check(&steps, &needs, found);
    let mut unused = Needs::new();
    let output = raw.output.as_ref();
    let output =
        output.and_then(|value| reader.reading(&[], &mut unused, found).template(value, &at.key("output")));
    let timeout =
        raw.timeout.map_or(TIMEOUT.get(), |timeout| check_timeout(timeout, &at.key("timeout"), found));
    let budget = raw.budget_usd.as_ref().map(|usd| found.dollars_above_zero(&at.key("budget_usd"), usd));
    Workflow {
        name: name.to_owned(),
        description: raw.description.clone(),
        inputs,
        steps,
        output,
        budget,
        timeout,
        on_error: raw.on_error,
        max_parallel,
        on_disconnect: raw.on_disconnect,
        digest: [0; 32],
        source: shown(source, timeout, max_parallel, raw),
    }
}

fn check_input(raw: &RawInput, at: &Pointer, found: &mut Located<'_>) -> Input {
    if let Some(default) = raw.default.as_ref().filter(|default| !raw.kind.fits(default)) {
        let path = found.path(at);
        let is = if default.is_null() { "empty" } else { "something else" };
        let message = format!("`{path}` is {}, and its default is {is}", raw.kind.with_article());
        found.fault(&at.key("default"), message, "give a default of that type, or leave it out");
    }
    if raw.default.is_some() && raw.required == Some(true) {
        let message = "an input with a default is never missing";
        found.key_fault(&at.key("required"), message, "remove `required`, or the default");
    }
    Input {
        kind: raw.kind,
        required: raw.required.unwrap_or(raw.default.is_none()),
        default: raw.default.clone(),
        description: raw.description.clone(),
    }
}

fn check_timeout(timeout: Period, at: &Pointer, found: &mut Located<'_>) -> Duration {
    if timeout > LONGEST {
        let path = found.path(at);
        found.fault(at, format!("`{path}` is {timeout}"), "use up to 24h");
    }
    found.period(at, timeout)
}

/// A count from `least` to `most`.
pub(super) fn bounded(
    count: Count,
    least: usize,
    most: usize,
    at: &Pointer,
    found: &mut Located<'_>,
) -> usize {
    let value = count.as_usize();
    if !(least..=most).contains(&value) {
        let path = found.path(at);
        found.fault(at, format!("`{path}` is {count}"), format!("use {least} to {most}"));
    }
    value.clamp(least, most)
}

/// The definition with the defaults of its envelope.
fn shown(mut source: Value, timeout: Duration, max_parallel: usize, raw: &RawWorkflow) -> Value {
    source["timeout"] = json!(Period::from(timeout));
    source["max_parallel"] = json!(max_parallel);
    source["on_error"] = json!(raw.on_error);
    source["on_disconnect"] = json!(raw.on_disconnect);
    source
}

/// What bounds a run and changes none of its calls: a run that one of these ended can go on with another.
const ENVELOPE: [&str; 5] = ["budget_usd", "description", "max_parallel", "on_disconnect", "timeout"];

/// Over the definition, but for its envelope, and all that it nests. What nests itself was told already; it is taken in once.
fn digest(name: &str, all: &BTreeMap<String, Workflow>) -> [u8; 32] {
    let mut sum = Sha256::new();
    let (mut told, mut next) = (BTreeSet::new(), vec![name]);
    while let Some(name) = next.pop() {
        let Some(workflow) = all.get(name).filter(|_| told.insert(name)) else { continue };
        let mut source = workflow.source.clone();
        if let Some(source) = source.as_object_mut() {
            source.retain(|key, _| !ENVELOPE.contains(&key.as_str()));
        }
        let text = source.to_string();
        // The lengths keep two definitions from running into each other.
        sum.update((name.len() as u64).to_le_bytes());
        sum.update(name.as_bytes());
        sum.update((text.len() as u64).to_le_bytes());
        sum.update(text.as_bytes());
        next.extend(workflow.steps.iter().rev().filter_map(Step::nested));
    }
    sum.finalize().into()
}

/// The section as it took effect.
pub(crate) fn show(workflows: &Workflows) -> Value {
    workflows.iter().map(|(name, workflow)| (name.clone(), workflow.source.clone())).collect()
}

impl StepOutput {
    /// What it is in the format of a request's overrides.
    pub(super) fn format(&self) -> Option<crate::contract::AnswerFormat> {
        match self {
            Self::Text => None,
            Self::Json { schema: None } => Some(crate::contract::AnswerFormat::Json),
            Self::Json { schema: Some(schema) } => {
                Some(crate::contract::AnswerFormat::Schema(Arc::clone(schema)))
            }
        }
    }
}
