//! What is known about a model: what the file says, then what the catalogue knows, and to the last digit.

use serde_json::json;

use crate::catalogue::{Capability, TokenPrice, Vendor};
use crate::config::{Origin, ResolvedModel};

use super::*;

fn pico(price: Option<TokenPrice>) -> Option<u64> {
    price.map(TokenPrice::pico_usd)
}

/// Input, output, cached input and cache write, in pico-dollars for a token.
fn prices(model: &ResolvedModel) -> Option<[Option<u64>; 4]> {
    let of = model.price?;
    Some([Some(of.input), Some(of.output), of.cached_input, of.cache_write].map(pico))
}

#[test]
fn a_well_known_model_has_the_catalogues_figures() {
    let config = with("", &[("OPENAI_API_KEY", "k"), ("MISTRAL_API_KEY", "k")]).unwrap();
    let mini = config.resolve("gpt-4o-mini").unwrap();
    assert_eq!(prices(&mini), Some([Some(150_000), Some(600_000), Some(75_000), None]));
    assert_eq!((mini.context, mini.max_output), (Some(128_000), Some(16_384)));
    assert!(mini.capabilities.contains(&Capability::ResponseSchema));
    let origins = mini.origins;
    let from = [origins.price, origins.context, origins.max_output, origins.capabilities];
    assert_eq!(from, [Some(Origin::Catalogue); 4]);
    let unheard_of = config.resolve("gpt-99").unwrap();
    assert_eq!((unheard_of.price, unheard_of.context, unheard_of.origins), Default::default());
    // Mistral's API wants another name than people use.
    let large = config.resolve("mistral-large").unwrap();
    assert_eq!((&*large.name, &*large.id), ("mistral-large", "mistral-large-latest"));
    assert!(large.price.is_some());
}

