//! The validators that are built in. They look at every choice of an answer, and name it in what they say where there are
//! several. A choice that calls tools instead of saying something has no text to be checked, and passes.
//!
//! Each takes a time that is linear in the text; but for a JSON schema that the configuration holds, which may say otherwise.

use jackfield_core::config::ValidatorRule;
use jackfield_core::contract::{BoxFuture, Choice, PluginFault, Review, Validation, Validator};

/// Issues told of one answer.
const MAX_ISSUES: usize = 8;

/// A built-in check.
pub(super) struct Builtin {
    name: String,
    rule: ValidatorRule,
}

impl Builtin {
    /// The check of this rule.
    pub(super) fn of(rule: &ValidatorRule) -> Self {
        Self::new(rule.name(), rule.clone())
    }

    /// A check that goes by this name.
    pub(super) fn new(name: &str, rule: ValidatorRule) -> Self {
        Self { name: name.to_owned(), rule }
    }

    /// What it checks, to the letter.
    pub(super) fn identity(&self) -> String {
        format!("{:?}", self.rule)
    }

    fn issues(&self, choice: &Choice) -> Vec<String> {
        let text = choice.text.as_deref().unwrap_or_default();
        if text.is_empty() && !choice.tool_calls.is_empty() {
            return Vec::new();
        }
        let issue = match &self.rule {
            ValidatorRule::NotEmpty if text.trim().is_empty() && choice.pictures.is_empty() => {
                "the answer is empty".to_owned()
            }
            ValidatorRule::MaxLength(most) => match text.chars().count() {
                length if length > *most => format!("the answer has {length} characters, more than {most}"),
                _ => return Vec::new(),
            },
            ValidatorRule::Regex(pattern) if !pattern.is_in(text) => {
                format!("the answer has nothing that fits `{}`", pattern.as_str())
            }
            ValidatorRule::JsonSchema(schema) => return schema.issues(text),
            // A plugin is never built in.
            ValidatorRule::NotEmpty | ValidatorRule::Regex(_) | ValidatorRule::Plugin(_) => {
                return Vec::new();
            }
        };
        vec![issue]
    }
}

impl Validator for Builtin {
    fn name(&self) -> &str {
        &self.name
    }

    fn validate(&self, review: Review) -> BoxFuture<'_, Result<Validation, PluginFault>> {
        let choices = &review.draft.reply.choices;
        let found = choices.iter().enumerate().flat_map(|(index, choice)| {
            let name = move |issue| match choices.len() {
                0 | 1 => issue,
                _ => format!("choice {index}: {issue}"),
            };
            self.issues(choice).into_iter().map(name)
        });
        let issues: Vec<String> = found.take(MAX_ISSUES).collect();
        let found = if issues.is_empty() { Validation::accept() } else { Validation::reject(issues) };
        Box::pin(std::future::ready(Ok(found)))
    }
}
