//! Which names mean a model, and which provider serves it.

use super::*;

const SIM: &str =
    "providers: { sim: { kind: simulated } }\nmodels: { fast-model: { provider: sim, id: sim-small } }\n";

#[test]
fn declared_models_resolve_and_others_do_not() {
    let config = parse(SIM).unwrap();
    let model = config.resolve("fast-model").unwrap();
    assert_eq!((&*model.provider, &*model.id), ("sim", "sim-small"));
    assert!(config.resolve("gpt-4o").is_none(), "nobody serves it: no key, no reference");
    assert_eq!(config.nearest("fastmodel"), ["fast-model"]);
    assert!(config.nearest("zebra").is_empty());
}

#[test]
fn a_key_in_the_environment_makes_well_known_models_resolve() {
    let variables = ["OPENAI", "ANTHROPIC", "DEEPSEEK", "GEMINI", "MISTRAL", "XAI", "MOONSHOT", "PERPLEXITY"]
        .map(|of| format!("{of}_API_KEY"));
    let config = with(SIM, &variables.each_ref().map(|name| (name.as_str(), "k"))).unwrap();
    for (name, provider) in [
        ("gpt-4o", "openai"),
        ("o3", "openai"),
        ("o4-mini", "openai"),
        ("chatgpt-4o-latest", "openai"),
        ("claude-opus-5", "anthropic"),
        ("deepseek-chat", "deepseek"),
        ("gemini-2.5-pro", "gemini"),
        ("mistral-large-latest", "mistral"),
        ("codestral-2508", "mistral"),
        ("grok-4.5", "xai"),
        ("kimi-k3", "moonshot"),
        ("sonar", "perplexity"),
        ("sonar-pro", "perplexity"),
    ] {
        let model = config.resolve(name).unwrap();
        assert_eq!(model.provider, provider, "{name}");
        // The address of a family's home says whose models these are.
        assert_eq!(config.providers()[provider].vendor().unwrap().name(), provider);
        // OpenAI retired this one; the others are known to the catalogue.
        assert_eq!(model.price.is_some(), name != "chatgpt-4o-latest", "{name}");
    }
    for name in ["claude-", "gemini-", "gemini", "o3x", "sonarly", "grok", "gpt-", "gpt", "opus", ""] {
        assert!(config.resolve(name).is_none(), "{name}");
    }
    assert_eq!(
        config.model_names().collect::<Vec<_>>(),
        ["fast-model"],
        "only what the file names is listed"
    );
    assert!(config.warnings().is_empty());
}

#[test]
fn a_reference_without_a_key_resolves_to_a_disabled_provider() {
    let config = parse("orchestrator: { default_model: gpt-4o }").unwrap();
    assert_eq!(config.resolve("gpt-4o").unwrap().provider, "openai");
    assert!(config.resolve("gpt-4").is_none(), "not referred to, and its provider is disabled");
    assert!(config.providers()["openai"].disabled().is_some());
    assert_eq!(config.warnings().len(), 1);
    assert_eq!(config.model_names().collect::<Vec<_>>(), ["gpt-4o"]);
}

#[test]
fn a_declared_provider_goes_before_the_implied_one() {
    let text = "providers: { openai: { kind: openai, base_url: http://127.0.0.1:9/v1 } }\norchestrator: { default_model: gpt-4o }";
    let config = with(text, &[("OPENAI_API_KEY", "sk-1")]).unwrap();
    let crate::config::ProviderKind::Api(api) = config.providers()["openai"].kind() else { panic!() };
    assert_eq!(api.base_url.as_str(), "http://127.0.0.1:9/v1");
    assert!(api.api_keys.is_empty() && config.warnings().is_empty());
    assert!(config.resolve("gpt-4").is_some());
}

#[test]
fn a_simulation_never_answers_for_a_real_model() {
    let config = parse("providers: { openai: { kind: simulated } }").unwrap();
    assert!(config.resolve("gpt-4o").is_none());
}
