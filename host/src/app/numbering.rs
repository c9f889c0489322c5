//! Which generation of its plugin a loading is, for people: numbers from 1 that are never used twice while the name is
//! remembered, since when it serves, and what it did.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use jackfield_gateway::policy::RouterStats;

/// Names that are remembered after they left, so that one that comes back goes on counting.
const MAX_REMEMBERED: usize = 1_024;

/// How many generations each plugin had.
#[derive(Default)]
pub(super) struct Numbering {
    by_name: BTreeMap<String, u64>,
}

/// What one generation is known by. It stays with a generation that comes back, or that only got other settings.
#[derive(Clone)]
pub(super) struct Mark {
    pub number: u64,
    pub since: SystemTime,
    pub stats: Arc<RouterStats>,
}

impl Numbering {
    /// The next generation of this plugin.
    pub(super) fn next(&mut self, name: &str) -> Mark {
        let number = self.by_name.entry(name.to_owned()).or_default();
        *number += 1;
        Mark { number: *number, since: SystemTime::now(), stats: Arc::default() }
    }

    /// Forgets the plugins that are not there, if they are too many.
    pub(super) fn bound(&mut self, is_there: impl Fn(&str) -> bool) {
        if self.by_name.len() > MAX_REMEMBERED {
            self.by_name.retain(|name, _| is_there(name));
        }
    }
}

impl Mark {
    /// The same generation, that serves from now on.
    pub(super) fn again_now(&self) -> Self {
        Self { since: SystemTime::now(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_for_names_that_come_back_and_too_many_names_are_forgotten() {
        let mut all = Numbering::default();
        assert_eq!((all.next("p").number, all.next("p").number, all.next("q").number), (1, 2, 1));
        all.bound(|_| false);
        assert_eq!(all.next("p").number, 3, "few are remembered");
        for n in 0..2 * MAX_REMEMBERED {
            all.next(&format!("passing-{n}"));
            all.bound(|name| name == "p");
        }
        assert!(all.by_name.len() <= MAX_REMEMBERED + 1);
        assert_eq!((all.next("p").number, all.next("q").number), (4, 1));
    }
}
