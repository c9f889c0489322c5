//! The third tutorial: the cheapest healthy model, and only those tagged `cheap` when the project's budget runs low.

use jackfield::budget::{self, Scope};
use jackfield::prelude::*;
use jackfield::{kv, models};

/// The share of a budget that may be spent before only cheap models count.
const FRUGAL_FROM: f64 = 0.8;

/// The plugin's settings.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The models to choose from; none named: all that the host knows.
    models: Vec<String>,
}

#[jackfield::router]
fn route(_request: &Request, config: &Config) -> Result<Routing, Error> {
    let frugal = budget::remaining(Scope::Project).is_some_and(|left| left.used_ratio > FRUGAL_FROM);
    let names = if config.models.is_empty() { models::names() } else { config.models.clone() };
    let cheapest = names
        .iter()
        .filter_map(|name| models::info(name))
        .filter(|model| !frugal || model.has_tag("cheap"))
        .filter_map(|model| Some((model.input_usd_per_mtok?, model.name)))
        .filter(|(_, name)| models::live(name).is_some_and(|live| live.healthy))
        .min_by(|(a, first), (b, second)| a.total_cmp(b).then_with(|| first.cmp(second)));
    let Some((price, name)) = cheapest else {
        return Ok(Routing::abstain().because("no model is cheap and healthy"));
    };
    let number = kv::increment("decided", 1, None)?;
    Ok(Routing::to(&name)
        .because(format!("request {number}: {name} at ${price:.2} per million"))
        .label("frugal", if frugal { "yes" } else { "no" }))
}
