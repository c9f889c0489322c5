//! The file of cases: what the host knows, and what a plugin is asked and expected to say. Unknown keys are errors.
//!
//! At most 1 MiB and [`MAX_CASES`] cases. The format is described in `plugin-sdk/README.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::expect::{Expect, Judged};
use crate::cli::Failed;

/// The most cases in a file.
pub(super) const MAX_CASES: usize = 1000;
/// The largest file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A file of cases.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cases {
    /// What holds in every case that says nothing else.
    #[serde(default)]
    pub(super) models: BTreeMap<String, Model>,
    #[serde(default)]
    pub(super) budget: Budgets,
    #[serde(default)]
    pub(super) load: LoadOf,
    pub(super) config: Option<Value>,
    pub(super) llm: Option<BTreeMap<String, String>>,
    /// What is asked, in order.
    pub(super) cases: Vec<Case>,
}

/// A model as the host knows it; what is left out is not known.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    pub(super) provider: Option<String>,
    pub(super) price: Option<Price>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) capabilities: Option<Vec<String>>,
    pub(super) context_window: Option<u64>,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) healthy: Option<bool>,
    pub(super) in_flight: Option<u32>,
    pub(super) p50_ms: Option<f64>,
    pub(super) p95_ms: Option<f64>,
    pub(super) first_token_p50_ms: Option<f64>,
    pub(super) error_rate: Option<f64>,
    pub(super) rate_limit_headroom: Option<f64>,
}

/// US dollars for a million tokens.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Price {
    pub(super) input: Option<f64>,
    pub(super) output: Option<f64>,
}

/// What may still be spent; a scope that is left out has no limit.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budgets {
    pub(super) project: Option<Left>,
    pub(super) user: Option<Left>,
    pub(super) global: Option<Left>,
}

/// One budget.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Left {
    pub(super) remaining_usd: f64,
    pub(super) used_ratio: f64,
}

/// How busy the host is.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadOf {
    pub(super) in_flight: Option<u32>,
    pub(super) cpu: Option<f64>,
}

/// Who asks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asking {
    pub(super) project: Option<String>,
    pub(super) user: Option<String>,
}

/// One question and what is expected.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawCase")]
pub(super) struct Case {
    pub(super) name: String,
    /// A chat request's body.
    pub(super) request: Value,
    pub(super) task: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) caller: Asking,
    pub(super) models: BTreeMap<String, Model>,
    pub(super) budget: Budgets,
    pub(super) load: LoadOf,
    pub(super) config: Option<Value>,
    pub(super) llm: Option<BTreeMap<String, String>>,
    /// The answer a validator is asked about; a router has none.
    pub(super) response: Option<Response>,
    /// The pieces of the answer that a stream-validator watches.
    pub(super) stream: Option<Vec<String>>,
    pub(super) expect: Expect,
}

/// A model's answer: a text, or a mapping that holds more.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Response {
    pub(super) text: Option<String>,
    pub(super) model: Option<String>,
    pub(super) attempt: Option<u32>,
    pub(super) finish_reason: Option<Finish>,
    pub(super) tool_calls: Vec<Calls>,
    pub(super) usage: Option<Used>,
}

/// Why a model stopped, as OpenAI's API spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Finish {
    Stop,
    Length,
    ToolCalls,
    ContentFilter,
}

/// A call that the model wants made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Calls {
    #[serde(default)]
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// What the answer consumed, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Used {
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
}

impl Cases {
    /// Reads a file; an error names it, the line and what could stand there.
    pub(super) fn read(path: &Path) -> Result<Self, Failed> {
        let failed = |why: &dyn fmt::Display| Failed(format!("error: read {}: {why}", path.display()));
        let mut text = String::new();
        let file = File::open(path).map_err(|error| failed(&error))?;
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(failed(&format!("it is larger than {MAX_BYTES} bytes; split it, and use --cases")));
        }
        Self::of(&text).map_err(|error| failed(&error))
    }

    pub(super) fn of(text: &str) -> Result<Self, String> {
        let cases: Self = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        match cases.cases.len() {
            0 => Err("there are no `cases`".to_owned()),
            1..=MAX_CASES => Ok(cases),
            many => {
                Err(format!("there are {many} cases; at most {MAX_CASES} are run: split it, and use --cases"))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: String,
    prompt: Option<String>,
    request: Option<Value>,
    task: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    caller: Asking,
    #[serde(default)]
    models: BTreeMap<String, Model>,
    #[serde(default)]
    budget: Budgets,
    #[serde(default)]
    load: LoadOf,
    config: Option<Value>,
    llm: Option<BTreeMap<String, String>>,
    response: Option<Response>,
    stream: Option<Vec<String>>,
    expect: Expect,
}

impl TryFrom<RawCase> for Case {
    type Error = String;

    fn try_from(raw: RawCase) -> Result<Self, String> {
        let RawCase { name, prompt, request, response, stream, expect, .. } = raw;
        let fault = |what: &str| format!("case `{name}`: {what}");
        let request = match (prompt, request) {
            (Some(prompt), None) => {
                serde_json::json!({ "messages": [{ "role": "user", "content": prompt }] })
            }
            (None, Some(request)) => request,
            _ => return Err(fault("give either `prompt`, a text, or `request`, a chat request's body")),
        };
        let judged = match (&response, &stream) {
            (None, None) => Judged::Nothing,
            (Some(_), None) => Judged::Whole,
            (None, Some(_)) => Judged::Streamed,
            (Some(_), Some(_)) => return Err(fault("give either `response` or `stream`")),
        };
        if let Some(what) = expect.misfit(judged) {
            return Err(fault(what));
        }
        Ok(Self {
            name,
            request,
            task: raw.task,
            headers: raw.headers,
            labels: raw.labels,
            caller: raw.caller,
            models: raw.models,
            budget: raw.budget,
            load: raw.load,
            config: raw.config,
            llm: raw.llm,
            response,
            stream,
            expect,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawResponse {
    text: Option<String>,
    model: Option<String>,
    attempt: Option<u32>,
    finish_reason: Option<Finish>,
    #[serde(default)]
    tool_calls: Vec<Calls>,
    usage: Option<Used>,
}

impl<'de> Deserialize<'de> for Response {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextOrMore)
    }
}

/// Not an untagged enum: those lose what was wrong, and where.
struct TextOrMore;

impl<'de> Visitor<'de> for TextOrMore {
    type Value = Response;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer's text, or a mapping with `text`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Response, E> {
        Ok(Response { text: Some(text.to_owned()), ..Response::default() })
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Response, M::Error> {
        let RawResponse { text, model, attempt, finish_reason, tool_calls, usage } =
            RawResponse::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Response { text, model, attempt, finish_reason, tool_calls, usage })
    }
}
