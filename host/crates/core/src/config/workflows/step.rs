//! One step of a workflow: whom it asks, with what, how often, and what is made of the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::base::CompiledSchema;
use crate::config::{Fallback, ValidatorRule};
use crate::contract::Overrides;
use crate::expression::{Expression, ValueTemplate};

/// The most rounds of improvement.
pub const MAX_ITERATIONS: u32 = 10;
/// The most items in one call.
pub const MAX_BATCH: usize = 100;
/// The most items that `foreach` goes through: a longer list fails the step.
pub const MAX_ITEMS: usize = 1_000;

/// One step.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Its name: a CEL identifier of at most 64 bytes, unique in the workflow, none of the words expressions keep.
    pub name: Arc<str>,
    /// Whom it asks.
    pub call: Call,
    /// The system message.
    pub system: Option<ValueTemplate>,
    /// The user message, or its beginning.
    pub prompt: Option<ValueTemplate>,
    /// What follows the prompt in the user message, after a blank line: a text as it is, else JSON; for a nested workflow,
    /// its input. What the rules imply (the run's input, an item) is here already, so `None` means that nothing follows.
    pub input: Option<ValueTemplate>,
    /// Steps that must be over before this one begins, by index; sorted, said and implied ones alike.
    pub needs: Vec<usize>,
    /// It is skipped, and its output is null, where this is false. With `foreach`: asked for each item.
    pub when: Option<Expression>,
    /// It runs for each element of a list, and its output is the list of their outputs.
    pub foreach: Option<Foreach>,
    /// Its answer is improved until it is good enough.
    pub repeat: Option<Repeat>,
    /// Its answer is worked out further where that is called for.
    pub refine: Option<Refine>,
    /// What its answer is.
    pub output: StepOutput,
    /// What its answers must pass besides what every answer must, in order.
    pub validators: Vec<ValidatorRule>,
    /// What to try when its model fails, in order.
    pub fallback: Vec<Fallback>,
    /// What it changes of its requests. `answer_format` says what `output` says.
    pub overrides: Overrides,
}

/// Whom a step asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// This model.
    Model(String),
    /// What this task's route says.
    Task(String),
    /// The model that this plugin decides for.
    Router(String),
    /// One of several, by a value.
    Choose(Box<Choose>),
    /// Another workflow: its output is the step's.
    Workflow(String),
}

/// One of several models or tasks, by a value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Choose {
    /// The value.
    pub on: Expression,
    /// Whom to ask by what the value is, as text. Models and tasks only.
    pub cases: BTreeMap<String, Call>,
    /// Whom to ask for any other value. A model or a task.
    pub otherwise: Call,
}

/// A step for each element of a list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Foreach {
    /// The list. More than [`MAX_ITEMS`] elements, or something that is no list, fails the step.
    pub over: Expression,
    /// The variable that an element is in; with `batch`, the list of the call's elements. `index` is its place, from 0
    /// (with `batch`, of its first element).
    pub variable: Arc<str>,
    /// Calls at the same time; at least 1, and 1 where `sequential`.
    pub max_parallel: usize,
    /// Elements in one call, which answers with a JSON list of as many; `None`: each has a call of its own. At least 2; only
    /// with `output: json`, whose schema is that of one element.
    pub batch: Option<usize>,
    /// One after the other, in order: `results` is the list of the outputs of the elements before.
    pub sequential: bool,
}

/// Iterative refinement: answer, evaluate, improve with the issues fed back, until good enough. The best is kept.
///
/// Its expressions see, besides what the step's see, `output` (the latest answer), `request` (the step's user message),
/// `iteration` (answers so far), `issues` (a list of texts, from the validator; empty without one) and, with `evaluate`,
/// `evaluation` (its answer). `evaluate` itself sees neither of the last two.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Repeat {
    /// How often the first answer is improved at most: 1 to [`MAX_ITERATIONS`].
    pub max_iterations: u32,
    /// A call that judges each answer.
    pub evaluate: Option<Ask>,
    /// When it is good enough.
    pub until: Until,
    /// How good an answer is, a number: the one with the most is the step's output. `None`: the validator's score, where it
    /// is until; else the last answer.
    pub score: Option<Expression>,
    /// The call that improves an answer; without a `call`, the step's own is asked.
    pub improve: Ask,
}

/// When an answer is good enough.
#[derive(Clone, Debug, PartialEq)]
pub enum Until {
    /// When this is true.
    Expression(Expression),
    /// When this check accepts it and, where a score is said, gives it that much or more (0 to 1). A check without a score
    /// gives 1 to what it accepts, 0 to the rest.
    Validator {
        /// The check.
        rule: ValidatorRule,
        /// The score that is enough.
        score: Option<f64>,
    },
}

/// A further call of a step.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ask {
    /// Whom it asks: a model or a task; `None`: as the step.
    pub call: Option<Call>,
    /// The system message; `None`: as the step.
    pub system: Option<ValueTemplate>,
    /// The user message, whole.
    pub prompt: ValueTemplate,
    /// What its answer is.
    pub output: StepOutput,
}

/// Progressive detail: a draft that is worked out further only where that is called for. Its expressions see `output`, the
/// draft, and `request`, the step's user message; what the call answers is the step's output. With `foreach`: for each item.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Refine {
    /// Whether it is called for.
    pub when: Expression,
    /// The call; its answer is of the step's own kind.
    pub ask: Ask,
}

/// What an answer is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum StepOutput {
    /// Text, as it came.
    #[default]
    Text,
    /// JSON, parsed; with a schema, it fits that.
    Json {
        /// What it must fit.
        schema: Option<Arc<CompiledSchema>>,
    },
}

impl Step {
    /// The workflow it runs, if it runs one.
    pub fn nested(&self) -> Option<&str> {
        match &self.call {
            Call::Workflow(name) if !name.is_empty() => Some(name),
            _ => None,
        }
    }

    /// The checks that are named in it, with the keys that lead to each.
    pub(crate) fn all_validators(&self) -> impl Iterator<Item = (&ValidatorRule, Vec<String>)> {
        let until = self.repeat.as_ref().and_then(|repeat| match &repeat.until {
            Until::Validator { rule, .. } => Some(rule),
            Until::Expression(_) => None,
        });
        let place = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        let listed = self.validators.iter().enumerate();
        let listed =
            listed.map(move |(index, rule)| (rule, vec!["validators".to_owned(), index.to_string()]));
        listed.chain(until.map(move |rule| (rule, place(&["repeat", "until", "validator"]))))
    }
}

impl Choose {
    /// Whom to ask for this value. Numbers, true and false are compared as JSON writes them.
    pub fn pick(&self, value: &Value) -> &Call {
        let found = match value {
            Value::String(text) => self.cases.get(text.as_str()),
            other => self.cases.get(&other.to_string()),
        };
        found.unwrap_or(&self.otherwise)
    }
}
