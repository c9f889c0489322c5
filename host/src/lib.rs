//! Jackfield: an LLM gateway whose routing rules are sandboxed WebAssembly components.
//!
//! This crate is the top of the house: the HTTP edge, the composition root and the command line. What
//! a request goes through is told in `jackfield_gateway::pipeline`.

/// The admin port: plugins, metrics, rollback; behind a token.
pub mod admin;
/// The composition root: builds the house from a configuration, serves, and stops in two stages.
pub mod app;
/// The command line: arguments, and one file per subcommand.
pub mod cli;
/// The HTTP edge. With `admin` and `app`, the only place that names axum and hyper; `Fault` becomes a status here
/// and nowhere else.
pub mod http;
