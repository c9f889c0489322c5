//! A Messages request written from nobody's dialect, for clients that speak another API.
//!
//! | what others have | what is said here |
//! |---|---|
//! | no bound on the answer's tokens | what the model can answer with, else 4 096: the API wants one |
//! | a level of reasoning | `thinking` and `output_config.effort`, as the model takes it |
//! | a temperature above 1 | nothing: the scale ends there |
//! | JSON of any kind | an instruction in words, and a note: the API binds to schemas alone |
//! | arguments that are no JSON object | an object that holds them as a text |

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use jackfield_core::contract::{Fault, Role};

use super::model::{Sampling, Thinking, Traits};
use super::think::{ThinkingField, Told};
use super::turns::{OutContent, OutMessage, messages, system};
use crate::conversation::{Conversation, Format, ToolChoice, unfit};

/// The bound on the answer's tokens where neither the client nor anything else says one: every model takes it.
pub(super) const DEFAULT_MAX_TOKENS: u64 = 4_096;

/// What a client that wants JSON is given, since the API has no word for it.
const JSON_ONLY: &str =
    "Answer with a single JSON object and nothing else: no explanation and no code fence.";

/// Writes a request. Gives its bytes and what was left out.
///
/// # Errors
/// The client asked for something that this API has no word for.
pub(super) fn compose(
    mut conversation: Conversation,
    model_id: &str,
    max_output: Option<u64>,
) -> Result<(Bytes, Vec<String>), Fault> {
    let traits = Traits::of(model_id);
    let this = &mut conversation;
    check_missing(this)?;
    let mut max_tokens = this.max_output_tokens.or(max_output).unwrap_or(DEFAULT_MAX_TOKENS);
    if this.max_output_tokens.is_none()
        && max_output.is_none()
        && let (Thinking::Budget, Some(reasoning)) = (traits.thinking, this.reasoning)
    {
        // Nobody bounds the answer: what it is thought with comes on top.
        max_tokens += 2 * reasoning.budget();
    }
    let told = think(this, traits, max_tokens)?;
    sample(this, traits, told.thinks())?;
    format(this, traits)?;
    let wants_json = matches!(this.format, Some(Format::JsonObject));
    if wants_json {
        this.dropped.push("response_format".to_owned());
    }
    let mut dropped = std::mem::take(&mut this.dropped);
    let this = &conversation;
    let said = messages(this);
    if said.is_empty() {
        return Err(unfit("messages"));
    }
    let forced = is_forced(this);
    let out = Out {
        model: model_id,
        max_tokens,
        system: system(this, wants_json.then_some(JSON_ONLY)),
        messages: said,
        stream: this.stream,
        temperature: this.temperature,
        top_p: this.top_p,
        top_k: this.top_k,
        stop_sequences: &this.stop,
        metadata: this.user.as_deref().map(|user_id| OutMetadata { user_id }),
        // A model cannot be made to think and to call a tool at once; how much it does is said all the same.
        thinking: told.thinking().filter(|_| !(told.thinks() && forced)),
        output_config: OutConfig::of(told.effort(), this.format.as_ref(), &mut dropped),
        tools: tools(this),
        tool_choice: tool_choice(this),
    };
    // Serialising plain structs of strings and numbers cannot fail.
    Ok((Bytes::from(serde_json::to_vec(&out).unwrap_or_default()), dropped))
}

/// What the API has no word for at all.
fn check_missing(conversation: &mut Conversation) -> Result<(), Fault> {
    let missing = [
        ("seed", conversation.seed.is_some()),
        ("presence_penalty", conversation.presence_penalty.is_some()),
        ("frequency_penalty", conversation.frequency_penalty.is_some()),
        ("n", conversation.choices.is_some()),
        // A text that ends the answer must have a word in it.
        ("stop", conversation.stop.iter().any(|text| text.trim().is_empty())),
    ];
    for (field, _) in missing.into_iter().filter(|(_, there)| *there) {
        conversation.lacks(field)?;
    }
    Ok(())
}

fn is_forced(conversation: &Conversation) -> bool {
    matches!(conversation.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)))
}

/// How the model is told to think. Where the client's other wishes and routing's hint exclude each other, the wishes win.
fn think(conversation: &mut Conversation, traits: Traits, max_tokens: u64) -> Result<Told, Fault> {
    let Some(reasoning) = conversation.reasoning else { return Ok(Told::Nothing) };
    let Some(told) = Told::of(traits.thinking, reasoning, max_tokens) else {
        conversation.lacks("reasoning")?;
        return Ok(Told::Nothing);
    };
    if !told.thinks() {
        return Ok(told);
    }
    let budget = matches!(told, Told::Budget(_));
    if budget && conversation.turns.last().is_some_and(|turn| turn.role == Role::Tool) {
        // In the middle of calls the API wants to see the thoughts that led to them, and nobody has them.
        conversation.hints.remove("reasoning");
        conversation.dropped.push("reasoning".to_owned());
        return Ok(Told::Nothing);
    }
    let wished = |field: &str| !conversation.hints.contains(field);
    let sampled = traits.sampling != Sampling::None
        && ((conversation.temperature.is_some_and(|t| t != 1.0) && wished("temperature"))
            || conversation.top_p.is_some_and(|p| p != 1.0)
            || conversation.top_k.is_some());
    let excluded = sampled || (budget && is_forced(conversation));
    if excluded && (!wished("reasoning") || budget && is_forced(conversation)) {
        conversation.lacks("reasoning")?;
        return Ok(Told::Nothing);
    }
    Ok(told)
}