#[test]
fn what_is_written_goes_before_the_catalogue_figure_by_figure() {
    let config = with(
        "providers: { api: { kind: openai, base_url: https://api.openai.com/v1, api_key: k } }
models:
  gpt-4o: { provider: api }
  mine: { provider: api, id: gpt-4o, context: 64k }
  dear: { provider: api, id: gpt-4o, price: { input: 3, output: \"${OUT}\", cached_input: 0.000001 }, capabilities: [] }
  own: { provider: api, id: our-own, max_output: 10 }",
        &[("OUT", "12.5")],
    )
    .unwrap();
    let model = |name| config.resolve(name).unwrap();
    let (plain, mine, dear, own) = (model("gpt-4o"), model("mine"), model("dear"), model("own"));
    assert_eq!(prices(&plain), Some([Some(2_500_000), Some(10_000_000), Some(1_250_000), None]));
    assert_eq!((mine.context, mine.max_output, mine.price), (Some(64_000), Some(16_384), plain.price));
    assert_eq!((mine.origins.context, mine.origins.price), (Some(Origin::Config), Some(Origin::Catalogue)));
    // A price is one figure: what the catalogue has for its cache belongs to the catalogue's price.
    assert_eq!(prices(&dear), Some([Some(3_000_000), Some(12_500_000), Some(1), None]));
    assert_eq!((dear.capabilities.len(), dear.origins.capabilities), (0, Some(Origin::Config)));
    assert_eq!((own.max_output, own.context, own.price), (Some(10), None, None));
    assert_eq!((own.origins.max_output, own.origins.context), (Some(Origin::Config), None));
    assert_eq!(
        mine.describe(),
        json!({
            "name": "mine", "provider": "api", "id": "gpt-4o", "tags": [],
            "price": { "input": 2.5, "output": 10.0, "cached_input": 1.25, "from": "catalogue" },
            "context": { "tokens": 64_000, "from": "config" },
            "max_output": { "tokens": 16_384, "from": "catalogue" },
            "capabilities": {
                "names": ["tools", "vision", "response_schema", "prompt_caching"], "from": "catalogue",
            },
        })
    );
    assert_eq!(own.describe()["price"], json!(null));
    // What took effect is a configuration of the same effect.
    let shown = config.show().unwrap();
    let again = parse(&shown).unwrap_or_else(|report| panic!("{report}\n{shown}"));
    assert_eq!(again.show().unwrap(), shown);
    assert_eq!(again.resolve("dear").unwrap().price, dear.price);
    assert_eq!(again.resolve("mine").unwrap().context, mine.context);
}

#[test]
fn whose_models_a_provider_has_is_told_by_its_address_or_by_the_file() {
    for (provider, vendor) in [
        ("kind: openai, api_key: k", Some(Vendor::OpenAi)),
        ("kind: openai, base_url: http://127.0.0.1:11434/v1", None),
        ("kind: openai, base_url: http://127.0.0.1:4000/v1, catalogue: openai", Some(Vendor::OpenAi)),
        ("kind: openai, base_url: https://api.groq.com/openai/v1", Some(Vendor::Groq)),
        ("kind: openai, base_url: https://api.groq.com/openai/v1, catalogue: openai", Some(Vendor::OpenAi)),
        ("kind: simulated", None),
    ] {
        // The provider's name says nothing: many a local server is called after whom it imitates.
        let text = format!(
            "providers: {{ openai: {{ {provider} }} }}\nmodels: {{ m: {{ provider: openai, id: x }} }}"
        );
        let config = parse(&text).unwrap();
        assert_eq!(config.providers()["openai"].vendor(), vendor, "{provider}");
    }
    let local = "providers: { openai: { kind: openai, base_url: http://127.0.0.1:9/v1 } }
models: { gpt-4o: { provider: openai } }";
    assert_eq!(parse(local).unwrap().resolve("gpt-4o").unwrap().price, None);
}

#[test]
fn an_undated_name_is_sent_dated_where_the_api_wants_that_and_only_there() {
    let config = parse(
        "providers:
  anthropic: { kind: openai, base_url: https://api.anthropic.com/v1, api_key: k }
  local: { kind: openai, base_url: http://127.0.0.1:9/v1 }
models:
  claude-3-opus: { provider: anthropic }
  claude-3-5-sonnet: { provider: anthropic }
  claude-opus-4-5: { provider: anthropic }
  claude-3-haiku: { provider: anthropic, id: claude-3-haiku }
  claude-3-sonnet: { provider: local }",
    )
    .unwrap();
    for (name, id, known) in [
        ("claude-3-opus", "claude-3-opus-20240229", true),
        ("claude-3-5-sonnet", "claude-3-5-sonnet-20241022", false),
        ("claude-opus-4-5", "claude-opus-4-5", true),
        // What is written is sent, and nothing is guessed about it.
        ("claude-3-haiku", "claude-3-haiku", false),
        ("claude-3-sonnet", "claude-3-sonnet", false),
    ] {
        let model = config.resolve(name).unwrap();
        assert_eq!((&*model.name, &*model.id, model.price.is_some()), (name, id, known));
    }
}

#[test]
fn prices_keep_every_digit_however_they_are_written() {
    for (written, pico) in [
        ("0", 0),
        ("15", 15_000_000),
        ("15.00", 15_000_000),
        ("0.1", 100_000),
        ("0.3", 300_000),
        ("1e-1", 100_000),
        ("0.000001", 1),
        ("123456.654321", 123_456_654_321),
        ("999999.999999", 999_999_999_999),
        ("\"0.075\"", 75_000),
        ("'0.075'", 75_000),
        ("\"${PRICE}\"", 2_500_000),
        ("\"${NONE:-0.25}\"", 250_000),
    ] {
        let text = format!(
            "providers: {{ sim: {{ kind: simulated }} }}\nmodels: {{ m: {{ provider: sim, price: {{ input: {written}, output: 0 }} }} }}"
        );
        let config = with(&text, &[("PRICE", "2.50")]).unwrap_or_else(|report| panic!("{written}: {report}"));
        assert_eq!(config.resolve("m").unwrap().price.unwrap().input.pico_usd(), pico, "{written}");
    }
}
