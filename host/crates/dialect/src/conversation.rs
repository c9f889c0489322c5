//! A request in nobody's dialect: what every API has a word for, read from a client's request and written for a
//! provider that speaks another API.
//!
//! A request whose client and provider speak the same API never becomes one: its own bytes are edited instead.
//! Nothing is left out in silence: what has no place here is in `others`, by the client's own name for it.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::value::RawValue;

use jackfield_core::base::{CompiledSchema, fill_template};
use jackfield_core::contract::{AnswerFormat, Fault, FaultKind, Overrides, ReasoningLevel, Role};

/// What a route's own schema is called on the wire.
pub(crate) const RESULT: &str = "result";

/// A whole request.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// What was said, in order. Standing instructions are turns of `Role::System`, wherever they stand.
    pub turns: Vec<Turn>,
    /// The functions that the model may call.
    pub tools: Vec<Tool>,
    /// Whether it must.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once; `None`: the provider's usual.
    pub parallel_tool_calls: Option<bool>,
    /// What the answer must look like.
    pub format: Option<Format>,
    /// Sampling temperature, on OpenAI's scale of 0 to 2.
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// The number of likeliest tokens sampled from.
    pub top_k: Option<u64>,
    /// The bound on the answer's tokens, at least 1.
    pub max_output_tokens: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// How much the model should think.
    pub reasoning: Option<Reasoning>,
    /// The seed of sampling.
    pub seed: Option<i64>,
    /// How much what was said is avoided, -2 to 2.
    pub presence_penalty: Option<f64>,
    /// How much what was said often is avoided, -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// How many answers; above 1.
    pub choices: Option<u64>,
    /// The end user, in the client's words.
    pub user: Option<String>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Which of the settings come from routing and not from the client, by their name here. A provider that lacks one
    /// goes without.
    pub hints: BTreeSet<&'static str>,
    /// What the client asked for that has no place here, by its own name. It changes the answer.
    pub others: Vec<String>,
    /// What the client wrote that changes no answer and is left out: labels, caching advice, earlier thoughts.
    pub dropped: Vec<String>,
}

/// One speaker's turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Who speaks. `Role::Tool` holds nothing but `Block::ToolResult`.
    pub role: Role,
    /// What is said.
    pub blocks: Vec<Block>,
}

/// A piece of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Text.
    Text(String),
    /// A picture.
    Image(Image),
    /// A call that the model wanted made.
    ToolCall {
        /// Its id.
        id: String,
        /// The function.
        name: String,
        /// The arguments as JSON text, as the model wrote them; may be no JSON at all.
        arguments: String,
    },
    /// What came of a call.
    ToolResult {
        /// The call's id.
        id: String,
        /// What came of it: texts and pictures.
        blocks: Vec<Block>,
        /// Whether it failed.
        failed: bool,
    },
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// At an address that the provider fetches.
    Url(String),
    /// In the request.
    Inline {
        /// Its media type, for example `image/png`.
        media_type: String,
        /// Its bytes in base64.
        data: String,
    },
}

/// A function that the model may call.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The JSON schema of its arguments; `None`: it takes none.
    pub schema: Option<Box<RawValue>>,
    /// Whether the arguments must keep to it.
    pub strict: Option<bool>,
}

/// Whether the model must call a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it sees fit.
    Auto,
    /// It must not.
    None,
    /// It must call one.
    Required,
    /// It must call this one.
    Named(String),
}

/// What an answer must look like.
#[derive(Clone, Debug)]
pub enum Format {
    /// A JSON object.
    JsonObject,
    /// JSON that keeps to a schema.
    JsonSchema {
        /// The schema's name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// The schema.
        schema: Box<RawValue>,
        /// Whether the answer must keep to it.
        strict: Option<bool>,
    },
}

impl Format {
    /// What a route wants, where APIs take it: an object that keeps to a schema.
    pub(crate) fn of_route(schema: &CompiledSchema) -> Option<Self> {
        if schema.source().get("type").and_then(Value::as_str) != Some("object") {
            return None;
        }
        let schema = RawValue::from_string(schema.text().into_owned()).ok()?;
        Some(Self::JsonSchema { name: RESULT.to_owned(), description: None, schema, strict: None })
    }
}

/// How much the model should think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reasoning {
    /// So much.
    Level(ReasoningLevel),
    /// At most so many tokens.
    Budget(u64),
}

/// Budgets that count as a level, in tokens: what Gemini's compatible API documents for `low`, `medium` and `high`.
const LOW_BUDGET: u64 = 1_024;
const MEDIUM_BUDGET: u64 = 8_192;
const HIGH_BUDGET: u64 = 24_576;

