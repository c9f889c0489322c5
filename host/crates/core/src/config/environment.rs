//! `${NAME}` in ordinary values: an environment variable, put in after parsing, so that no value can
//! change the document's structure.
//!
//! `${NAME:-default}` has a default for a variable that is unset or empty; `$${` is a literal `${`.
//! Keys are left alone, and so are values under the names in `EXPRESSIONS`: there `${…}` is an
//! expression that is evaluated per request.

use std::collections::BTreeSet;

use serde_json::Value;

use super::findings::Located;
use super::pointer::Pointer;

/// Keys under which `${…}` is not a variable.
const EXPRESSIONS: &[&str] = &["template", "prompt", "input", "when", "workflows"];

/// What the replacement found out.
#[derive(Debug, Default)]
pub(crate) struct Replaced {
    /// Leaves whose text came, all or in part, from the environment.
    pub(crate) from_environment: BTreeSet<Pointer>,
    /// Leaves with a fault: they keep their text, and further checks of it would only confuse.
    pub(crate) unusable: BTreeSet<Pointer>,
    /// Providers' keys whose variables are not set.
    pub(crate) keyless: Vec<Keyless>,
}

/// A provider's key whose variable is not set.
#[derive(Debug)]
pub(crate) struct Keyless {
    /// The provider.
    pub(crate) provider: String,
    /// The variable.
    pub(crate) variable: String,
    /// Where it is named.
    pub(crate) at: Pointer,
}

impl Replaced {
    /// A leaf with a fault. A client's key gets a stand-in, so that its place in the list is not one without a key.
    fn give_up(&mut self, value: &mut Value, at: &Pointer) {
        let segments: Vec<String> = at.segments().collect();
        match &segments[..] {
            [section, _, key] if section == "keys" && key == "key" => {
                *value = Value::String(format!("stands in for the key at {at}"));
            }
            _ => drop(self.unusable.insert(at.clone())),
        }
    }
}

/// Replaces every variable in the document.
pub(crate) fn replace(
    value: &mut Value,
    environment: &dyn Fn(&str) -> Option<String>,
    found: &mut Located<'_>,
) -> Replaced {
    let mut replaced = Replaced::default();
    walk(value, &Pointer::root(), environment, found, &mut replaced);
    replaced
}

fn walk(
    value: &mut Value,
    at: &Pointer,
    environment: &dyn Fn(&str) -> Option<String>,
    found: &mut Located<'_>,
    replaced: &mut Replaced,
) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if !is_expression(at, name) {
                    walk(member, &at.key(name), environment, found, replaced);
                }
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter_mut().enumerate() {
                walk(element, &at.index(index), environment, found, replaced);
            }
        }
        Value::String(text) if text.contains("${") => leaf(value, at, environment, found, replaced),
        _ => {}
    }
}

fn leaf(
    value: &mut Value,
    at: &Pointer,
    environment: &dyn Fn(&str) -> Option<String>,
    found: &mut Located<'_>,
    replaced: &mut Replaced,
) {
    let Value::String(text) = &*value else { return };
    match expand(text, environment, provider_of_key(at).is_some()) {
        Ok((text, used)) => {
            if used {
                replaced.from_environment.insert(at.clone());
            }
            *value = Value::String(text);
        }
        Err(Problem::Missing(variable)) => match provider_of_key(at) {
            Some(provider) => {
                // Told with the provider's other keys in view.
                replaced.keyless.push(Keyless { provider, variable, at: at.clone() });
                *value = Value::String(String::new());
            }
            None => {
                let message = format!("`{at}` needs the environment variable `{variable}`, which is not set");
                found.fault(at, message, format!("set it, or give a default: ${{{variable}:-…}}"));
                replaced.give_up(value, at);
            }
        },
        Err(Problem::Malformed(what)) => {
            let hint = "write ${NAME}, ${NAME:-default}, or $${ for a literal ${";
            found.fault(at, format!("`{at}` holds a variable that cannot be read: {what}"), hint);
            replaced.give_up(value, at);
        }
    }
}

/// Whether `${…}` in this member is not a variable. A price's `input` is no text for a model.
fn is_expression(parent: &Pointer, name: &str) -> bool {
    EXPRESSIONS.contains(&name) && !(name == "input" && parent.last().is_some_and(|last| last == "price"))
}

/// Keys of a provider that hold what it is asked with.
const CREDENTIALS: &[&str] = &["api_key", "access_key_id", "secret_access_key", "session_token"];

/// The provider whose credential this is, or one of whose `api_keys`.
fn provider_of_key(at: &Pointer) -> Option<String> {
    let segments: Vec<String> = at.segments().collect();
    match &segments[..] {
        [section, name, key] if section == "providers" && CREDENTIALS.contains(&&**key) => Some(name.clone()),
        [section, name, key, _] if section == "providers" && key == "api_keys" => Some(name.clone()),
        _ => None,
    }
}

enum Problem {
    Missing(String),
    Malformed(String),
}

/// Expands one text; also says whether a variable was used. With `needs_text`, an empty variable
/// counts as missing.
fn expand(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    needs_text: bool,
) -> Result<(String, bool), Problem> {
    let mut out = String::with_capacity(text.len());
    let mut used = false;
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &from[2..];
            continue;
        }
        out.push_str(before);
        let end = from.find('}').ok_or_else(|| Problem::Malformed("the closing `}` is missing".into()))?;
        let (name, default) = match from[2..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&from[2..end], None),
        };
        check_name(name)?;
        let value = environment(name).filter(|value| !value.is_empty() || (default.is_none() && !needs_text));
        match (value, default) {
            (Some(value), _) => {
                used = true;
                out.push_str(&value);
            }
            (None, Some(default)) => out.push_str(default),
            (None, None) => return Err(Problem::Missing(name.to_owned())),
        }
        rest = &from[end + 1..];
    }
    out.push_str(rest);
    Ok((out, used))
}

fn check_name(name: &str) -> Result<(), Problem> {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(());
    }
    Err(Problem::Malformed(format!("`{}` is not a variable's name", name.escape_debug())))
}

#[cfg(test)]
mod tests;
