//! `state: redis://…` and the section `shared_state`: what gateways on several hosts share, and what happens when it is gone.
//!
//! Checked: the address has a host, waits and terms are bounded, and every limit is one that the server counts exactly. The
//! password stays in the address, which is a secret; what is shown has none.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::Secret;

use super::budgets::Budgets;
use super::findings::Located;
use super::pointer::Pointer;
use super::state::{DEFAULT_STATE, State, Synchronous};
use super::units::Period;

/// Without and with TLS.
const SCHEMES: [&str; 2] = ["redis://", "rediss://"];
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(250);
/// A client waits for it too.
const LONGEST_TIMEOUT: Period = Period::from_secs(10);
const DEFAULT_LEASE: Duration = Duration::from_secs(30);
/// A shorter one would be renewed all the time, a longer one keep what a dead host had from everybody.
const LEASES: [Period; 2] = [Period::from_secs(2), Period::from_secs(600)];
const DEFAULT_NAME: &str = "jackfield";
/// The first number that the server's scripts, which count in floats, do not tell from the next.
const EXACT: u64 = 1 << 53;

/// How a `state: redis://…` is used.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SharedState")]
pub(crate) struct RawSharedState {
    /// When the server is gone: `fail` refuses what a budget would have to be asked for (503), `local` counts on in this
    /// process alone, so that all hosts together may spend as many times what is left as there are hosts. `fail` if nothing
    /// else is said.
    on_store_error: OnStoreError,
    /// How long the server may take for one answer, which the client waits for too: up to 10s, 250ms if nothing else is
    /// said.
    timeout: Option<Period>,
    /// What a call holds comes back to the others when its host did not renew it for so long: 2s to 10m, 30s if nothing
    /// else is said.
    lease: Option<Period>,
    /// Gateways that say the same name share limits and answers: `jackfield` if nothing else is said.
    name: Option<String>,
    /// The file of this host's own, for what is not shared: what each call cost, and the runs of workflows. As `state`
    /// without sharing: `sqlite:jackfield.db` if nothing else is said, or `:memory:`.
    file: Option<String>,
}

/// What happens when the shared state is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnStoreError {
    /// What needs it is refused.
    #[default]
    Fail,
    /// This host counts on alone.
    Local,
}

/// What hosts share, checked.
#[derive(Clone)]
#[non_exhaustive]
pub struct SharedState {
    /// The address with its password: only to connect with.
    pub url: Secret,
    server: String,
    /// What happens when it is gone.
    pub on_store_error: OnStoreError,
    /// How long one answer of the server may take; above zero.
    pub timeout: Duration,
    /// How long a reservation lives without being renewed; two seconds at least.
    pub lease: Duration,
    /// Whose state it is: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The file for what is not shared; `None`: memory.
    pub file: Option<(PathBuf, Synchronous)>,
}

impl OnStoreError {
    /// `fail` or `local`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Local => "local",
        }
    }
}

impl SharedState {
    /// Whether a text is meant as a server's address.
    pub(super) fn is_meant(raw: &str) -> bool {
        ["redis:", "rediss:"].iter().any(|scheme| raw.starts_with(scheme))
    }