impl Reasoning {
    /// As a level.
    pub fn level(self) -> ReasoningLevel {
        match self {
            Self::Level(level) => level,
            Self::Budget(0) => ReasoningLevel::None,
            Self::Budget(tokens) if tokens <= LOW_BUDGET => ReasoningLevel::Low,
            Self::Budget(tokens) if tokens <= MEDIUM_BUDGET => ReasoningLevel::Medium,
            Self::Budget(_) => ReasoningLevel::High,
        }
    }

    /// As a bound in tokens.
    pub fn budget(self) -> u64 {
        match self {
            Self::Budget(tokens) => tokens,
            Self::Level(ReasoningLevel::None) => 0,
            Self::Level(ReasoningLevel::Minimal | ReasoningLevel::Low) => LOW_BUDGET,
            Self::Level(ReasoningLevel::Medium) => MEDIUM_BUDGET,
            Self::Level(ReasoningLevel::High) => HIGH_BUDGET,
        }
    }
}

impl Conversation {
    /// Makes it what routing wants: settings, the prompt's template, and what is said after the client's own words.
    pub fn apply(&mut self, overrides: &Overrides, appended: &[(Role, String)]) {
        let Overrides { temperature, max_output_tokens, reasoning, prompt_template, answer_format } =
            overrides;
        if let Some(temperature) = temperature {
            self.temperature = Some(*temperature);
            self.hints.insert("temperature");
        }
        if let Some(max) = max_output_tokens {
            self.max_output_tokens = Some(u64::from(*max));
            self.hints.insert("max_output_tokens");
        }
        if let Some(level) = reasoning {
            self.reasoning = Some(Reasoning::Level(*level));
            self.hints.insert("reasoning");
        }
        // Whether the answer keeps to it is checked in any case.
        if let (None, Some(AnswerFormat::Schema(schema))) = (&self.format, answer_format)
            && let Some(format) = Format::of_route(schema)
        {
            self.format = Some(format);
            self.hints.insert("format");
        }
        if let Some(template) = prompt_template {
            self.fill(template);
        }
        let more =
            appended.iter().map(|(role, said)| Turn { role: *role, blocks: vec![Block::Text(said.clone())] });
        self.turns.extend(more);
    }

    /// Puts the last user turn's text into a template. What is not text follows it.
    fn fill(&mut self, template: &str) {
        let Some(turn) = self.turns.iter_mut().rev().find(|turn| turn.role == Role::User) else { return };
        let said = texts(&turn.blocks);
        let mut blocks = vec![Block::Text(fill_template(template, &said))];
        blocks.extend(turn.blocks.drain(..).filter(|block| !matches!(block, Block::Text(_))));
        turn.blocks = blocks;
    }

    /// Takes out a setting that the provider lacks: a hint of routing's is noted and left out, a wish of the client's
    /// makes the provider unfit. `field` is the setting's name here.
    ///
    /// # Errors
    /// The client asked for it.
    pub fn lacks(&mut self, field: &'static str) -> Result<(), Fault> {
        if self.hints.remove(field) {
            self.dropped.push(field.to_owned());
            return Ok(());
        }
        Err(unfit(field))
    }

    /// Refuses pictures that the model made earlier: only the API of models that make some takes them back.
    ///
    /// # Errors
    /// There are some.
    pub(crate) fn check_own_pictures(&self) -> Result<(), Fault> {
        let said = self.turns.iter().filter(|turn| turn.role == Role::Assistant);
        match said.flat_map(|turn| &turn.blocks).any(|block| matches!(block, Block::Image(_))) {
            true => {
                let message = "this model's provider takes no picture in the assistant's turn; remove it or use another model";
                Err(Fault::new(FaultKind::Unsupported, message).with_param("messages"))
            }
            false => Ok(()),
        }
    }

    /// Refuses what no provider of another dialect can be told.
    ///
    /// # Errors
    /// The client asked for something that has no place here.
    pub fn check_others(&self) -> Result<(), Fault> {
        self.others.first().map_or(Ok(()), |field| Err(unfit(field)))
    }
}

/// The provider has no word for this field of the client's request.
pub fn unfit(field: &str) -> Fault {
    let message = format!(
        "'{field}' cannot be said in the API of this model's provider; remove it or use another model"
    );
    Fault::new(FaultKind::Unsupported, message).with_param(field)
}

/// All texts, joined by a line feed.
pub fn texts(blocks: &[Block]) -> String {
    let texts: Vec<&str> = blocks
        .iter()
        .filter_map(|block| match block {
            Block::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    texts.join("\n")
}
