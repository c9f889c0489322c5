//! What stands behind the `?` of a listing: how many are wanted, and from where. What else is there is not looked at.

use jackfield_core::base::excerpt;
use jackfield_core::contract::Fault;

/// The `limit` of a query, `usual` where there is none.
///
/// # Errors
/// It is no number from 1 to `most`.
pub(crate) fn limit(query: &str, usual: usize, most: usize) -> Result<usize, Fault> {
    let Some(text) = value(query, "limit") else { return Ok(usual) };
    text.parse().ok().filter(|limit| (1..=most).contains(limit)).ok_or_else(|| {
        let shown = excerpt(text, 32);
        Fault::invalid("limit", format!("limit is '{shown}': use 1 to {most}"))
    })
}

/// The value of this name as it stands, if it is there and not empty. Ids and numbers need no decoding.
pub(crate) fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let values = query.split('&').filter_map(|pair| pair.split_once('='));
    values.filter(|(key, _)| *key == name).map(|(_, value)| value).find(|value| !value.is_empty())
}
