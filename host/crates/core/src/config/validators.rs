//! `validators:` what an answer must pass before it is delivered: plugins by name, and the built-in checks with their
//! parameters. Everything that can be compiled is compiled here, so that no request meets a broken check.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::CompiledSchema;

use super::findings::Located;
use super::plugin_limits::{PluginLimits, RawLimits};
use super::plugins::{Instances, PluginSettings};
use super::pointer::Pointer;
use super::units::Count;

/// The most repairs one request may ask for.
pub const MAX_REPAIRS: u32 = 5;
const DEFAULT_REPAIRS: u32 = 1;

/// The most checks in one list: each looks at every answer.
const MAX_VALIDATORS: usize = 32;
/// A compiled pattern's size, in bytes.
const PATTERN_SIZE: usize = 1 << 20;

/// The built-in checks by name, and whether each takes a value.
const NOT_EMPTY: &str = "not_empty";
const WITH_VALUE: [&str; 3] = ["max_length", "regex", "json_schema"];

/// One entry of a list, as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum RawValidator {
    /// A plugin, or `not_empty`.
    Name(String),
    /// A built-in check with its value.
    Rule(RawRule),
}

/// A built-in check with its value: exactly one of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRule {
    max_length: Option<Count>,
    regex: Option<String>,
    json_schema: Option<Value>,
}

/// Written by hand, so that a fault names the key that is wrong instead of a choice that does not fit.
impl JsonSchema for RawValidator {
    fn schema_name() -> Cow<'static, str> {
        "Validator".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let count = generator.subschema_for::<Count>();
        json_schema!({
            "description": "One check of answers: a plugin's name, `not_empty`, or a built-in check with its value.",
            "type": ["string", "object"],
            "properties": {
                "max_length": { "description": "The text has at most so many characters.", "allOf": [count] },
                "regex": { "description": "The pattern is found somewhere in the text.", "type": "string" },
                "json_schema": {
                    "description": "The text is JSON that fits this schema.", "type": ["object", "boolean"],
                },
            },
            "additionalProperties": false,
        })
    }
}

/// A pattern that is looked for in answers.
#[derive(Clone)]
pub struct AnswerPattern(Regex);

impl AnswerPattern {
    /// Whether the text has it somewhere. Takes a time that is linear in the text.
    pub fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for AnswerPattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for AnswerPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One check of answers.
#[derive(Clone, Debug, PartialEq)]
pub enum ValidatorRule {
    /// The plugin of this name.
    Plugin(String),
    /// There is text, or a tool is called.
    NotEmpty,
    /// The text has at most so many characters.
    MaxLength(usize),
    /// The pattern is found somewhere in the text.
    Regex(AnswerPattern),
    /// The text is JSON that fits the schema.
    JsonSchema(Arc<CompiledSchema>),
}

impl ValidatorRule {
    /// Its name in configuration, trail and metrics.
    pub fn name(&self) -> &str {
        match self {
            Self::Plugin(name) => name,
            Self::NotEmpty => NOT_EMPTY,
            Self::MaxLength(_) => "max_length",
            Self::Regex(_) => "regex",
            Self::JsonSchema(_) => "json_schema",
        }
    }

    fn show(&self) -> Value {
        match self {
            Self::Plugin(_) | Self::NotEmpty => json!(self.name()),
            Self::MaxLength(most) => json!({ "max_length": Count::new(*most as u64) }),
            Self::Regex(pattern) => json!({ "regex": pattern.as_str() }),
            Self::JsonSchema(schema) => json!({ "json_schema": schema.source() }),
        }
    }
}

/// What happens to an answer when a validator fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidatorOnError {
    /// It is rejected.
    Reject,
    /// It goes on to the next validator.
    Accept,
    /// The request fails.
    Fail,
}

impl ValidatorOnError {
    /// The word in configuration and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Accept => "accept",
            Self::Fail => "fail",
        }
    }
}

/// What a validator does with an answer that comes as a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamMode {
    /// The answer is held until it has been judged as a whole, then delivered as it came.
    #[default]
    Hold,
    /// The plugin sees each piece as it comes, holds back what it is not sure of, and lets the rest go. For components
    /// that export `stream-validation`.
    Window,
    /// The answer is delivered as it comes; what the plugin finds once it is over is written down and changes nothing.
    After,
}

impl StreamMode {
    /// The word in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Window => "window",
            Self::After => "after",
        }
    }
}

/// Warns where a plugin is to let streams through while a check beside it holds them whole.
pub(crate) fn check_streams<'a>(
    lists: impl Iterator<Item = Vec<&'a ValidatorRule>>,
    mode: &dyn Fn(&str) -> StreamMode,
    at: &dyn Fn(&str) -> Pointer,
    found: &mut Located<'_>,
) {
    let mode = |rule: &ValidatorRule| match rule {
        ValidatorRule::Plugin(name) => mode(name),
        _ => StreamMode::Hold,
    };
    let mut told: Vec<&str> = Vec::new();
    for list in lists {
        let Some(holds) = list.iter().find(|rule| mode(rule) == StreamMode::Hold) else { continue };
        for rule in list.iter().filter(|rule| mode(rule) == StreamMode::Window) {
            if told.contains(&rule.name()) {
                continue;
            }
            told.push(rule.name());
            let message = format!(
                "`{}` lets streams through by and by, and `{}` in the same list holds them whole",
                rule.name(),
                holds.name()
            );
            found.warn(
                &at(rule.name()),
                message,
                "keep them in lists of different tasks, or use `hold` for both",
            );
        }
    }
}

