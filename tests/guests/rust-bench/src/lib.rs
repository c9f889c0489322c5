//! The tour of the contract with the Rust SDK: what ../js and ../python do besides the seed's rule.
//!
//! The rule itself, in Rust, is plugins/urgent-router; without a task of the tour this guest has no opinion.

use jackfield::prelude::*;

/// One branch a task.
mod tour;

/// The settings of the other guests: known, so that one configuration fits all, and shown by the tour.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the tour shows the text; only the keys are checked")]
struct Config {
    keyword: Option<String>,
    model: Option<String>,
    otherwise: Option<String>,
}

#[jackfield::router]
fn route(request: &Request, _config: &Config) -> Result<Routing, Error> {
    tour::branch(request)
}
