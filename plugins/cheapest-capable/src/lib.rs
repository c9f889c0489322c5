//! The cheapest model that can answer: it has the abilities the request needs, the conversation fits, and it is
//! healthy. The next cheapest ones stand by.

use jackfield::models::{self, ModelInfo};
use jackfield::prelude::*;

/// The plugin's `config:` section; every key may be left out.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The models to choose from: those the configuration marks with this word; without it, all.
    tag: Option<String>,
    /// How many tokens the answer is expected to have when the client sets no bound.
    expected_output_tokens: u64,
    /// How many models to name, the cheapest first: 1 to 16.
    candidates: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { tag: None, expected_output_tokens: 500, candidates: 3 }
    }
}

#[jackfield::router]
fn route(request: &Request, config: &Config) -> Routing {
    let needs = Needs::of(request, config);
    let mut priced: Vec<(f64, ModelInfo)> = models::all()
        .filter(|model| config.tag.as_ref().is_none_or(|tag| model.has_tag(tag)))
        .filter(|model| needs.met_by(model))
        .filter_map(|model| Some((model.cost_usd(needs.input_tokens, needs.output_tokens)?, model)))
        // Asked last: a model's health changes from call to call, what it is does not.
        .filter(|(_, model)| models::live(&model.name).is_some_and(|live| live.healthy))
        .collect();
    priced.sort_by(|(a, _), (b, _)| a.total_cmp(b));

    let Some((cost, cheapest)) = priced.first() else {
        return Routing::abstain().because(format!("no healthy model with a price {needs}"));
    };
    let micro_usd = (cost * 1e6).ceil() as u64;
    let reason = format!("{} is the cheapest that {needs}: about {micro_usd} microdollars", cheapest.name);
    Routing::from(Decision::route(
        priced.into_iter().take(config.candidates.max(1)).map(|(_, model)| model.name),
    ))
    .because(reason)
}

/// What a model must be able to do for a request.
struct Needs {
    abilities: Vec<&'static str>,
    input_tokens: u64,
    output_tokens: u64,
}

impl Needs {
    fn of(request: &Request, config: &Config) -> Self {
        let abilities = [
            (request.has_tools, "tools"),
            (request.has_images, "vision"),
            (request.has_response_schema, "response_schema"),
        ];
        Self {
            abilities: abilities
                .into_iter()
                .filter(|(needed, _)| *needed)
                .map(|(_, ability)| ability)
                .collect(),
            input_tokens: request.estimated_input_tokens,
            output_tokens: request.max_output_tokens.unwrap_or(config.expected_output_tokens),
        }
    }

    /// A model whose context window is not known is taken to be long enough; an ability that is not known is not
    /// there.
    fn met_by(&self, model: &ModelInfo) -> bool {
        self.abilities.iter().all(|ability| model.can(ability))
            && model.context_window.is_none_or(|window| self.input_tokens + self.output_tokens <= window)
    }
}

impl std::fmt::Display for Needs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "takes {} tokens", self.input_tokens + self.output_tokens)?;
        self.abilities.iter().try_for_each(|ability| write!(f, ", {ability}"))
    }
}

#[cfg(test)]
mod tests;
