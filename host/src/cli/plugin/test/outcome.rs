//! What a plugin said, and how that differs from what was expected.

use std::fmt;

use serde_json::{Value, json};

use jackfield_core::contract::{Decision, Routing, Target, Validation, Verdict};

use super::expect::{Aim, Expect, What};
use crate::cli::plan;
use crate::cli::plugin::file::printable;

/// How far apart two scores may be and still be the same.
const CLOSE: f64 = 1e-9;

/// What a plugin said.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    said: Said,
    /// What goes with the verdict or the refusal; a fault's message.
    text: Option<String>,
    reason: String,
    score: Option<f64>,
    issues: Vec<String>,
    labels: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum Said {
    Decision(Decision),
    Verdict(&'static str),
    Delivered,
    Fault(&'static str),
}

/// A place where expectation and truth differ, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) of: String,
    pub(super) expected: String,
    pub(super) got: String,
}

impl Seen {
    pub(super) fn of_routing(routing: Routing) -> Self {
        let Routing { decision, reason, labels } = routing;
        let text = match &decision {
            Decision::Reject { message: text, .. } | Decision::Respond(text) => Some(text.clone()),
            Decision::Route(_) | Decision::Abstain => None,
        };
        Self { said: Said::Decision(decision), text, reason, score: None, issues: Vec::new(), labels }
    }

    pub(super) fn of_validation(found: &Validation) -> Self {
        let Validation { verdict, score, issues, labels } = found.clone();
        let said = Said::Verdict(verdict.name());
        let text = match verdict {
            Verdict::Repair(text) | Verdict::Replace(text) => Some(text),
            Verdict::Accept | Verdict::Reject => None,
        };
        Self { said, text, reason: String::new(), score, issues, labels }
    }

    /// Whether the call failed in this way.
    pub(super) fn is_fault(&self, kind: &str) -> bool {
        matches!(self.said, Said::Fault(said) if said == kind)
    }

    /// A streamed answer that reached its end.
    pub(super) fn of_delivered(gone: String) -> Self {
        Self { said: Said::Delivered, ..Self::fault("", &gone) }
    }

    /// A streamed answer that was stopped, and what of it had gone.
    pub(super) fn of_stopped(gone: String, issues: Vec<String>) -> Self {
        Self { said: Said::Verdict("reject"), issues, ..Self::fault("", &gone) }
    }

    pub(super) fn fault(kind: &'static str, message: &str) -> Self {
        let (text, said) = (Some(message.to_owned()), Said::Fault(kind));
        Self { said, text, reason: String::new(), score: None, issues: Vec::new(), labels: Vec::new() }
    }

    /// Everything in which it is not as expected; nothing when it is.
    pub(super) fn differences(&self, expect: &Expect) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut differ = |of: &str, expected: String, got: String| {
            found.push(Difference { of: of.to_owned(), expected, got });
        };
        if !self.is(&expect.what) {
            differ("outcome", expect.what.to_string(), self.to_string());
        }
        let or_none =
            |text: Option<&str>| text.map_or_else(|| "nothing".to_owned(), |text| format!("{text:?}"));
        if let Some(text) = expect.text.as_deref().filter(|text| self.text.as_deref() != Some(text)) {
            differ("text", format!("{text:?}"), or_none(self.text.as_deref()));
        }
        if let Some(reason) = expect.reason.as_deref().filter(|reason| self.reason != *reason) {
            differ(
                "reason",
                format!("{reason:?}"),
                or_none(Some(&self.reason).filter(|got| !got.is_empty()).map(String::as_str)),
            );
        }
        if let Some(score) = expect.score
            && !self.score.is_some_and(|got| (got - score).abs() < CLOSE)
        {
            differ(
                "score",
                score.to_string(),
                self.score.map_or_else(|| "nothing".to_owned(), |got| got.to_string()),
            );
        }
        if let Some(issues) = expect.issues.as_ref().filter(|issues| **issues != self.issues) {
            differ("issues", format!("{issues:?}"), format!("{:?}", self.issues));
        }
        for (name, value) in &expect.labels {
            // The last one holds, as it does for the rules after it.
            let got =
                self.labels.iter().rev().find(|(label, _)| label == name).map(|(_, value)| value.as_str());
            if got != Some(value) {
                differ(&format!("label {name}"), format!("{value:?}"), or_none(got));
            }
        }
        for word in &expect.mentions {
            let texts = || [self.text.as_deref(), Some(self.reason.as_str())].into_iter().flatten();
            let mut texts = texts().chain(self.issues.iter().map(String::as_str));
            if !texts.any(|text| text.contains(word)) {
                differ("mentions", format!("{word:?} in the text, the reason or an issue"), self.to_string());
            }
        }
        found
    }

    fn is(&self, what: &What) -> bool {
        match (what, &self.said) {
            (What::Route(aims), Said::Decision(Decision::Route(targets))) => {
                aims.len() == targets.len()
                    && aims.iter().zip(targets).all(|(aim, target)| is_at(aim, target))
            }
            (What::Abstain, Said::Decision(Decision::Abstain)) => true,
            (What::Reject(expected), Said::Decision(Decision::Reject { class, .. })) => {
                expected.of() == *class
            }
            (What::Respond(expected), Said::Decision(Decision::Respond(text))) => expected == text,
            (What::Verdict(expected), Said::Verdict(verdict)) => expected.name() == *verdict,
            (What::Delivers(expected), Said::Delivered) => self.text.as_ref() == Some(expected),
            (What::Fault(expected), Said::Fault(kind)) => expected == kind,
            _ => false,
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let mut told = match &self.said {
            Said::Decision(decision) => {
                json!({ "decision": plan::decision_json(decision), "reason": self.reason })
            }
            Said::Verdict(verdict) => {
                json!({ "verdict": verdict, "text": self.text, "score": self.score, "issues": self.issues })
            }
            Said::Delivered => json!({ "delivers": self.text }),
            Said::Fault(kind) => return json!({ "fault": { "kind": kind, "message": self.text } }),
        };
        let labels: Vec<Value> =
            self.labels.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        if let Some(told) = told.as_object_mut() {
            told.insert("labels".to_owned(), json!(labels));
        }
        told
    }
}

/// Whether a target is the model that is aimed at, changed as is written.
fn is_at(aim: &Aim, target: &Target) -> bool {
    let Aim { model, temperature, max_tokens, reasoning, template } = aim;
    let got = &target.overrides;
    *model == target.model
        && temperature
            .is_none_or(|expected| got.temperature.is_some_and(|got| (got - expected).abs() < CLOSE))
        && max_tokens.is_none_or(|expected| got.max_output_tokens == Some(expected))
        && reasoning.as_deref().is_none_or(|expected| got.reasoning.is_some_and(|got| got.name() == expected))
        && template.as_deref().is_none_or(|expected| got.prompt_template.as_deref() == Some(expected))
}

/// One line, harmless for a terminal.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.as_deref().unwrap_or_default();
        let line = match &self.said {
            Said::Decision(decision) => plan::decision(decision),
            Said::Verdict(verdict) if !self.issues.is_empty() => {
                format!("{verdict}: {}", self.issues.join("; "))
            }
            Said::Verdict(verdict) if !text.is_empty() => format!("{verdict}: {text}"),
            Said::Verdict(verdict) => (*verdict).to_owned(),
            Said::Delivered => format!("delivers {text:?}"),
            Said::Fault(kind) => format!("fault {kind}: {text}"),
        };
        f.write_str(&printable(&line))
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(aims) => {
                let aims: Vec<String> = aims.iter().map(ToString::to_string).collect();
                write!(f, "route to {}", aims.join(", else "))
            }
            Self::Abstain => f.write_str("abstain"),
            Self::Reject(class) => write!(f, "reject ({})", plan::class_name(class.of())),
            Self::Respond(text) => write!(f, "respond: {text:?}"),
            Self::Verdict(word) => f.write_str(word.name()),
            Self::Delivers(text) => write!(f, "delivers {text:?}"),
            Self::Fault(kind) => write!(f, "fault {kind}"),
        }
    }
}

/// As `plan` tells a target.
impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, temperature, max_tokens, reasoning, template } = self;
        let parts = [
            temperature.map(|t| format!("temperature {t}")),
            max_tokens.map(|n| format!("max_tokens {n}")),
            reasoning.as_ref().map(|level| format!("reasoning {level}")),
            template.as_ref().map(|text| format!("template {text:?}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match parts.is_empty() {
            true => f.write_str(model),
            false => write!(f, "{model} ({})", parts.join(", ")),
        }
    }
}
