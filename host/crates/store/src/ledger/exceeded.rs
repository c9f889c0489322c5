//! Why a call may not be made: a limit has not enough left, or nobody knows what the call costs.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jackfield_core::base::NanoUsd;
use jackfield_core::config::{OnExceeded, Window};
use jiff::Timestamp;

/// Whose limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LimitScope {
    /// Everybody together.
    Everyone,
    /// A project.
    Project(Arc<str>),
    /// A user.
    User(Arc<str>),
    /// A key.
    Key(Arc<str>),
    /// A model.
    Model(Arc<str>),
    /// A run of a workflow.
    Run(Arc<str>),
}

impl LimitScope {
    /// `global`, `project`, …: for labels and columns.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Everyone => "global",
            Self::Project(_) => "project",
            Self::User(_) => "user",
            Self::Key(_) => "key",
            Self::Model(_) => "model",
            Self::Run(_) => "run",
        }
    }

    /// The scope of this kind and name, as they are written down.
    pub(super) fn read(kind: &str, name: &str) -> Option<Self> {
        Some(match kind {
            "global" => Self::Everyone,
            "project" => Self::Project(name.into()),
            "user" => Self::User(name.into()),
            "key" => Self::Key(name.into()),
            "model" => Self::Model(name.into()),
            _ => return None,
        })
    }

    /// Whose it is; `None` for everybody's.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Everyone => None,
            Self::Project(name)
            | Self::User(name)
            | Self::Key(name)
            | Self::Model(name)
            | Self::Run(name) => Some(name),
        }
    }
}

impl fmt::Display for LimitScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            None => f.write_str(self.kind()),
            Some(name) => write!(f, "{} `{name}`", self.kind()),
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LimitUnit {
    /// Dollars; amounts are nano-dollars.
    Usd,
    /// Tokens of prompts and answers.
    Tokens,
}

impl LimitUnit {
    /// `usd` or `tokens`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Usd => "usd",
            Self::Tokens => "tokens",
        }
    }

    /// An amount as dollars or tokens. For showing, not for accounting.
    pub fn amount(self, amount: u64) -> f64 {
        match self {
            Self::Usd => NanoUsd::new(amount).usd(),
            Self::Tokens => amount as f64,
        }
    }

    /// An amount as people read it.
    pub fn show(self, amount: u64) -> String {
        match self {
            Self::Usd => format!("${}", NanoUsd::new(amount)),
            Self::Tokens => format!("{amount} tokens"),
        }
    }
}

/// Why the call may not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The limit has not enough left for the prompt and the shortest answer.
    Spent,
    /// Dollars are limited and this model has no known price.
    NoPrice(Arc<str>),
}

/// A call that the budgets do not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Whose limit it is.
    pub scope: LimitScope,
    /// In which window; `None` for a run's, which has none.
    pub window: Option<Window>,
    /// What it counts.
    pub unit: LimitUnit,
    /// The limit: nano-dollars or tokens.
    pub limit: u64,
    /// What is neither spent nor reserved of it.
    pub left: u64,
    /// What the call needs of it at least, beyond what it holds already: its prompt and the shortest answer.
    pub needs: u64,
    /// When the window ends; `None` for a run's.
    pub resets_at: Option<SystemTime>,
    /// What becomes of the request.
    pub on_exceeded: OnExceeded,
    /// Why it may not be made.
    pub why: Refused,
}

/// A moment in milliseconds since 1970.
pub(super) fn moment(ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

impl Exceeded {
    /// Why, in one word, as trails have it: `budget_exceeded` or `price_unknown`.
    pub fn reason(&self) -> &'static str {
        match self.why {
            Refused::Spent => "budget_exceeded",
            Refused::NoPrice(_) => "price_unknown",
        }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.unit.show(self.limit);
        let whose = |f: &mut fmt::Formatter<'_>| match (self.window, &self.scope) {
            (Some(window), LimitScope::Everyone) => write!(f, "the {} limit of {limit}", window.name()),
            (Some(window), scope) => write!(f, "the {} limit of {limit} of the {scope}", window.name()),
            (None, scope) => write!(f, "the budget of {limit} of the {scope}"),
        };
        if let Refused::NoPrice(model) = &self.why {
            write!(f, "nobody knows what the model `{model}` costs, and ")?;
            whose(f)?;
            return write!(
                f,
                " cannot be kept without that: write its price, in US dollars for a million tokens, into the configuration, as in \
                 `models: {{ \"{model}\": {{ price: {{ input: 1.00, output: 4.00 }} }} }}`, or ask for a model with a known price"
            );
        }
        whose(f)?;
        let (left, needs) = (self.unit.show(self.left), self.unit.show(self.needs));
        write!(f, " has {left} left, and this request needs at least {needs}")?;
        match self.resets_at.and_then(|at| Timestamp::try_from(at).ok()) {
            Some(at) => write!(f, "; it begins anew at {at}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Exceeded {}
