//! What makes one answer differ from another, as a key for each candidate of a request; or why there is none.
//!
//! | in the key | why |
//! |---|---|
//! | every field of the body, however it is written | the model sees it, or its provider does |
//! | the client's API, and whether it streams | a kept answer is delivered with its very bytes; those of the other kind cannot be made of them |
//! | provider and its settings, model, its id | who answers |
//! | what routing changes, the task | what is asked, and what the answer must be |
//! | the validators with their bytes and settings | who let the answer through |
//! | whose it is, by `scope` | tenants do not see each other's answers |
//! | Anthropic's version and betas | headers that go along to the provider |
//!
//! Not in it: `model` (what it leads to is), `stream` (above), and labels that no model sees: `metadata`, `user`,
//! `safety_identifier`, `prompt_cache_key`, `prompt_cache_retention`. With `store: true` labels are kept by the provider, so
//! they count. `stream_options` is in it: who did not ask for the usage is not given the chunk that says it.

use jackfield_core::base::JsonObject;
use jackfield_core::catalogue::Capability;
use jackfield_core::config::{Cache, CacheScope};
use jackfield_core::contract::{AnswerFormat, ChatRequest, Dialect, Facts, Overrides, Target};
use jackfield_store::cache::{CacheKey, KeyBuilder, digest};

use super::fit::fitted;
use super::vectors::Divided;
use crate::policy::ValidatorSlot;
use crate::world::{Model, World};

/// What changes when a key's parts do.
const VERSION: &str = "1";
/// Fields that stand in the key otherwise.
const ELSEWHERE: [&str; 2] = ["model", "stream"];
/// Labels.
const LABELS: [&str; 5] =
    ["metadata", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"];
/// Fields that let a model look at what changes by itself, as tools do.
const LIKE_TOOLS: [&str; 2] = ["functions", "web_search_options"];
/// The ways to write vectors whose numbers do not hang on the other inputs. Nothing said is one of them.
const ENCODINGS: [&[u8]; 3] = [b"\"float\"", b"\"base64\"", b"null"];
/// The client's headers that providers get.
const HEADERS: [&str; 2] = ["anthropic-beta", "anthropic-version"];

/// A key for each candidate, or why answers to this request are not kept, in one word.
pub(super) fn keys(
    world: &World,
    facts: &Facts,
    targets: &[Target],
    added: &[ValidatorSlot],
) -> Result<Vec<(Target, CacheKey)>, &'static str> {
    let settings = world.config().orchestrator().cache();
    let request = &facts.request;
    if !request.dialect.consumes() {
        return Err("count_tokens");
    }
    let tools = request.has_tools || LIKE_TOOLS.iter().any(|name| request.body.get(name).is_some());
    if tools && !settings.tools {
        return Err("tools");
    }
    let asked = asked(settings, facts, &[]).ok_or("nested")?;
    let key = |target: &Target| {
        let model = world.models().get(&target.model).ok_or("no_model")?;
        let key = answers(asked.clone(), settings, request, target, &model, world)?;
        Ok((target.clone(), judged(key, world, facts, target, &model, added).finish()))
    };
    targets.iter().map(key).collect()
}

/// The parts of a request for embeddings, with what is in the keys of each candidate's vectors besides the input; nothing for
/// other requests, and where vectors are written in a way that this gateway does not know. Requests of other labels are not put
/// together: the provider sees those.
pub(super) fn by_input(
    world: &World,
    facts: &Facts,
    targets: &[Target],
    added: &[ValidatorSlot],
) -> Option<Divided> {
    let (settings, request) = (world.config().orchestrator().cache(), &facts.request);
    let encoding = request.body.get("encoding_format");
    let known = encoding.is_none_or(|written| ENCODINGS.contains(&&*written));
    if request.dialect != Dialect::OpenAiEmbeddings || !known {
        return None;
    }
    let asked = asked(settings, facts, &["input"])?;
    let mut labels = KeyBuilder::default();
    for name in LABELS {
        let label = request.body.get(name);
        labels = labels.maybe(name, label.map(|value| digest(&value)).unwrap_or_default());
    }
    let labels = labels.finish();
    let candidate = |target: &Target| {
        let model = world.models().get(&target.model)?;
        let key = answers(asked.clone(), settings, request, target, &model, world).ok()?;
        let key = judged(key, world, facts, target, &model, added).part("by", "input");
        let group = key.clone().part("labels", labels).finish();
        Some((target.clone(), key, group))
    };
    Divided::new(facts, targets.iter().map(candidate).collect::<Option<Vec<_>>>()?)
}

