//! What Anthropic's models take, where that differs and the API refuses a request that has more.
//!
//! The list is of models that were; a `claude-…` that is not in it is newer and takes what the newest takes. Another name
//! is a compatible server's. Source: the models' pages and migration guides of Anthropic's documentation, November 2026.

/// What a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traits {
    /// Temperature and its like.
    pub sampling: Sampling,
    /// How it is told to think.
    pub thinking: Thinking,
    /// Whether it can be bound to a JSON schema.
    pub formats: bool,
}

/// Which settings of sampling a model takes besides their defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampling {
    /// All.
    All,
    /// Temperature or `top_p`, not both.
    One,
    /// None.
    None,
}

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    /// It does not think.
    None,
    /// With a bound in tokens.
    Budget,
    /// With an effort.
    Adaptive(Off),
}

/// How a model that thinks with an effort is told not to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Off {
    /// `disabled`.
    Disabled,
    /// `between_tools`: not before it answers.
    BetweenTools,
    /// Not at all.
    Never,
}

const fn traits(sampling: Sampling, thinking: Thinking, formats: bool) -> Traits {
    Traits { sampling, thinking, formats }
}

const OLD: Traits = traits(Sampling::All, Thinking::None, false);
const FIRST_4: Traits = traits(Sampling::All, Thinking::Budget, false);
const LATE_4: Traits = traits(Sampling::One, Thinking::Budget, true);
const EFFORT: Traits = traits(Sampling::One, Thinking::Adaptive(Off::Disabled), true);
const UNSAMPLED: Traits = traits(Sampling::None, Thinking::Adaptive(Off::Disabled), true);
const UNSTOPPABLE: Traits = traits(Sampling::None, Thinking::Adaptive(Off::Never), true);
const COMPATIBLE: Traits = traits(Sampling::All, Thinking::Budget, true);

/// Models by their name, with or without its date; `*` stands for any end. The first that fits counts.
const MODELS: &[(&str, Traits)] = &[
    ("claude-instant*", OLD),
    ("claude-2*", OLD),
    ("claude-3-7*", FIRST_4),
    ("claude-3*", OLD),
    ("claude-opus-4", FIRST_4),
    ("claude-opus-4-0", FIRST_4),
    ("claude-sonnet-4", FIRST_4),
    ("claude-sonnet-4-0", FIRST_4),
    ("claude-4-*", FIRST_4),
    ("claude-opus-4-1", LATE_4),
    ("claude-opus-4-5", LATE_4),
    ("claude-sonnet-4-5", LATE_4),
    ("claude-haiku-4-5", LATE_4),
    ("claude-opus-4-6", EFFORT),
    ("claude-sonnet-4-6", EFFORT),
    ("claude-opus-4-7", UNSAMPLED),
    ("claude-opus-4-8", UNSAMPLED),
    ("claude-opus-5", UNSAMPLED),
    ("claude-sonnet-5", UNSAMPLED),
    ("claude-haiku-5-5", UNSAMPLED),
    ("claude-sonnet-5-5", traits(Sampling::None, Thinking::Adaptive(Off::BetweenTools), true)),
    ("claude-*", UNSTOPPABLE),
];

impl Traits {
    /// What the model of this id takes.
    pub(super) fn of(id: &str) -> Self {
        let fits = |name: &str| match name.strip_suffix('*') {
            Some(beginning) => id.starts_with(beginning),
            None => id.strip_prefix(name).is_some_and(is_date),
        };
        MODELS.iter().find(|(name, _)| fits(name)).map_or(COMPATIBLE, |(_, traits)| *traits)
    }
}

/// Nothing, `-20251101` or `-latest`.
fn is_date(rest: &str) -> bool {
    let Some(date) = rest.strip_prefix('-') else { return rest.is_empty() };
    date == "latest" || (date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_dates_and_newer_ones_have_their_traits() {
        let rows = [
            ("claude-3-opus-20240229", OLD),
            ("claude-3-7-sonnet-latest", FIRST_4),
            ("claude-sonnet-4-20250514", FIRST_4),
            ("claude-sonnet-4-5-20250929", LATE_4),
            ("claude-haiku-4-5", LATE_4),
            ("claude-opus-4-6-20260205", EFFORT),
            ("claude-opus-5", UNSAMPLED),
            ("claude-opus-5-20260701", UNSAMPLED),
            ("claude-opus-5-5", UNSTOPPABLE),
            ("claude-fable-5-1", UNSTOPPABLE),
            ("claude-opus-6", UNSTOPPABLE),
            ("deepseek-chat", COMPATIBLE),
        ];
        for (id, want) in rows {
            assert_eq!(Traits::of(id), want, "{id}");
        }
        assert_eq!(Traits::of("claude-sonnet-5-5").thinking, Thinking::Adaptive(Off::BetweenTools));
    }
}
