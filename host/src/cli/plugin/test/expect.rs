//! What a case expects: one of the things that a plugin can say, and as much of what goes with it as is written.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use jackfield_core::contract::RejectClass;

/// The faults that a case can meet, in the host's words.
const FAULTS: [&str; 10] = [
    "reported",
    "trap",
    "condition",
    "cpu_limit",
    "wall_limit",
    "memory_limit",
    "host_call_limit",
    "abi",
    "invalid_decision",
    "bad_config",
];

/// What is expected. What is not written is not looked at.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawExpect")]
pub(super) struct Expect {
    pub(super) what: What,
    pub(super) text: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) score: Option<f64>,
    pub(super) issues: Option<Vec<String>>,
    /// These labels; others may be there.
    pub(super) labels: BTreeMap<String, String>,
    /// Words that stand in the text, the reason or an issue.
    pub(super) mentions: Vec<String>,
}

/// What the plugin says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// A router: these models, best first.
    Route(Vec<Aim>),
    /// A router: no opinion.
    Abstain,
    /// A router: no.
    Reject(Class),
    /// A router: this text.
    Respond(String),
    /// A validator.
    Verdict(Word),
    /// A stream-validator: this text reaches the client.
    Delivers(String),
    /// A call that fails, or settings that are refused: the host's word for it.
    Fault(String),
}

/// A model, and what the rule changes of the request; only what is written counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Aim {
    pub(super) model: String,
    pub(super) temperature: Option<f64>,
    pub(super) max_tokens: Option<u32>,
    pub(super) reasoning: Option<String>,
    pub(super) template: Option<String>,
}

/// A refusal's kind, as the contract spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Class {
    InvalidRequest,
    Forbidden,
    RateLimited,
    Unavailable,
}

impl Class {
    pub(super) fn of(self) -> RejectClass {
        match self {
            Self::InvalidRequest => RejectClass::InvalidRequest,
            Self::Forbidden => RejectClass::Forbidden,
            Self::RateLimited => RejectClass::RateLimited,
            Self::Unavailable => RejectClass::Unavailable,
        }
    }
}

/// A validator's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Word {
    Accept,
    Reject,
    Repair,
    Replace,
}

impl Word {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Repair => "repair",
            Self::Replace => "replace",
        }
    }
}

/// The answer that a case has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// None: a router is asked.
    Nothing,
    /// A whole one.
    Whole,
    /// One in pieces.
    Streamed,
}

impl Expect {
    /// Why this cannot be expected of a case with such an answer.
    pub(super) fn misfit(&self, judged: Judged) -> Option<&'static str> {
        match (&self.what, judged) {
            (What::Fault(_), _)
            | (What::Verdict(_), Judged::Whole)
            | (What::Verdict(Word::Reject) | What::Delivers(_), Judged::Streamed) => None,
            (What::Verdict(_), Judged::Nothing) => {
                Some("a `verdict` needs a `response`, the answer that is judged")
            }
            (What::Delivers(_), _) => {
                Some("`delivers` needs a `stream`, the pieces of the answer that is watched")
            }
            (_, Judged::Whole) => {
                Some("a `response` is judged: expect a `verdict`, or leave the response out to ask a router")
            }
            (_, Judged::Streamed) => {
                Some("a `stream` is watched: expect what it `delivers`, or `verdict: reject`")
            }
            (_, Judged::Nothing) => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpect {
    route: Option<Vec<Aim>>,
    abstain: Option<bool>,
    reject: Option<Class>,
    respond: Option<String>,
    verdict: Option<Word>,
    delivers: Option<String>,
    fault: Option<String>,
    text: Option<String>,
    reason: Option<String>,
    score: Option<f64>,
    issues: Option<Vec<String>>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    mentions: Vec<String>,
}

impl TryFrom<RawExpect> for Expect {
    type Error = String;

    fn try_from(raw: RawExpect) -> Result<Self, String> {
        let abstain = match raw.abstain {
            Some(false) => return Err("`abstain` can only be `true`".to_owned()),
            other => other.map(|_| What::Abstain),
        };
        let said = [
            raw.route.map(What::Route),
            abstain,
            raw.reject.map(What::Reject),
            raw.respond.map(What::Respond),
            raw.verdict.map(What::Verdict),
            raw.delivers.map(What::Delivers),
            raw.fault.map(What::Fault),
        ];
        let mut said = said.into_iter().flatten();
        let (Some(what), None) = (said.next(), said.next()) else {
            return Err(
                "expect exactly one of `route`, `abstain`, `reject`, `respond`, `verdict`, `delivers` and `fault`"
                    .to_owned(),
            );
        };
        if let What::Fault(kind) = &what
            && !FAULTS.contains(&kind.as_str())
        {
            return Err(format!("`fault: {kind}` is none that there is; known are: {}", FAULTS.join(", ")));
        }
        if what == What::Route(Vec::new()) {
            return Err("`route` names at least one model".to_owned());
        }
        Ok(Self {
            what,
            text: raw.text,
            reason: raw.reason,
            score: raw.score,
            issues: raw.issues,
            labels: raw.labels,
            mentions: raw.mentions,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAim {
    model: String,
    temperature: Option<f64>,
    max_tokens: Option<u32>,
    reasoning: Option<String>,
    template: Option<String>,
}

impl<'de> Deserialize<'de> for Aim {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NameOrMore)
    }
}

/// Not an untagged enum: those lose what was wrong, and where.
struct NameOrMore;

impl<'de> Visitor<'de> for NameOrMore {
    type Value = Aim;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a model's name, or a mapping with `model`")
    }

    fn visit_str<E: Error>(self, model: &str) -> Result<Aim, E> {
        Ok(Aim { model: model.to_owned(), ..Aim::default() })
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Aim, M::Error> {
        let RawAim { model, temperature, max_tokens, reasoning, template } =
            RawAim::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Aim { model, temperature, max_tokens, reasoning, template })
    }
}
