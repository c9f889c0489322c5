//! Every promise of the gateway that shows on the outside, tested over real sockets: one binary, one
//! module a promise.
//!
//! Most tests are tables: a row is what is sent, what the provider does and what must come back. A
//! new case is a new row.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

/// The admin port: who may ask, what it tells, and the way back.
mod admin;
/// Anthropic's API for clients: its errors, its keys and headers, its counting and its list of models.
mod anthropic;
/// Candidates, repeated calls, keys, breakers and hedges.
mod attempts;
/// Who may ask, and for what.
mod auth;
/// OpenAI's clients before Azure OpenAI.
mod azure;
/// Models on Amazon Bedrock.
mod bedrock;
/// What may be spent.
mod budgets;
/// Answers that are kept for identical requests, and calls that these share.
mod cache;
/// New generations on trial, and rules that are only compared.
mod canary;
/// What is known about models that nobody described.
mod catalogue;
/// The lab's task table, from the file that ships.
mod catering;
/// What a client is told about its own mistakes.
mod client_errors;
/// Clients and providers of different APIs: every client gets its own API's answer from every provider.
mod dialects;
/// A model that rates prompts, and what its ratings lead to.
mod dynamic;
/// Texts as vectors.
mod embeddings;
/// The contract in every language: routers from real toolchains.
mod examples;
/// OpenAI's clients before Google's Gemini.
mod gemini;
mod guests;
/// Clients that are slow, huge, broken or gone.
mod hotswap;
mod limits;
/// Plugins that ask models themselves.
mod llm;
/// What is counted, as a scraper reads it.
mod metrics;
/// Same-dialect calls change no byte but the named ones.
mod passthrough;
/// What a plugin may cost is what configuration says.
mod plugin_limits;
/// The folder of plugins, bad files included.
mod plugins;
/// OpenAI's responses, over providers that speak something else.
mod responses;
/// Who decides which model answers, and how the answer says so.
mod routing;
/// What one guest does, and nobody else feels.
mod sandbox;
/// No key leaves the house.
mod secrets;
/// The configuration blocks that the product was asked for with.
mod seeds;
/// What gateways on several hosts share.
mod shared;
/// Stopping: what is open finishes, up to a deadline.
mod shutdown;
/// Models without a provider.
mod simulated;
/// Streams under validators that do not hold them.
mod streamed;
/// The paths that are not chat.
mod surface;
/// What a task's row makes of a request and of its answer.
mod tasks;
/// What a client is told when a provider fails.
mod upstream_faults;
/// What an answer must pass before anybody reads it.
mod validators;
/// The lab's workflows, from the files that ship.
mod workflow_examples;
/// Graphs of calls: what each is asked, and what becomes of a run.
mod workflows;
/// The ground that tests stand on.
mod world;