/// Sampling as the model takes it. A setting that is the API's default is not said.
fn sample(conversation: &mut Conversation, traits: Traits, thinks: bool) -> Result<(), Fault> {
    let none = thinks || traits.sampling == Sampling::None;
    if none {
        conversation.temperature = conversation.temperature.filter(|t| *t != 1.0);
        conversation.top_p = conversation.top_p.filter(|p| *p != 1.0);
    }
    if let Some(temperature) = conversation.temperature {
        if none {
            conversation.lacks("temperature")?;
            conversation.temperature = None;
        } else if temperature > 1.0 {
            conversation.lacks("temperature")?;
            // A rule that wants it hotter gets what there is.
            conversation.temperature = Some(1.0);
            conversation.hints.insert("temperature");
        }
    }
    if conversation.top_p.is_some() && none {
        conversation.lacks("top_p")?;
        conversation.top_p = None;
    }
    if traits.sampling == Sampling::One && conversation.temperature.is_some() && conversation.top_p.is_some()
    {
        if conversation.hints.contains("temperature") {
            conversation.lacks("temperature")?;
            conversation.temperature = None;
        } else {
            conversation.lacks("top_p")?;
        }
    }
    if conversation.top_k.is_some() && none {
        conversation.lacks("top_k")?;
        conversation.top_k = None;
    }
    Ok(())
}

fn format(conversation: &mut Conversation, traits: Traits) -> Result<(), Fault> {
    if !traits.formats && matches!(conversation.format, Some(Format::JsonSchema { .. })) {
        match conversation.hints.contains("format") {
            true => conversation.lacks("format")?,
            false => return Err(unfit("response_format")),
        }
        conversation.format = None;
    }
    Ok(())
}

#[derive(Serialize)]
struct Out<'a> {
    model: &'a str,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<OutContent<'a>>,
    messages: Vec<OutMessage<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<OutMetadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<ThinkingField>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutConfig<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<OutTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<OutChoice<'a>>,
}

#[derive(Serialize)]
struct OutMetadata<'a> {
    user_id: &'a str,
}

#[derive(Serialize)]
struct OutConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<OutFormat<'a>>,
}

#[derive(Serialize)]
struct OutFormat<'a> {
    r#type: &'static str,
    schema: &'a RawValue,
}

impl<'a> OutConfig<'a> {
    fn of(
        effort: Option<&'static str>,
        format: Option<&'a Format>,
        dropped: &mut Vec<String>,
    ) -> Option<Self> {
        let format = match format {
            Some(Format::JsonSchema { schema, description, .. }) => {
                if description.is_some() {
                    dropped.push("response_format.json_schema.description".to_owned());
                }
                Some(OutFormat { r#type: "json_schema", schema })
            }
            Some(Format::JsonObject) | None => None,
        };
        (effort.is_some() || format.is_some()).then_some(Self { effort, format })
    }
}

#[derive(Serialize)]
struct OutTool<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    input_schema: OutSchema<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum OutSchema<'a> {
    Given(&'a RawValue),
    Empty { r#type: &'static str, properties: Empty },
}

/// An object without fields.
#[derive(Serialize)]
struct Empty {}

fn tools(conversation: &Conversation) -> Vec<OutTool<'_>> {
    let all = conversation.tools.iter().map(|tool| OutTool {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema: match &tool.schema {
            Some(schema) => OutSchema::Given(schema),
            None => OutSchema::Empty { r#type: "object", properties: Empty {} },
        },
        strict: tool.strict == Some(true),
    });
    all.collect()
}

#[derive(Serialize)]
struct OutChoice<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

/// Says nothing where there is nothing to choose from.
fn tool_choice(conversation: &Conversation) -> Option<OutChoice<'_>> {
    if conversation.tools.is_empty() {
        return None;
    }
    let one = conversation.parallel_tool_calls == Some(false);
    let choice =
        |r#type, name, disable_parallel_tool_use| OutChoice { r#type, name, disable_parallel_tool_use };
    match &conversation.tool_choice {
        None => one.then(|| choice("auto", None, true)),
        Some(ToolChoice::Auto) => Some(choice("auto", None, one)),
        Some(ToolChoice::None) => Some(choice("none", None, false)),
        Some(ToolChoice::Required) => Some(choice("any", None, one)),
        Some(ToolChoice::Named(name)) => Some(choice("tool", Some(name), one)),
    }
}

#[cfg(test)]
mod tests;
