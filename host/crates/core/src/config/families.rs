//! Well-known models: families whose names say who serves them, so that a route may name one
//! without a `models:` entry.
//!
//! Only families of providers this version can speak to resolve; the others are known so that the
//! fault can say what to do.

use super::providers::{ApiKind, GEMINI_BASE_URL};

/// A family of model names.
#[derive(Debug)]
pub(crate) struct Family {
    /// Who makes these models, for people.
    pub(crate) maker: &'static str,
    /// Beginnings of the names.
    prefixes: &'static [&'static str],
    /// Where they are served; `None` when this version does not speak that API.
    pub(crate) home: Option<Home>,
}

/// The provider that serves a family.
#[derive(Debug)]
pub(crate) struct Home {
    /// Its name under `providers:`.
    pub(crate) provider: &'static str,
    /// What it speaks.
    pub(crate) kind: ApiKind,
    /// Its address, as its maker documents it.
    pub(crate) base_url: &'static str,
    /// The variable its key is in, as its maker's own tools read it.
    pub(crate) variable: &'static str,
}

/// Every family this gateway knows.
pub(crate) const FAMILIES: &[Family] = &[
    Family {
        maker: "OpenAI",
        prefixes: &["gpt-", "o1", "o3", "o4", "chatgpt-"],
        home: Some(Home {
            provider: "openai",
            kind: ApiKind::OpenAi,
            base_url: "https://api.openai.com/v1",
            variable: "OPENAI_API_KEY",
        }),
    },
    Family {
        maker: "DeepSeek",
        prefixes: &["deepseek-"],
        home: Some(Home {
            provider: "deepseek",
            kind: ApiKind::OpenAi,
            base_url: "https://api.deepseek.com/v1",
            variable: "DEEPSEEK_API_KEY",
        }),
    },
    Family {
        maker: "Mistral AI",
        prefixes: &[
            "mistral-",
            "codestral-",
            "devstral-",
            "magistral-",
            "ministral-",
            "open-mistral-",
            "pixtral-",
            "voxtral-",
        ],
        home: Some(Home {
            provider: "mistral",
            kind: ApiKind::OpenAi,
            base_url: "https://api.mistral.ai/v1",
            variable: "MISTRAL_API_KEY",
        }),
    },
    Family {
        maker: "xAI",
        prefixes: &["grok-"],
        home: Some(Home {
            kind: ApiKind::OpenAi,
            provider: "xai",
            base_url: "https://api.x.ai/v1",
            variable: "XAI_API_KEY",
        }),
    },
    Family {
        maker: "Moonshot AI",
        prefixes: &["kimi-", "moonshot-"],
        home: Some(Home {
            provider: "moonshot",
            kind: ApiKind::OpenAi,
            base_url: "https://api.moonshot.ai/v1",
            variable: "MOONSHOT_API_KEY",
        }),
    },
    Family {
        maker: "Perplexity",
        prefixes: &["sonar"],
        home: Some(Home {
            provider: "perplexity",
            kind: ApiKind::OpenAi,
            base_url: "https://api.perplexity.ai",
            variable: "PERPLEXITY_API_KEY",
        }),
    },
    Family {
        maker: "Anthropic",
        prefixes: &["claude-"],
        home: Some(Home {
            provider: "anthropic",
            kind: ApiKind::Anthropic,
            base_url: "https://api.anthropic.com/v1",
            variable: "ANTHROPIC_API_KEY",
        }),
    },
    Family {
        maker: "Google",
        prefixes: &["gemini-"],
        home: Some(Home {
            provider: "gemini",
            kind: ApiKind::Gemini,
            base_url: GEMINI_BASE_URL,
            variable: "GEMINI_API_KEY",
        }),
    },
];

/// The family a name belongs to. `o1` is one and `o1-mini` too; `o1x` is not.
pub(crate) fn family_of(name: &str) -> Option<&'static Family> {
    let belongs = |prefix: &str| match name.strip_prefix(prefix) {
        Some(rest) if prefix.ends_with('-') => !rest.is_empty(),
        Some(rest) => rest.is_empty() || rest.starts_with('-'),
        None => false,
    };
    FAMILIES.iter().find(|family| family.prefixes.iter().any(|prefix| belongs(prefix)))
}
