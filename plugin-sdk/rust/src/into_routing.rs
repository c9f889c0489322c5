//! What a router function may return: anything that reads as a decision.

use crate::{Decision, Error, Routing, Target};

/// What a router function may return.
///
/// | returned | decides |
/// |---|---|
/// | `&str`, `String`, [`Target`] | this model |
/// | a `Vec` or array of those | these models, best first; empty: no opinion |
/// | [`Decision`], [`Routing`] | itself |
/// | `Option<…>` | `None`: no opinion, the next rule decides |
/// | `Result<…, E>` | `Err`: the plugin failed, and the host does what `on_error` says |
pub trait IntoRouting: Sized {
    /// The decision with its reason and labels.
    ///
    /// # Errors
    /// The plugin failed, and says how.
    fn into_routing(self) -> Result<Routing, Error>;
}

impl IntoRouting for Routing {
    fn into_routing(self) -> Result<Routing, Error> {
        Ok(self)
    }
}

impl IntoRouting for Decision {
    fn into_routing(self) -> Result<Routing, Error> {
        Ok(self.into())
    }
}

impl IntoRouting for Target {
    fn into_routing(self) -> Result<Routing, Error> {
        Ok(Routing::to(self))
    }
}

impl IntoRouting for &str {
    fn into_routing(self) -> Result<Routing, Error> {
        Ok(Routing::to(self))
    }
}

impl IntoRouting for String {
    fn into_routing(self) -> Result<Routing, Error> {
        Ok(Routing::to(self))
    }
}

impl IntoRouting for &String {
    fn into_routing(self) -> Result<Routing, Error> {
        Ok(Routing::to(self))
    }
}

impl<T: Into<Target>> IntoRouting for Vec<T> {
    fn into_routing(self) -> Result<Routing, Error> {
        Ok(Decision::route(self).into())
    }
}

impl<T: Into<Target>, const N: usize> IntoRouting for [T; N] {
    fn into_routing(self) -> Result<Routing, Error> {
        Ok(Decision::route(self).into())
    }
}

impl<T: IntoRouting> IntoRouting for Option<T> {
    fn into_routing(self) -> Result<Routing, Error> {
        self.map_or_else(|| Ok(Routing::abstain()), IntoRouting::into_routing)
    }
}

impl<T: IntoRouting, E: Into<Error>> IntoRouting for Result<T, E> {
    fn into_routing(self) -> Result<Routing, Error> {
        self.map_err(Into::into)?.into_routing()
    }
}

#[cfg(test)]
mod tests;
