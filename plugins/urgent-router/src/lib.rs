//! Prompts that say they are urgent go to a fast model: the seed document's `MyRouter`, in Rust.

use jackfield::prelude::*;

/// The plugin's `config:` section; every key may be left out.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// What makes a prompt urgent, to the letter.
    keyword: String,
    /// The model for urgent prompts.
    model: String,
    /// The model for all others; without it the next rule decides.
    otherwise: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { keyword: "urgent".into(), model: "fast-model".into(), otherwise: None }
    }
}

#[jackfield::router]
fn route(request: &Request, config: &Config) -> Routing {
    let keyword = &config.keyword;
    if request.contains(keyword) {
        return Routing::to(&config.model).because(format!("the prompt contains `{keyword}`"));
    }
    let routing = config.otherwise.as_ref().map_or_else(Routing::abstain, Routing::to);
    routing.because(format!("the prompt does not contain `{keyword}`"))
}

#[cfg(test)]
mod tests;
