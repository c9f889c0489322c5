//! Which values of a document are secrets, so that no fault quotes them.

use std::ops::Range;

use super::document::Document;
use super::places::{Inside, Place};
use super::text::Text;

/// Under `providers.*` and `keys`, every scalar is taken for a secret but those of these keys: a key with a
/// slip in its name still holds a secret.
const HARMLESS: &[&str] = &[
    "kind",
    "api_version",
    "latency",
    "chunk_latency",
    "seed",
    "failure_rate",
    "catalogue",
    "name",
    "project",
    "region",
    "user",
    "models",
];

/// Words in a key's name that say its value is a secret, wherever it stands.
const TELLING: &[&str] =
    &["api_key", "apikey", "api-key", "token", "secret", "password", "passwd", "authorization", "webhook"];

/// Words beside `token` in a key's name that say that its value is a number of tokens: a slip in such a name is to be seen.
const COUNTS: &[&str] = &["max", "limit", "input", "output"];

/// Whether a key's name says that its value is a secret.
pub(crate) fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let counts = |word: &&&str| **word == "token" && COUNTS.iter().any(|count| name.contains(count));
    TELLING.iter().filter(|word| name.contains(**word)).any(|word| !counts(&word))
}

/// The places of all secrets in a document.
pub(crate) fn in_document(document: &Document, text: &Text) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    if let Inside::Members(sections) = &document.places.inside {
        for (name, section) in sections {
            let guarded = matches!(name.as_str(), "providers" | "keys");
            collect(section, name, guarded, text, &mut places);
        }
    }
    places
}

fn collect(place: &Place, name: &str, guarded: bool, text: &Text, into: &mut Vec<Range<usize>>) {
    match &place.inside {
        Inside::Nothing => {
            // An address is shown unless it carries a user or a query.
            let address = || text.raw().get(place.value.clone()).is_some_and(|a| !a.contains(['@', '?']));
            let harmless = HARMLESS.contains(&name) || (name == "base_url" && address());
            // A shared state's address may hold a password.
            let state = name == "state" && !address();
            if is_telling(name) || state || (guarded && !harmless) {
                into.push(place.value.clone());
            }
        }
        Inside::Members(members) => {
            for (name, member) in members {
                // What a simulation says is for everybody to read.
                let guarded = guarded && name != "replies";
                collect(member, name, guarded, text, into);
            }
        }
        // What is in a list goes by the list's name: `models: [a, b]` are models.
        Inside::Elements(elements) => {
            for element in elements {
                collect(element, name, guarded, text, into);
            }
        }
    }
}
