//! The first tutorial: prompts with a keyword go to one model, all others to another.

use jackfield::prelude::*;

/// The plugin's settings; every key may be left out.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    keyword: String,
    model: String,
    otherwise: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { keyword: "urgent".into(), model: "fast-model".into(), otherwise: "smart-model".into() }
    }
}

#[jackfield::router]
fn route(request: &Request, config: &Config) -> Target {
    let model = if request.contains(&config.keyword) { &config.model } else { &config.otherwise };
    Target::model(model)
}
