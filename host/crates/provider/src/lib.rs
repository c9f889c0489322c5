//! Calls model providers. The only crate that names reqwest.
//!
//! An adapter turns a call into a request of its provider's dialect, sends it within four deadlines,
//! and turns the answer into the contract's words, keeping the bytes. What goes wrong is classified
//! in one place.

/// Anthropic's Messages.
mod anthropic;
/// An API on the network.
mod api;
/// Azure OpenAI.
mod azure;
/// Amazon Bedrock, and how requests to it are signed.
mod bedrock;
/// What a failed call means.
mod classify;
/// Connections and their deadlines.
mod client;
/// Google's Gemini.
mod gemini;
/// A provider's keys, and what is held against each.
mod keys;
/// APIs that speak OpenAI's chat completions.
mod openai;
/// Every provider of a configuration, by name.
mod registry;
/// The built-in simulation.
mod simulated;
/// Streamed answers, bounded in time and size.
mod stream;
/// What webhooks are told.
mod webhook;

pub use registry::{Registry, RegistryError};
pub use webhook::WebhookClient;
