//! The section as written. Every text that holds an expression is read as it stands: the environment does not reach in.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use crate::contract::ReasoningLevel;

use super::super::prompt_files;
use super::super::task::{RawResult, RawSchema};
use super::super::units::{Count, Dollars, Period};
use super::super::validators::RawValidator;
use super::types::{InputKind, OnDisconnect, StepFailure};

/// A graph of steps, each one call of a model. `${…}` in it is an expression, never a variable of the environment.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Workflow")]
pub(crate) struct RawWorkflow {
    /// What it is for.
    pub(super) description: Option<String>,
    /// What a run is given, by name: `${input.NAME}`. Left out: any JSON, a text too, as `${input}`.
    #[serde(default)]
    pub(super) inputs: BTreeMap<String, RawInput>,
    /// The steps. Those that do not need each other run at the same time.
    pub(super) steps: Vec<RawStep>,
    /// What a run gives, with `${…}`. Left out: the output of the last step.
    pub(super) output: Option<Value>,
    /// The most that one run may cost, in US dollars: it ends with what it has when that is spent.
    pub(super) budget_usd: Option<Dollars>,
    /// How long one run may take: up to 24h, 10m if nothing else is said.
    pub(super) timeout: Option<Period>,
    /// What a step that fails does to the others: `fail` if nothing else is said.
    #[serde(default)]
    pub(super) on_error: StepFailure,
    /// Calls of one run at the same time: 1 to 64, 8 if nothing else is said.
    pub(super) max_parallel: Option<Count>,
    /// What becomes of a run whose client goes away: `cancel` if nothing else is said.
    #[serde(default)]
    pub(super) on_disconnect: OnDisconnect,
}

/// One thing that a run is given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WorkflowInput")]
pub(super) struct RawInput {
    /// What it must be: `any` if nothing else is said.
    #[serde(default, rename = "type")]
    pub(super) kind: InputKind,
    /// Whether a run without it is refused: yes, unless it has a default.
    pub(super) required: Option<bool>,
    /// What it is when left out.
    pub(super) default: Option<Value>,
    /// What it is for.
    pub(super) description: Option<String>,
}

/// One step: exactly one of `model`, `task`, `router`, `choose` and `workflow` says whom it asks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WorkflowStep")]
pub(super) struct RawStep {
    /// Its name: letters, digits and `_`. Others say `${NAME.output}`.
    pub(super) name: String,
    /// The model it asks: declared under `models`, or well known.
    pub(super) model: Option<String>,
    /// The task whose route it takes, template and all.
    pub(super) task: Option<String>,
    /// The plugin that decides on the model.
    pub(super) router: Option<String>,
    /// One of several models or tasks, by a value.
    pub(super) choose: Option<RawChoose>,
    /// Another workflow, whose output is the step's.
    pub(super) workflow: Option<String>,
    /// The system message, with `${…}`.
    #[serde(default)]
    #[schemars(schema_with = "prompt_files::schema")]
    pub(super) system: Option<String>,
    /// The user message, with `${…}`. `input` follows it, after a blank line.
    #[serde(default)]
    #[schemars(schema_with = "prompt_files::schema")]
    pub(super) prompt: Option<String>,
    /// The whole user message, with `${…}`: in the place of `prompt` and `input`.
    #[serde(default)]
    #[schemars(schema_with = "prompt_files::schema")]
    pub(super) template: Option<String>,
    /// What follows the prompt: text, or any value, which is written as JSON. Left out: the item of a `foreach` that the
    /// prompt does not mention; else, where the prompt refers to nothing and no other step is needed, the run's input.
    pub(super) input: Option<Value>,
    /// Steps that come first. Those that expressions refer to are needed anyway.
    #[serde(default)]
    pub(super) needs: Vec<String>,
    /// Whether it runs: an expression. Where it does not, its output is null. With `foreach`: asked for each item.
    pub(super) when: Option<String>,
    /// The list whose items it runs for: an expression. Its output is the list of the items' outputs.
    pub(super) foreach: Option<String>,
    /// The variable for the item: `item` if nothing else is said. `index` is its place, from 0.
    #[serde(rename = "as")]
    pub(super) variable: Option<String>,
    /// Items at the same time: as many as the workflow's, if nothing else is said.
    pub(super) max_parallel: Option<Count>,
    /// Items in one call, 2 to 100: the variable is their list, and the answer a JSON list of as many outputs.
    pub(super) batch: Option<Count>,
    /// One item after the other: `results` has the outputs of those before.
    #[serde(default)]
    pub(super) sequential: bool,
    /// Evaluate the answer, improve it with the issues fed back, stop when it is good enough, keep the best.
    pub(super) repeat: Option<RawRepeat>,
    /// Work a draft out further, only where that is called for.
    pub(super) refine: Option<RawRefine>,
    /// What the answer is: `text` if nothing else is said; for a `task`, what its route says.
    pub(super) output: Option<RawResult>,
    /// What an answer must be with `output: json`; with `batch`, each of them. Left out: any JSON.
    pub(super) schema: Option<RawSchema>,
    /// The checks that its answers must pass besides those for every answer.
    #[serde(default)]
    pub(super) validators: Vec<RawValidator>,
    /// What to try when its model fails, in order: models, and tasks as `task/NAME`.
    #[serde(default)]
    pub(super) fallback: Vec<String>,
    /// How much the model should think.
    pub(super) reasoning: Option<ReasoningLevel>,
    /// The sampling temperature, 0 to 2.
    #[schemars(range(min = 0.0, max = 2.0))]
    pub(super) temperature: Option<f64>,
    /// The longest answer, in tokens.
    pub(super) max_tokens: Option<Count>,
}