/// What is asked, and for whom.
fn asked(settings: &Cache, facts: &Facts, without: &[&str]) -> Option<KeyBuilder> {
    let Facts { request, task, caller, headers, .. } = facts;
    let mut key = KeyBuilder::default()
        .part("version", VERSION)
        .part("dialect", format!("{:?}", request.dialect))
        .part("stream", [u8::from(request.stream)])
        .maybe("task", task.as_deref());
    if settings.scope != CacheScope::Shared {
        key = key.maybe("project", caller.project.as_deref());
    }
    if settings.scope == CacheScope::User {
        key = key.maybe("user", caller.user.as_deref());
    }
    for name in HEADERS {
        for value in headers.get_all(name) {
            key = key.part(name, value);
        }
    }
    fields(key, &request.body, without)
}

/// The fields of the body, whatever their order, but these.
fn fields(mut key: KeyBuilder, body: &JsonObject, without: &[&str]) -> Option<KeyBuilder> {
    let stored = body.get("store").is_some_and(|store| store.as_ref() == b"true");
    let counts = |name: &str| {
        !ELSEWHERE.contains(&name) && !without.contains(&name) && (stored || !LABELS.contains(&name))
    };
    let mut all: Vec<_> = body.iter().filter(|(name, _)| counts(name)).collect();
    all.sort_unstable_by_key(|(name, _)| *name);
    for (name, value) in all {
        key = key.part("field", name).part("value", digest(&value)?);
    }
    Some(key)
}

/// Who answers, and what routing changes on the way.
fn answers(
    key: KeyBuilder,
    settings: &Cache,
    request: &ChatRequest,
    target: &Target,
    model: &Model,
    world: &World,
) -> Result<KeyBuilder, &'static str> {
    let spec = model.spec();
    let overrides = fitted(&target.overrides, spec);
    let asked = || serde_json::from_slice::<f64>(&request.body.get("temperature")?).ok();
    if overrides.temperature.or_else(asked).is_some_and(|asked| asked > settings.max_temperature) {
        return Err("temperature");
    }
    let Overrides { temperature, max_output_tokens, reasoning, prompt_template, answer_format } = overrides;
    // What is wanted of the answer is, whether the model can be asked for it or not.
    let wanted = target.overrides.answer_format.as_ref().map(|format| match format {
        AnswerFormat::Json => "json".to_owned(),
        AnswerFormat::Schema(schema) => schema.source().to_string(),
    });
    Ok(key
        .part("provider", &spec.provider)
        .maybe("origin", world.origins().get(&spec.provider))
        .part("model", &spec.name)
        .part("id", spec.id.as_bytes())
        .maybe("max_output", spec.max_output.map(u64::to_le_bytes))
        .maybe("temperature", temperature.map(f64::to_le_bytes))
        .maybe("max_output_tokens", max_output_tokens.map(u32::to_le_bytes))
        .maybe("reasoning", reasoning.map(|level| level.name()))
        .maybe("template", prompt_template)
        .part("asked_for_format", [u8::from(answer_format.is_some())])
        .maybe("format", wanted))
}

/// Who lets the answer through.
fn judged(
    mut key: KeyBuilder,
    world: &World,
    facts: &Facts,
    target: &Target,
    model: &Model,
    added: &[ValidatorSlot],
) -> KeyBuilder {
    let (policy, request) = (world.policy(), &facts.request);
    let slots = policy.validators_of(target.task.as_deref()).iter().chain(policy.validators_of_step(facts));
    let more = added.iter().filter(|slot| !slots.clone().any(|there| there.name() == slot.name()));
    for slot in slots.clone().chain(more) {
        key = key.part("validator", slot.name()).part("identity", slot.identity.as_bytes());
    }
    let keeps_to_schemas = model.spec().capabilities.contains(&Capability::ResponseSchema);
    key.maybe("row", target.task.as_deref())
        .part("enforced", [u8::from(request.has_response_schema && !keeps_to_schemas)])
}

#[cfg(test)]
mod tests;
