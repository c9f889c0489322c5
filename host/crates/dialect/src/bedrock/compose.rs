//! A Converse request, written from nobody's dialect.
//!
//! Bedrock wants the user to begin, speakers to take turns, no text to be blank, and tools to be declared where the
//! conversation has called any.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use jackfield_core::contract::{Fault, FaultKind, ReasoningLevel};

use super::parts::{OutMessage, OutText, OutTool, messages, system, tools};
use crate::conversation::{Block, Conversation, Format, Reasoning, ToolChoice, unfit};

/// Writes a request. Gives its bytes and what was left out.
///
/// # Errors
/// The client asked for something that this API has no word for.
pub(super) fn compose(mut conversation: Conversation, model_id: &str) -> Result<(Bytes, Vec<String>), Fault> {
    let claude = is_claude(model_id);
    refuse_what_is_lacking(&mut conversation, claude)?;
    let thinking = Thinking::of(&mut conversation, claude)?;
    let with_tools = check_tools(&mut conversation)?;
    let mut dropped = std::mem::take(&mut conversation.dropped);
    if conversation.user.is_some() {
        dropped.push("user".to_owned());
    }
    let this = &conversation;
    let extra = Extra { top_k: this.top_k, thinking };
    let out = Out {
        system: system(this)?,
        messages: messages(this)?,
        inference_config: Inference {
            max_tokens: this.max_output_tokens,
            temperature: this.temperature,
            top_p: this.top_p,
            stop_sequences: &this.stop,
        },
        tool_config: with_tools.then(|| ToolConfig {
            tools: tools(this),
            tool_choice: this.tool_choice.as_ref().and_then(OutChoice::of),
        }),
        output_config: OutputConfig::of(this, extra.thinking.is_some())?,
        additional_model_request_fields: (extra.top_k.is_some() || extra.thinking.is_some()).then_some(extra),
    };
    // Serialising plain structs of strings and numbers cannot fail.
    Ok((Bytes::from(serde_json::to_vec(&out).unwrap_or_default()), dropped))
}

/// Anthropic's models take fields that Converse has no word for. An application's own inference profile does not show
/// whose model is behind it, and counts as somebody else's.
fn is_claude(model_id: &str) -> bool {
    model_id.contains("anthropic.claude")
}

fn refuse_what_is_lacking(conversation: &mut Conversation, claude: bool) -> Result<(), Fault> {
    // Bedrock's scale ends where OpenAI's has its middle.
    if conversation.temperature.is_some_and(|temperature| temperature > 1.0) {
        conversation.lacks("temperature")?;
        conversation.temperature = None;
    }
    let lacking = [
        ("frequency_penalty", conversation.frequency_penalty.is_some()),
        ("n", conversation.choices.is_some()),
        ("presence_penalty", conversation.presence_penalty.is_some()),
        ("seed", conversation.seed.is_some()),
        ("top_k", conversation.top_k.is_some() && !claude),
    ];
    for (field, _) in lacking.into_iter().filter(|(_, wanted)| *wanted) {
        conversation.lacks(field)?;
    }
    Ok(())
}

/// Whether tools are declared.
///
/// # Errors
/// What the client wants of tools cannot be said.
fn check_tools(conversation: &mut Conversation) -> Result<bool, Fault> {
    let called = conversation.turns.iter().flat_map(|turn| &turn.blocks);
    let called = called.into_iter().any(|b| matches!(b, Block::ToolCall { .. } | Block::ToolResult { .. }));
    if conversation.tools.is_empty() {
        if called {
            let message =
                "this model's provider wants the tools declared that the messages call; send 'tools' again";
            return Err(Fault::new(FaultKind::Unsupported, message).with_param("tools"));
        }
        return match conversation.tool_choice {
            Some(ToolChoice::Required | ToolChoice::Named(_)) => Err(unfit("tool_choice")),
            _ => Ok(false),
        };
    }
    if conversation.parallel_tool_calls == Some(false) {
        return Err(unfit("parallel_tool_calls"));
    }
    if conversation.tool_choice != Some(ToolChoice::None) {
        return Ok(true);
    }
    // There is no word for “none”: what is not declared is not called. But what was called must be declared.
    if called {
        return Err(unfit("tool_choice"));
    }
    conversation.dropped.push("tools".to_owned());
    Ok(false)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Out<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<OutText<'a>>,
    messages: Vec<OutMessage<'a>>,
    #[serde(skip_serializing_if = "Inference::is_empty")]
    inference_config: Inference<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_model_request_fields: Option<Extra>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'a [String],
}

impl Inference<'_> {
    fn is_empty(&self) -> bool {
        self.max_tokens.is_none()
            && self.temperature.is_none()
            && self.top_p.is_none()
            && self.stop_sequences.is_empty()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    tools: Vec<OutTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<OutChoice<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum OutChoice<'a> {
    Any {},
    Tool { name: &'a str },
}

impl<'a> OutChoice<'a> {
    /// Auto is the default, and not every model takes the word.
    fn of(choice: &'a ToolChoice) -> Option<Self> {
        match choice {
            ToolChoice::Auto | ToolChoice::None => None,
            ToolChoice::Required => Some(Self::Any {}),
            ToolChoice::Named(name) => Some(Self::Tool { name }),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text_format: Option<TextFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
}

#[derive(Serialize)]
struct TextFormat<'a> {
    r#type: &'static str,
    structure: Structure<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Structure<'a> {
    json_schema: Schema<'a>,
}

#[derive(Serialize)]
struct Schema<'a> {
    /// A text that holds JSON.
    schema: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

impl<'a> OutputConfig<'a> {
    /// `thinks`: how much the model thinks is said elsewhere.
    fn of(conversation: &'a Conversation, thinks: bool) -> Result<Option<Self>, Fault> {
        let text_format = match &conversation.format {
            None => None,
            Some(Format::JsonObject) => return Err(unfit("response_format")),
            Some(Format::JsonSchema { name, description, schema, strict: _ }) => {
                let schema: &RawValue = schema;
                let json_schema = Schema { schema: schema.get(), name, description: description.as_deref() };
                Some(TextFormat { r#type: "json_schema", structure: Structure { json_schema } })
            }
        };
        let effort = conversation.reasoning.filter(|_| !thinks).map(|reasoning| match reasoning.level() {
            ReasoningLevel::None | ReasoningLevel::Minimal | ReasoningLevel::Low => "low",
            ReasoningLevel::Medium => "medium",
            ReasoningLevel::High => "high",
        });
        let some = text_format.is_some() || effort.is_some();
        Ok(some.then_some(Self { text_format, effort }))
    }
}

/// What Anthropic's models take besides.
#[derive(Serialize)]
struct Extra {
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Thinking {
    Disabled,
    Enabled { budget_tokens: u64 },
}

impl Thinking {
    /// A bound in tokens, and not to think at all, only Anthropic's models can be told. Levels are Converse's own.
    fn of(conversation: &mut Conversation, claude: bool) -> Result<Option<Self>, Fault> {
        match conversation.reasoning {
            Some(Reasoning::Level(ReasoningLevel::None) | Reasoning::Budget(0)) if claude => {
                Ok(Some(Self::Disabled))
            }
            Some(Reasoning::Level(ReasoningLevel::None) | Reasoning::Budget(0)) => {
                conversation.lacks("reasoning")?;
                conversation.reasoning = None;
                Ok(None)
            }
            Some(Reasoning::Budget(budget_tokens)) if claude => Ok(Some(Self::Enabled { budget_tokens })),
            _ => Ok(None),
        }
    }
}
