//! The model that is likely to answer soonest: low latency, few calls under way, few errors, room in its rate
//! limit. The others stand by in that order.

use jackfield::models::{self, LiveState};
use jackfield::prelude::*;

/// The plugin's `config:` section; every key may be left out.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The models to choose from; they should be able to stand in for each other. None: all there are.
    models: Vec<String>,
    /// The latency a model is taken to have before its first call, in milliseconds.
    assumed_ms: f64,
    /// How many calls under way make a model half as attractive.
    half_at: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { models: Vec::new(), assumed_ms: 1_000.0, half_at: 8 }
    }
}

/// A model that fails this share of its calls is a last resort.
const FAILING: f64 = 0.5;

/// With less of its rate limit left than this share, a model is a last resort.
const SPENT: f64 = 0.05;

#[jackfield::router]
fn route(request: &Request, config: &Config) -> Routing {
    let models = if config.models.is_empty() { models::names() } else { config.models.clone() };
    let mut waits: Vec<(f64, &String)> = models
        .iter()
        .filter_map(|name| Some((name, models::live(name).filter(|live| live.healthy)?)))
        .map(|(name, live)| (expected_wait_ms(&live, request.streaming, config), name))
        .collect();
    // Stable: among equals the order of the settings holds.
    waits.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    match waits.first() {
        Some((wait, best)) => {
            let reason = format!("{best} is expected to answer soonest: in about {} ms", wait.ceil() as u64);
            Routing::from(Decision::route(waits.iter().take(16).map(|(_, name)| *name))).because(reason)
        }
        None => Routing::abstain().because("none of the models answers at present"),
    }
}

/// What a caller is likely to wait, in milliseconds: a reader of a stream waits for the first token.
///
/// Each failed attempt costs another one, so `1 / (1 - error rate)` attempts are expected; calls under way stand
/// in for the queue that a provider does not show.
fn expected_wait_ms(live: &LiveState, streaming: bool, config: &Config) -> f64 {
    let first = if streaming { live.first_token_p50_ms } else { None };
    let usual = first.or(live.p50_ms).unwrap_or(config.assumed_ms);
    let crowd = 1.0 + f64::from(live.in_flight) / f64::from(config.half_at.max(1));
    let attempts = 1.0 / (1.0 - live.error_rate.clamp(0.0, 0.99));
    let last_resort = live.error_rate > FAILING || live.rate_limit_headroom.is_some_and(|left| left < SPENT);
    usual * crowd * attempts * if last_resort { 1_000.0 } else { 1.0 }
}

#[cfg(test)]
mod tests;
