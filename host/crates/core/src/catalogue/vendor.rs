//! Who sells a model. The same model may have another id, window and price at another vendor, so every figure hangs on
//! both.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A vendor of models whose figures the catalogue has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// Anthropic.
    Anthropic,
    /// Azure OpenAI and AI Foundry, for deployments that are named after their model.
    Azure,
    /// Amazon Bedrock.
    Bedrock,
    /// Cerebras.
    Cerebras,
    /// Cohere.
    Cohere,
    /// Alibaba Cloud's Model Studio.
    DashScope,
    /// DeepSeek.
    DeepSeek,
    /// Fireworks AI.
    Fireworks,
    /// Google's Gemini API.
    Gemini,
    /// Groq.
    Groq,
    /// Mistral AI.
    Mistral,
    /// Moonshot AI.
    Moonshot,
    /// OpenAI.
    OpenAi,
    /// Perplexity.
    Perplexity,
    /// Together AI.
    Together,
    /// xAI.
    Xai,
}

/// The hosts of the vendors' own APIs, as each documents them.
const HOSTS: &[(&str, Vendor)] = &[
    ("api.anthropic.com", Vendor::Anthropic),
    ("api.cerebras.ai", Vendor::Cerebras),
    ("api.cohere.ai", Vendor::Cohere),
    ("api.cohere.com", Vendor::Cohere),
    ("dashscope.aliyuncs.com", Vendor::DashScope),
    ("dashscope-intl.aliyuncs.com", Vendor::DashScope),
    ("api.deepseek.com", Vendor::DeepSeek),
    ("api.fireworks.ai", Vendor::Fireworks),
    ("generativelanguage.googleapis.com", Vendor::Gemini),
    ("api.groq.com", Vendor::Groq),
    ("api.mistral.ai", Vendor::Mistral),
    ("api.moonshot.ai", Vendor::Moonshot),
    ("api.openai.com", Vendor::OpenAi),
    ("api.perplexity.ai", Vendor::Perplexity),
    ("api.together.ai", Vendor::Together),
    ("api.together.xyz", Vendor::Together),
    ("api.x.ai", Vendor::Xai),
];

impl Vendor {
    /// Every vendor.
    pub const ALL: &[Self] = &[
        Self::Anthropic,
        Self::Azure,
        Self::Bedrock,
        Self::Cerebras,
        Self::Cohere,
        Self::DashScope,
        Self::DeepSeek,
        Self::Fireworks,
        Self::Gemini,
        Self::Groq,
        Self::Mistral,
        Self::Moonshot,
        Self::OpenAi,
        Self::Perplexity,
        Self::Together,
        Self::Xai,
    ];

    /// The name in configuration and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Azure => "azure",
            Self::Bedrock => "bedrock",
            Self::Cerebras => "cerebras",
            Self::Cohere => "cohere",
            Self::DashScope => "dashscope",
            Self::DeepSeek => "deepseek",
            Self::Fireworks => "fireworks",
            Self::Gemini => "gemini",
            Self::Groq => "groq",
            Self::Mistral => "mistral",
            Self::Moonshot => "moonshot",
            Self::OpenAi => "openai",
            Self::Perplexity => "perplexity",
            Self::Together => "together",
            Self::Xai => "xai",
        }
    }

    /// The vendor whose own API is at this host.
    pub fn of_host(host: &str) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        if host.ends_with(".openai.azure.com") || host.ends_with(".services.ai.azure.com") {
            return Some(Self::Azure);
        }
        if host.starts_with("bedrock-runtime.") && host.ends_with(".amazonaws.com") {
            return Some(Self::Bedrock);
        }
        HOSTS.iter().find(|(known, _)| *known == host).map(|(_, vendor)| *vendor)
    }
}
