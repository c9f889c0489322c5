//! Which generation of each plugin this is, since when it serves, and what it did. Numbers are never used twice while
//! the name is remembered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use jackfield_core::telemetry::metrics::Metrics;
use jackfield_gateway::policy::RouterStats;

/// Names that are remembered after they left, so that one that comes back goes on counting.
const MAX_REMEMBERED: usize = 1_024;

/// Every plugin's generations, as far as they matter: the one that serves and the one before.
#[derive(Default)]
pub(super) struct Generations {
    by_name: BTreeMap<String, Line>,
}

/// One generation.
#[derive(Clone)]
pub(super) struct Generation {
    pub number: u64,
    pub since: SystemTime,
    pub stats: Arc<RouterStats>,
    digest: String,
}

#[derive(Default)]
struct Line {
    loaded: u64,
    current: Option<Generation>,
    before: Option<Generation>,
}

impl Generations {
    /// These bytes were loaded. New settings of the same bytes are no new generation.
    pub(super) fn loaded(&mut self, name: &str, digest: &str, metrics: &Metrics) {
        let line = self.by_name.entry(name.to_owned()).or_default();
        if line.current.as_ref().is_some_and(|current| current.digest == digest) {
            return;
        }
        line.loaded += 1;
        let series = metrics.plugins.of(name);
        series.serves(line.loaded);
        let (number, since) = (line.loaded, SystemTime::now());
        let stats = Arc::new(RouterStats::new(series));
        line.before = line.current.replace(Generation { number, since, stats, digest: digest.to_owned() });
    }

    /// The generation before serves again.
    pub(super) fn rolled_back(&mut self, name: &str, digest: &str, metrics: &Metrics) {
        let Some(line) = self.by_name.get_mut(name) else { return };
        match line.before.take().filter(|before| before.digest == digest) {
            Some(before) => {
                before.stats.series().serves(before.number);
                line.current = Some(Generation { since: SystemTime::now(), ..before });
            }
            // Older than what is remembered: then it counts as a new one.
            None => self.loaded(name, digest, metrics),
        }
    }

    /// The plugin left.
    pub(super) fn removed(&mut self, name: &str, metrics: &Metrics) {
        metrics.plugins.forget(name);
        if let Some(line) = self.by_name.get_mut(name) {
            (line.current, line.before) = (None, None);
        }
        if self.by_name.len() > MAX_REMEMBERED {
            self.by_name.retain(|_, line| line.current.is_some());
        }
    }

    /// The generation that serves.
    pub(super) fn current(&self, name: &str) -> Option<&Generation> {
        self.by_name.get(name)?.current.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_what_was_loaded_and_a_rollback_brings_the_old_one_back() {
        let (metrics, mut all) = (Metrics::default(), Generations::default());
        let now = |all: &Generations| all.current("p").map(|generation| generation.number);
        all.loaded("p", "a", &metrics);
        all.loaded("p", "a", &metrics);
        assert_eq!(now(&all), Some(1), "the same bytes");
        all.loaded("p", "b", &metrics);
        assert_eq!(now(&all), Some(2));
        all.rolled_back("p", "a", &metrics);
        assert_eq!(now(&all), Some(1));
        all.loaded("p", "c", &metrics);
        assert_eq!(now(&all), Some(3));
        all.removed("p", &metrics);
        assert_eq!(now(&all), None);
        all.loaded("p", "a", &metrics);
        assert_eq!(now(&all), Some(4));
        for n in 0..2 * MAX_REMEMBERED {
            let name = format!("passing-{n}");
            all.loaded(&name, "x", &metrics);
            all.removed(&name, &metrics);
        }
        assert!(all.by_name.len() <= MAX_REMEMBERED + 1 && now(&all) == Some(4));
    }
}