/// One of several models or tasks, by a value.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Choose")]
pub(super) struct RawChoose {
    /// The value: an expression.
    pub(super) on: String,
    /// Whom to ask by what the value is: a model, or a task as `task/NAME`.
    pub(super) cases: BTreeMap<String, String>,
    /// Whom to ask for any other value.
    #[serde(rename = "else")]
    pub(super) otherwise: String,
}

/// Iterative refinement. Its expressions also see `output` (the latest answer), `request` (the user message that asked for
/// it first), `issues`, `iteration` and `evaluation`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Repeat")]
pub(super) struct RawRepeat {
    /// How often the first answer is improved at most: 1 to 10.
    pub(super) max_iterations: Count,
    /// A call that judges each answer; its own answer is JSON, `${evaluation}`.
    pub(super) evaluate: Option<RawEvaluate>,
    /// When it is good enough: an expression, or `{ validator: NAME, score: 0.9 }`.
    pub(super) until: RawUntil,
    /// How good an answer is: an expression that gives a number. The best is kept.
    pub(super) score: Option<String>,
    /// The call that improves. Left out: the step's model is told the request, the answer, and what was found.
    pub(super) improve: Option<RawImprove>,
}

/// A call that judges an answer; by the step's own model, if it says neither `model` nor `task`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Evaluate")]
pub(super) struct RawEvaluate {
    /// The model that judges.
    pub(super) model: Option<String>,
    /// The task that judges.
    pub(super) task: Option<String>,
    /// The system message; the step's, if nothing else is said.
    #[serde(default)]
    #[schemars(schema_with = "prompt_files::schema")]
    pub(super) system: Option<String>,
    /// The user message, with `${output}`.
    #[schemars(schema_with = "prompt_files::schema")]
    pub(super) prompt: String,
    /// What its answer must be. Left out: any JSON.
    pub(super) schema: Option<RawSchema>,
}

/// A call that improves an answer; by the step's own model, if it says neither `model` nor `task`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Improve")]
pub(super) struct RawImprove {
    /// The model that improves.
    pub(super) model: Option<String>,
    /// The task that improves.
    pub(super) task: Option<String>,
    /// The system message; the step's, if nothing else is said.
    #[serde(default)]
    #[schemars(schema_with = "prompt_files::schema")]
    pub(super) system: Option<String>,
    /// The user message, with `${output}`.
    #[schemars(schema_with = "prompt_files::schema")]
    pub(super) prompt: String,
}

/// A draft that is worked out further, only where that is called for. Its expressions also see `output`, the draft, and
/// `request`, the user message that asked for it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Refine")]
pub(super) struct RawRefine {
    /// Whether it is called for: an expression.
    pub(super) when: String,
    /// The model that works it out; the step's own, if neither this nor `task` is said.
    pub(super) model: Option<String>,
    /// The task that works it out.
    pub(super) task: Option<String>,
    /// The system message; the step's, if nothing else is said.
    #[serde(default)]
    #[schemars(schema_with = "prompt_files::schema")]
    pub(super) system: Option<String>,
    /// The user message, with `${output}`.
    #[schemars(schema_with = "prompt_files::schema")]
    pub(super) prompt: String,
}

/// When an answer is good enough.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RawUntil {
    /// An expression.
    Expression(String),
    /// A check and, perhaps, a score.
    Validator(RawUntilValidator),
}

/// A check and, perhaps, a score.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUntilValidator {
    pub(super) validator: RawValidator,
    pub(super) score: Option<f64>,
}

/// Written by hand, so that a fault names the key that is wrong instead of a choice that does not fit.
impl JsonSchema for RawUntil {
    fn schema_name() -> Cow<'static, str> {
        "Until".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let validator = generator.subschema_for::<RawValidator>();
        json_schema!({
            "description": "When an answer is good enough: an expression, or a check and a score.",
            "type": ["string", "object"],
            "properties": {
                "validator": { "description": "The check.", "allOf": [validator] },
                "score": { "description": "The score that is enough.", "type": "number", "minimum": 0, "maximum": 1 },
            },
            "required": ["validator"],
            "additionalProperties": false,
        })
    }
}