/// What holds for every validator that does not say otherwise.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "ValidatorDefaults")]
pub(crate) struct RawValidatorDefaults {
    /// Whether each call gets an instance of its own, or instances are used again.
    instances: Instances,
    /// What one call may cost. What is left out has the gateway's default, but for `cpu`, which is 50ms here, and `wall`,
    /// which is 250ms.
    limits: RawLimits,
    /// What a validator does with an answer that comes as a stream: hold it until it is judged as a whole, let it through a
    /// window of held-back text, or judge it after it was delivered. The built-in checks always hold it.
    stream: StreamMode,
}

impl RawValidatorDefaults {
    /// The defaults for validators. What only routers have is taken from theirs.
    pub(crate) fn over(
        &self,
        routers: &PluginSettings,
        at: &Pointer,
        found: &mut Located<'_>,
    ) -> PluginSettings {
        let limits = self.limits.over(PluginLimits::of_validators(), &at.key("limits"), found);
        PluginSettings { instances: self.instances, limits, stream: self.stream, ..routers.clone() }
    }
}

/// Holds the place of an entry with a fault. No count that can be written is this large.
const UNREADABLE: ValidatorRule = ValidatorRule::MaxLength(usize::MAX);

/// Checks one list.
pub(crate) fn check(raw: &[RawValidator], at: &Pointer, found: &mut Located<'_>) -> Vec<ValidatorRule> {
    if raw.len() > MAX_VALIDATORS {
        let message = format!("{} validators are more than one answer is put through", raw.len());
        found.fault(at, message, format!("keep {MAX_VALIDATORS} or fewer"));
    }
    let mut rules: Vec<ValidatorRule> = Vec::with_capacity(raw.len());
    for (index, entry) in raw.iter().enumerate() {
        let here = at.index(index);
        let Some(rule) = check_one(entry, &here, found) else {
            // Nothing runs with this list; the place of what follows must stay right.
            rules.push(UNREADABLE);
            continue;
        };
        if let Some(first) = rules.iter().position(|known| *known == rule) {
            let message = format!("the validator `{}` is already in the list", rule.name());
            found.clash(&here, &at.index(first), "first here", message, "remove one of the two");
        }
        rules.push(rule);
    }
    rules
}

/// Checks an entry that stands by itself.
pub(crate) fn check_one(raw: &RawValidator, at: &Pointer, found: &mut Located<'_>) -> Option<ValidatorRule> {
    match raw {
        RawValidator::Name(name) => check_name(name, at, found),
        RawValidator::Rule(rule) => check_rule(rule, at, found),
    }
}

fn check_name(name: &str, at: &Pointer, found: &mut Located<'_>) -> Option<ValidatorRule> {
    if name == NOT_EMPTY {
        return Some(ValidatorRule::NotEmpty);
    }
    if WITH_VALUE.contains(&name) {
        let example = match name {
            "max_length" => "{ max_length: 4000 }",
            "regex" => "{ regex: \"^[0-9]+$\" }",
            _ => "{ json_schema: { type: object } }",
        };
        found.fault(at, format!("`{name}` needs a value"), format!("write it as in `{example}`"));
        return None;
    }
    found.name(at, "plugin", name);
    Some(ValidatorRule::Plugin(name.to_owned()))
}

fn check_rule(raw: &RawRule, at: &Pointer, found: &mut Located<'_>) -> Option<ValidatorRule> {
    match raw {
        RawRule { max_length: Some(most), regex: None, json_schema: None } => {
            if most.get() == 0 {
                found.fault(
                    &at.key("max_length"),
                    "no answer is that short",
                    "write how many characters it may have",
                );
            }
            Some(ValidatorRule::MaxLength(most.as_usize()))
        }
        RawRule { max_length: None, regex: Some(pattern), json_schema: None } => {
            match RegexBuilder::new(pattern).size_limit(PATTERN_SIZE).build() {
                Ok(regex) => Some(ValidatorRule::Regex(AnswerPattern(regex))),
                Err(error) => {
                    let why = match &error {
                        regex::Error::CompiledTooBig(_) => "it is too large once compiled".to_owned(),
                        // The last line says what is wrong, those before it draw where.
                        other => other.to_string().lines().last().unwrap_or_default().trim().to_owned(),
                    };
                    let hint = "see docs.rs/regex for what a pattern may say; it has no look-around";
                    found.fault(&at.key("regex"), format!("this is no pattern: {why}"), hint);
                    None
                }
            }
        }
        RawRule { max_length: None, regex: None, json_schema: Some(schema) } => {
            match CompiledSchema::compile(schema.clone()) {
                Ok(schema) => Some(ValidatorRule::JsonSchema(Arc::new(schema))),
                Err(why) => {
                    let hint = "see json-schema.org; nothing outside of this file is looked at";
                    found.fault(&at.key("json_schema"), format!("this is no JSON schema: {why}"), hint);
                    None
                }
            }
        }
        _ => {
            found.fault(
                at,
                "a validator is one check",
                format!("write a name, or one of {} with its value", WITH_VALUE.join(", ")),
            );
            None
        }
    }
}

/// Checks `max_repairs`.
pub(crate) fn check_repairs(raw: Option<Count>, at: &Pointer, found: &mut Located<'_>) -> u32 {
    let Some(count) = raw else { return DEFAULT_REPAIRS };
    if count.get() > u64::from(MAX_REPAIRS) {
        found.fault(at, format!("`{at}` is {count}"), format!("use 0 to {MAX_REPAIRS}"));
    }
    u32::try_from(count.get()).unwrap_or(MAX_REPAIRS).min(MAX_REPAIRS)
}

/// A list as it took effect.
pub(crate) fn show(rules: &[ValidatorRule]) -> Value {
    rules.iter().map(ValidatorRule::show).collect()
}