    /// Checks the address and the section.
    pub(super) fn check(
        url: &str,
        raw: &RawSharedState,
        budgets: Option<&Budgets>,
        found: &mut Located<'_>,
    ) -> Option<Self> {
        let (at, section) = (Pointer::root().key("state"), Pointer::root().key("shared_state"));
        let server = server(url);
        if server.is_none() {
            let hint = "write `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://` for TLS; in a user or a password, \
                        write `%40` for `@`, `%2F` for `/`, `%23` for `#`, `%3F` for `?`";
            found.fault(&at, "`state` names no server", hint);
        }
        let largest = budgets.map_or(0, largest_limit);
        if largest >= EXACT {
            let hint = "with a shared state, use limits below 9007199 US dollars and 9e15 tokens";
            found.fault(
                &at,
                "a limit of `orchestrator.budgets` is more than the server counts exactly",
                hint,
            );
        }
        let timeout = raw.timeout.map_or(DEFAULT_TIMEOUT, |timeout| {
            let at = section.key("timeout");
            if timeout > LONGEST_TIMEOUT {
                found.fault(&at, format!("`{at}` is {timeout}"), "use up to 10s: the client waits for it");
            }
            found.period(&at, timeout)
        });
        let lease = raw.lease.map_or(DEFAULT_LEASE, |lease| {
            if !(LEASES[0]..=LEASES[1]).contains(&lease) {
                let at = section.key("lease");
                found.fault(&at, format!("`{at}` is {lease}"), "use 2s to 10m");
            }
            lease.get()
        });
        let name = raw.name.clone().unwrap_or_else(|| DEFAULT_NAME.to_owned());
        if raw.name.is_some() {
            found.name(&section.key("name"), "shared state", &name);
        }
        let file = match raw.file.as_deref().map(State::place) {
            None => Some((PathBuf::from(DEFAULT_STATE), Synchronous::default())),
            Some(Some(State::Sqlite(path, synchronous))) => Some((path, synchronous)),
            Some(Some(State::Memory)) => None,
            Some(_) => {
                let hint = "write `sqlite:PATH`, as in `sqlite:jackfield.db`, or `:memory:`";
                found.fault(&section.key("file"), "it names no place of this host's own", hint);
                None
            }
        };
        let on_store_error = raw.on_store_error;
        let url = Secret::new(url.to_owned());
        server.map(|server| Self { url, server, on_store_error, timeout, lease, name, file })
    }

    /// The server, as messages have it: without user and password.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The section as it took effect.
    pub(crate) fn show(&self) -> Value {
        let file = match &self.file {
            Some((path, synchronous)) => State::Sqlite(path.clone(), *synchronous),
            None => State::Memory,
        };
        json!({
            "on_store_error": self.on_store_error,
            "timeout": Period::from(self.timeout),
            "lease": Period::from(self.lease),
            "name": self.name,
            "file": file.show(),
        })
    }
}

impl PartialEq for SharedState {
    fn eq(&self, other: &Self) -> bool {
        self.url.expose() == other.url.expose() && self.show() == other.show()
    }
}

impl Eq for SharedState {}

impl fmt::Debug for SharedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedState").field(&self.server).field(&self.show()).finish()
    }
}

/// An address without its user and password; `None` when it is none.
fn server(url: &str) -> Option<String> {
    let scheme = SCHEMES.into_iter().find(|scheme| url.starts_with(scheme))?;
    let rest = &url[scheme.len()..];
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, "6379"),
    };
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good = match v6 {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            !host.is_empty() && host.bytes().all(fits)
        }
    };
    let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
    let clean =
        !user.contains(['@', '/', '#', '?']) && (database.is_empty() || database.parse::<u16>().is_ok());
    (good && clean && port.parse::<u16>().is_ok()).then(|| format!("{scheme}{place}"))
}

/// The largest limit there is: nano-dollars or tokens.
fn largest_limit(budgets: &Budgets) -> u64 {
    let named = [&budgets.projects, &budgets.users, &budgets.keys, &budgets.models];
    let all = named.into_iter().flat_map(|named| named.iter().map(|(_, limits)| limits));
    let of = |limits: &super::Limits| {
        let usd = limits.usd.iter().flatten().map(|usd| usd.nanos());
        usd.chain(limits.tokens.iter().flatten().copied()).max().unwrap_or(0)
    };
    all.chain([&budgets.everyone]).map(of).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_who_connects() {
        for (url, shown) in [
            ("redis://localhost", Some("redis://localhost")),
            ("redis://:must-not-be-shown@cache.internal:6380/2", Some("redis://cache.internal:6380/2")),
            ("rediss://user:must-not-be-shown@10.0.0.1", Some("rediss://10.0.0.1")),
            ("redis://[::1]:7000", Some("redis://[::1]:7000")),
            ("redis://[::1]", Some("redis://[::1]")),
            ("redis:localhost", None),
            ("redis://", None),
            ("redis://:secret@", None),
            ("redis://host:port", None),
            ("redis://host/name", None),
            ("redis://host?password=x", None),
            ("redis://:a/b@host", None),
            ("redis://:a@b@host", None),
        ] {
            assert_eq!(server(url).as_deref(), shown, "{url}");
        }
    }
}
