//! How much a model is to think, in the words that the model takes.

use serde::Serialize;

use jackfield_core::contract::ReasoningLevel;

use super::model::{Off, Thinking};
use crate::conversation::Reasoning;

/// The smallest budget that the API takes, in tokens.
pub(super) const MIN_BUDGET: u64 = 1_024;

/// What a model is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing: it does as wished by itself.
    Nothing,
    /// Not to think.
    Off(&'static str),
    /// To think within this many tokens.
    Budget(u64),
    /// To think with this effort.
    Effort(&'static str),
}

impl Told {
    /// The words for this model, or that it has none. Thinking is a part of the answer's `max_tokens`: at most half of
    /// them are spent on it.
    pub(super) fn of(thinking: Thinking, reasoning: Reasoning, max_tokens: u64) -> Option<Self> {
        let level = reasoning.level();
        match (thinking, level) {
            (Thinking::None, ReasoningLevel::None) => Some(Self::Nothing),
            (Thinking::None, _) | (Thinking::Adaptive(Off::Never), ReasoningLevel::None) => None,
            (Thinking::Budget | Thinking::Adaptive(Off::Disabled), ReasoningLevel::None) => {
                Some(Self::Off("disabled"))
            }
            (Thinking::Adaptive(Off::BetweenTools), ReasoningLevel::None) => Some(Self::Off("between_tools")),
            (Thinking::Budget, _) => (max_tokens > MIN_BUDGET)
                .then(|| Self::Budget(reasoning.budget().min(max_tokens / 2).max(MIN_BUDGET))),
            (Thinking::Adaptive(_), ReasoningLevel::Minimal | ReasoningLevel::Low) => {
                Some(Self::Effort("low"))
            }
            (Thinking::Adaptive(_), ReasoningLevel::Medium) => Some(Self::Effort("medium")),
            (Thinking::Adaptive(_), ReasoningLevel::High) => Some(Self::Effort("high")),
        }
    }

    /// Whether the model thinks then, so that the API takes neither sampling nor a forced tool.
    pub(super) fn thinks(self) -> bool {
        matches!(self, Self::Budget(_) | Self::Effort(_))
    }

    /// The request's `thinking`.
    pub(super) fn thinking(self) -> Option<ThinkingField> {
        let field = |r#type, budget_tokens| Some(ThinkingField { r#type, budget_tokens });
        match self {
            Self::Nothing => None,
            Self::Off(word) => field(word, None),
            Self::Budget(tokens) => field("enabled", Some(tokens)),
            Self::Effort(_) => field("adaptive", None),
        }
    }

    /// The request's `output_config.effort`.
    pub(super) fn effort(self) -> Option<&'static str> {
        match self {
            Self::Effort(effort) => Some(effort),
            _ => None,
        }
    }
}

/// `thinking` as it stands in a request.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct ThinkingField {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_tokens: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_becomes_what_the_model_takes() {
        use ReasoningLevel as L;
        let adaptive = |off| Thinking::Adaptive(off);
        let rows = [
            (Thinking::None, L::None, 4_096, Some(Told::Nothing)),
            (Thinking::None, L::High, 4_096, None),
            (Thinking::Budget, L::None, 4_096, Some(Told::Off("disabled"))),
            (Thinking::Budget, L::Low, 4_096, Some(Told::Budget(1_024))),
            (Thinking::Budget, L::High, 4_096, Some(Told::Budget(2_048))),
            (Thinking::Budget, L::High, 64_000, Some(Told::Budget(24_576))),
            (Thinking::Budget, L::Low, 1_025, Some(Told::Budget(1_024))),
            (Thinking::Budget, L::Low, 1_024, None),
            (adaptive(Off::Disabled), L::Minimal, 1, Some(Told::Effort("low"))),
            (adaptive(Off::Never), L::High, 1, Some(Told::Effort("high"))),
            (adaptive(Off::Never), L::None, 1, None),
            (adaptive(Off::BetweenTools), L::None, 1, Some(Told::Off("between_tools"))),
        ];
        for (thinking, level, max, want) in rows {
            assert_eq!(
                Told::of(thinking, Reasoning::Level(level), max),
                want,
                "{thinking:?} {level:?} {max}"
            );
        }
    }
}
