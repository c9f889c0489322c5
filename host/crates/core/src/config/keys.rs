//! `keys:` who may ask, and in whose name. Only digests are kept: a key cannot leak from memory,
//! from a log or from `config show`.

use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::contract::Caller;

use super::findings::Located;
use super::names::Names;
use super::pointer::Pointer;

/// Keys shorter than this can be guessed.
const MIN_KEY: usize = 16;

/// One client key.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Key")]
pub(crate) struct RawKey {
    /// The key itself, at least 16 characters, best as `${VARIABLE}`. Either this or `sha256`.
    key: Option<String>,
    /// The key's SHA-256 in 64 hexadecimal digits, so that the key need not be on this machine.
    sha256: Option<String>,
    /// What the key is called in budgets and in what is written down; keys of one name share its budget. Left out: the
    /// first 12 digits of its SHA-256.
    name: Option<String>,
    /// The project that pays for what this key asks.
    project: Option<String>,
    /// The user within the project.
    user: Option<String>,
    /// The models this key may use, whoever chooses them; a workflow as `workflow/NAME`, whose steps' models it needs too.
    /// Left out: all of them.
    models: Option<Vec<String>>,
}

/// All client keys, by digest.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    callers: HashMap<[u8; 32], Caller>,
}

impl Keys {
    /// Checks the section; references to models go through `names`.
    pub(crate) fn check(raw: &[RawKey], names: &mut Names<'_>, found: &mut Located<'_>) -> Self {
        let all = Pointer::root().key("keys");
        let mut callers = HashMap::new();
        let mut first_at: HashMap<[u8; 32], usize> = HashMap::new();
        for (index, raw) in raw.iter().enumerate() {
            let at = all.index(index);
            for (what, label) in [("name", &raw.name), ("project", &raw.project), ("user", &raw.user)] {
                if let Some(label) = label {
                    check_label(&at.key(what), if what == "name" { "key" } else { what }, label, found);
                }
            }
            for (nth, model) in raw.models.iter().flatten().enumerate() {
                names.refer_or_workflow(model, &at.key("models").index(nth), found);
            }
            if raw.models.as_ref().is_some_and(Vec::is_empty) {
                let hint = "name at least one model, or remove `models` to allow all";
                found.fault(&at.key("models"), "this key may name no model at all", hint);
            }
            let Some(digest) = raw.digest(&at, found) else { continue };
            if let Some(first) = first_at.insert(digest, index) {
                let message = "this key is already in the list".to_owned();
                found.clash(
                    &at,
                    &all.index(first),
                    "first here",
                    message,
                    "every key stands once; remove one of the two",
                );
            }
            let models = raw.models.as_ref().map(|models| Arc::from(&models[..]));
            let key = raw.name.as_deref().map_or_else(|| key_name(&digest), Arc::from);
            let key = Some(key);
            callers
                .insert(digest, Caller { project: raw.project.clone(), user: raw.user.clone(), key, models });
        }
        Self { callers }
    }

    /// Who presents this key. Takes the same time whether or not the key is nearly right, because
    /// only digests are compared.
    pub fn caller(&self, presented: &str) -> Option<&Caller> {
        let digest: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        self.callers.get(&digest)
    }

    /// Everybody who has a key.
    pub(crate) fn callers(&self) -> impl Iterator<Item = &Caller> {
        self.callers.values()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.callers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.callers.is_empty()
    }

    /// The section as it took effect, secrets as stars.
    pub(crate) fn show(&self) -> Value {
        let mut shown: Vec<(String, Value)> = self
            .callers
            .values()
            .map(|caller| {
                let mut key = json!({ "key": "***", "name": caller.key });
                for (name, value) in [("project", &caller.project), ("user", &caller.user)] {
                    if let Some(value) = value {
                        key[name] = json!(value);
                    }
                }
                if let Some(models) = &caller.models {
                    key["models"] = json!(models[..]);
                }
                (key.to_string(), key)
            })
            .collect();
        shown.sort_by(|a, b| a.0.cmp(&b.0));
        shown.into_iter().map(|(_, key)| key).collect()
    }
}

impl RawKey {
    fn digest(&self, at: &Pointer, found: &mut Located<'_>) -> Option<[u8; 32]> {
        match (&self.key, &self.sha256) {
            (Some(key), None) if key.chars().count() >= MIN_KEY => {
                Some(Sha256::digest(key.as_bytes()).into())
            }
            (Some(key), None) => {
                let message =
                    format!("the key has {} characters; it needs at least {MIN_KEY}", key.chars().count());
                found.fault(&at.key("key"), message, "make one with `openssl rand -hex 24`");
                None
            }
            (None, Some(hex)) => {
                let digest = unhex(hex);
                if digest.is_none() {
                    let hint = "make it with `printf %s \"$KEY\" | sha256sum`";
                    found.fault(&at.key("sha256"), "`sha256` must be 64 hexadecimal digits", hint);
                }
                digest
            }
            (Some(_), Some(_)) => {
                found.fault(&at.key("sha256"), "both `key` and `sha256` are given", "keep one of them");
                None
            }
            (None, None) => {
                let hint = "add `key: \"${VARIABLE}\"`, or `sha256:` with the key's digest";
                let path = found.path(at);
                found.fault(at, format!("`{path}` has no key"), hint);
                None
            }
        }
    }
}

/// What a key without a name is called: the beginning of its digest, from which nobody finds the key.
fn key_name(digest: &[u8; 32]) -> Arc<str> {
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// Projects and users may be e-mail addresses or names with spaces, but must fit a log line.
fn check_label(at: &Pointer, what: &str, label: &str, found: &mut Located<'_>) {
    const MAX: usize = 128;
    if label.trim().is_empty() || label.len() > MAX || label.chars().any(char::is_control) {
        let hint = format!("use 1 to {MAX} bytes without control characters");
        found.fault(at, format!("`{}` cannot be the name of a {what}", label.escape_debug()), hint);
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    (digits.len() == 64).then(|| bytes.try_into().ok())?
}
