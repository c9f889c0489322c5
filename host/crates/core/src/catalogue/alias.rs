//! Names that people use and an API does not take: what such a name is called there.
//!
//! Derived from the table where it has the answer, else written down here. A name that the table has as an id is never
//! changed, and neither is one of any other vendor than these two: OpenAI's API, for one, takes undated names itself.

use super::Vendor;
use super::facts::{id_in_table, ids_from};

/// Models that the table has no more under their vendor: `models.tsv` has their dates under `bedrock`.
const WRITTEN: &[(Vendor, &str, &str)] = &[
    (Vendor::Anthropic, "claude-3-5-haiku", "claude-3-5-haiku-20241022"),
    (Vendor::Anthropic, "claude-3-5-sonnet", "claude-3-5-sonnet-20241022"),
    (Vendor::Anthropic, "claude-3-7-sonnet", "claude-3-7-sonnet-20250219"),
    (Vendor::Anthropic, "claude-opus-4", "claude-opus-4-20250514"),
    (Vendor::Anthropic, "claude-opus-4-1", "claude-opus-4-1-20250805"),
    (Vendor::Anthropic, "claude-sonnet-4", "claude-sonnet-4-20250514"),
];

/// The id that a vendor's API takes for a name; `None` where the name is to be sent as it is.
///
/// Anthropic's models carry the day they were made (`claude-3-opus-20240229`): the newest is meant. Mistral's have a
/// name for the newest (`mistral-large-latest`).
pub fn alias(vendor: Vendor, name: &str) -> Option<&'static str> {
    if id_in_table(vendor, name).is_some() {
        return None;
    }
    if let Some((_, _, id)) = WRITTEN.iter().find(|(of, known, _)| *of == vendor && *known == name) {
        return Some(id);
    }
    match vendor {
        Vendor::Anthropic => {
            let beginning = format!("{name}-");
            let is_day = |rest: &str| rest.len() == 8 && rest.bytes().all(|b| b.is_ascii_digit());
            ids_from(vendor, &beginning).filter(|id| id.strip_prefix(&*beginning).is_some_and(is_day)).last()
        }
        Vendor::Mistral => id_in_table(vendor, &format!("{name}-latest")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undated_names_of_anthropics_mean_the_newest_day_and_ids_stay() {
        for (vendor, name, id) in [
            (Vendor::Anthropic, "claude-3-opus", Some("claude-3-opus-20240229")),
            (Vendor::Anthropic, "claude-3-haiku", Some("claude-3-haiku-20240307")),
            (Vendor::Anthropic, "claude-3-sonnet", Some("claude-3-sonnet-20240229")),
            (Vendor::Anthropic, "claude-3-5-sonnet", Some("claude-3-5-sonnet-20241022")),
            (Vendor::Anthropic, "claude-3-5-haiku", Some("claude-3-5-haiku-20241022")),
            // Its own id, and one that is dated already.
            (Vendor::Anthropic, "claude-opus-4-5", None),
            (Vendor::Anthropic, "claude-3-opus-20240229", None),
            (Vendor::Anthropic, "claude-3", None),
            (Vendor::Anthropic, "claude-3-opus-2024", None),
            (Vendor::Anthropic, "", None),
            (Vendor::Mistral, "mistral-large", Some("mistral-large-latest")),
            (Vendor::Mistral, "mistral-small", None),
            // These APIs take the undated name, or have no such model.
            (Vendor::OpenAi, "gpt-4o", None),
            (Vendor::OpenAi, "gpt-4o-audio-preview", None),
            (Vendor::OpenAi, "claude-3-opus", None),
            (Vendor::Bedrock, "claude-3-opus", None),
        ] {
            assert_eq!(alias(vendor, name), id, "{} {name:?}", vendor.name());
        }
    }

    #[test]
    fn what_is_written_down_is_needed_and_has_its_day_from_the_table() {
        for (vendor, name, id) in WRITTEN {
            assert!(id_in_table(*vendor, name).is_none(), "{name} is in the table: strike it");
            let at_bedrock = format!("anthropic.{id}-");
            assert_eq!(ids_from(Vendor::Bedrock, &at_bedrock).count(), 1, "{at_bedrock}…");
        }
    }
}
