//! What a router decides, why, and the labels it leaves for whoever comes after.

use crate::{Decision, RejectClass, Rejection, Routing, Target};

impl Decision {
    /// Use these models, best first. None at all is no opinion: [`Decision::Abstain`].
    pub fn route(targets: impl IntoIterator<Item = impl Into<Target>>) -> Self {
        let targets: Vec<Target> = targets.into_iter().map(Into::into).collect();
        if targets.is_empty() { Self::Abstain } else { Self::Route(targets) }
    }

    /// Refuse the request and tell the client so, in at most 1 024 bytes.
    pub fn reject(class: RejectClass, message: impl Into<String>) -> Self {
        Self::Reject(Rejection { class, message: message.into() })
    }

    /// Answer with this text; no model is called.
    pub fn respond(text: impl Into<String>) -> Self {
        Self::Respond(text.into())
    }
}

/// A builder: a decision first, then [`or`](Routing::or), [`because`](Routing::because) and
/// [`label`](Routing::label).
impl Routing {
    /// Use this model.
    pub fn to(target: impl Into<Target>) -> Self {
        Self::from(Decision::Route(vec![target.into()]))
    }

    /// No opinion: the next rule decides.
    pub fn abstain() -> Self {
        Self::from(Decision::Abstain)
    }

    /// Refuse the request and tell the client so, in at most 1 024 bytes.
    pub fn reject(class: RejectClass, message: impl Into<String>) -> Self {
        Self::from(Decision::reject(class, message))
    }

    /// Answer with this text; no model is called.
    pub fn respond(text: impl Into<String>) -> Self {
        Self::from(Decision::respond(text))
    }

    /// Then this model, if those before it fail. After anything but a route it is the first.
    #[must_use]
    pub fn or(mut self, target: impl Into<Target>) -> Self {
        match &mut self.decision {
            Decision::Route(targets) => targets.push(target.into()),
            decision => *decision = Decision::Route(vec![target.into()]),
        }
        self
    }

    /// Why, in a few words, for the trail and the log: at most 1 024 bytes.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// A label for later plugins and the log. At most 32; names of `a-z 0-9 _ - .`, at most 64 bytes; values at
    /// most 1 024 bytes.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// The names of the models it routes to, best first; none when it decides otherwise.
    pub fn models(&self) -> Vec<&str> {
        match &self.decision {
            Decision::Route(targets) => targets.iter().map(|target| target.model.as_str()).collect(),
            _ => Vec::new(),
        }
    }
}

impl From<Decision> for Routing {
    fn from(decision: Decision) -> Self {
        Self { decision, reason: String::new(), labels: Vec::new() }
    }
}
