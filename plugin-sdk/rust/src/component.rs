//! From a function to a component's exports: what the attribute macros implement, and the one adapter that
//! answers the host with it.

use std::cell::OnceCell;
use std::marker::PhantomData;
use std::thread::LocalKey;

use crate::bindings::imports::jackfield::plugin::types::{PluginError, PluginInfo};
use crate::bindings::{lifecycle, routing, validation};
use crate::{Error, Request, RequestSummary, Response, ResponseSummary, Routing, Validation, config, panic};

/// What every plugin says of itself, and how it reads its settings.
pub trait Plugin: 'static {
    /// The plugin's own name.
    const NAME: &'static str;
    /// The plugin's own version.
    const VERSION: &'static str;
    /// One sentence on what it does.
    const DESCRIPTION: &'static str;
    /// Its settings.
    type Config: 'static;

    /// Reads the settings.
    ///
    /// # Errors
    /// They make no sense; the text says what to change.
    fn decode(json: &str) -> Result<Self::Config, Error>;

    /// Where an instance keeps its settings: they cannot change while it lives.
    fn kept() -> &'static LocalKey<OnceCell<Self::Config>>;
}

/// A routing rule.
pub trait Router: Plugin {
    /// Decides which model answers one request.
    ///
    /// # Errors
    /// The rule failed.
    fn route(request: &Request, config: &Self::Config) -> Result<Routing, Error>;
}

/// A check of whole answers.
pub trait Validator: Plugin {
    /// Judges one answer.
    ///
    /// # Errors
    /// The check failed.
    fn validate(request: &Request, response: &Response, config: &Self::Config) -> Result<Validation, Error>;
}

/// Answers the host for a plugin.
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

impl<P: Router> routing::exports::jackfield::plugin::routing::Guest for Component<P> {
    fn route(request: RequestSummary) -> Result<Routing, PluginError> {
        let request = Request::new(request);
        with_config::<P, _>(|config| P::route(&request, config))
    }
}

impl<P: Validator> validation::exports::jackfield::plugin::validation::Guest for Component<P> {
    fn validate(request: RequestSummary, response: ResponseSummary) -> Result<Validation, PluginError> {
        let (request, response) = (Request::new(request), Response::new(response));
        with_config::<P, _>(|config| P::validate(&request, &response, config))
    }
}

impl<P: Plugin> lifecycle::exports::jackfield::plugin::lifecycle::Guest for Component<P> {
    fn check_config(config: String) -> Result<PluginInfo, PluginError> {
        panic::to_log();
        P::decode(&config).map_err(Error::into_contract)?;
        Ok(PluginInfo {
            name: P::NAME.into(),
            version: P::VERSION.into(),
            description: P::DESCRIPTION.into(),
        })
    }
}

/// Calls a plugin's function with its settings, read at the instance's first call.
fn with_config<P: Plugin, T>(call: impl FnOnce(&P::Config) -> Result<T, Error>) -> Result<T, PluginError> {
    panic::to_log();
    P::kept()
        .with(|kept| match kept.get() {
            Some(config) => call(config),
            None => {
                let config = P::decode(&config::text())?;
                call(kept.get_or_init(|| config))
            }
        })
        .map_err(Error::into_contract)
}

#[cfg(test)]
mod tests;
