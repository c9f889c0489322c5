//! What routing changes of a request, as far as the model that is called can do with it: many refuse what they do not know,
//! and a row's settings go with its fallback models too.

use jackfield_core::catalogue::Capability;
use jackfield_core::config::ResolvedModel;
use jackfield_core::contract::{AnswerFormat, Overrides};
use serde_json::Value;

/// The changes without those that this model is not to be asked for. Only a model that is known to keep to a schema is
/// asked for JSON; only one that is known not to think is not told how much.
pub fn fitted(overrides: &Overrides, model: &ResolvedModel) -> Overrides {
    let asked = model.capabilities.contains(&Capability::ResponseSchema);
    let told = !model.is_known_to_lack(Capability::Reasoning);
    Overrides {
        answer_format: overrides.answer_format.clone().filter(|format| asked && is_for_objects(format)),
        reasoning: overrides.reasoning.filter(|_| told),
        ..overrides.clone()
    }
}

/// Whether providers can be asked for it: their APIs bind answers to objects alone, so a list is asked for in words.
fn is_for_objects(format: &AnswerFormat) -> bool {
    match format {
        AnswerFormat::Json => true,
        AnswerFormat::Schema(schema) => schema.source().get("type").and_then(Value::as_str) != Some("array"),
    }
}
