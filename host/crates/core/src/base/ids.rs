//! Identifiers the host makes up. Sortable by time, so logs and ledgers read in order.

use std::fmt;

/// Names one client request: `req_` and a ULID (26 characters, time-ordered, 80 random bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(ulid::Ulid);

impl RequestId {
    /// A new id, unique across hosts.
    pub fn generate() -> Self {
        Self(ulid::Ulid::generate())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{}", self.0)
    }
}

/// Names one run of a workflow: `run_` and a ULID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(ulid::Ulid);

impl RunId {
    /// A new id, unique across hosts.
    pub fn generate() -> Self {
        Self(ulid::Ulid::generate())
    }

    /// Whether this is how such an id is written. A name may begin like one.
    pub fn names_one(text: &str) -> bool {
        text.strip_prefix("run_")
            .is_some_and(|ulid| ulid.len() == 26 && ulid::Ulid::from_string(ulid).is_ok())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run_{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_begins_like_a_runs_id_is_none() {
        for (text, is) in [
            (RunId::generate().to_string(), true),
            ("run_tests".to_owned(), false),
            ("run_".to_owned(), false),
            (RequestId::generate().to_string(), false),
        ] {
            assert_eq!(RunId::names_one(&text), is, "{text}");
        }
    }
}
