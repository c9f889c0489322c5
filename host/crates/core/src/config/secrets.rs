//! Which values of a document are secrets, so that no fault quotes them.

use std::ops::Range;

use super::document::Document;
use super::places::{Inside, Place};
use super::text::Text;

/// Paths whose scalars are secrets; `*` stands for any name or index.
const SECRETS: &[&[&str]] =
    &[&["providers", "*", "api_key"], &["providers", "*", "headers", "*"], &["keys", "*", "key"]];

/// Addresses are refused when they hold a user and a password: until then, that password is a secret.
const ADDRESSES: &[&str] = &["providers", "*", "base_url"];

/// The places of all secrets in a document.
pub(crate) fn in_document(document: &Document, text: &Text) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    for path in SECRETS {
        collect(&document.places, path, &mut places);
    }
    let mut addresses = Vec::new();
    collect(&document.places, ADDRESSES, &mut addresses);
    let holds_user = |place: &Range<usize>| text.raw().get(place.clone()).is_some_and(|a| a.contains('@'));
    places.extend(addresses.into_iter().filter(holds_user));
    places
}

fn collect(place: &Place, path: &[&str], into: &mut Vec<Range<usize>>) {
    match (path, &place.inside) {
        ([], Inside::Nothing) => into.push(place.value.clone()),
        ([step, rest @ ..], Inside::Members(members)) => {
            for (_, member) in members.iter().filter(|(name, _)| *step == "*" || name == step) {
                collect(member, rest, into);
            }
        }
        (["*", rest @ ..], Inside::Elements(elements)) => {
            for element in elements {
                collect(element, rest, into);
            }
        }
        _ => {}
    }
}
