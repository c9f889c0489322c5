//! The breakers of the plugins, and the generation to go back to when one opens after a swap.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use jackfield_gateway::policy::Breaker;
use jackfield_plugin_host::Plugin;

/// For how long after a swap failures are held against it. Later ones have some other cause, and an older rule
/// would not be better.
const PROBATION: Duration = Duration::from_secs(600);
/// Openings that may wait to be heard. One that finds no room is not told: its breaker still leaves the rule alone.
const WAITING: usize = 16;

/// One for each plugin generation that serves.
pub(super) struct Guards {
    by_name: BTreeMap<String, Guard>,
    before: BTreeMap<String, Before>,
    tell: mpsc::Sender<Failing>,
    hear: Option<mpsc::Receiver<Failing>>,
}

/// A generation whose breaker opened.
#[derive(Clone, Debug)]
pub(super) struct Failing {
    pub name: String,
    pub digest: String,
}

struct Guard {
    digest: String,
    breaker: Arc<Breaker>,
}

/// What a generation took the place of.
struct Before {
    plugin: Plugin,
    by: String,
    at: Instant,
}

impl Default for Guards {
    fn default() -> Self {
        let (tell, hear) = mpsc::channel(WAITING);
        Self { by_name: BTreeMap::new(), before: BTreeMap::new(), tell, hear: Some(hear) }
    }
}

impl Guards {
    /// The plugin's breaker, and what to call when it opens. A new generation begins with a closed one.
    pub(super) fn of(&mut self, plugin: &Plugin) -> (Arc<Breaker>, Arc<dyn Fn() + Send + Sync>) {
        let failing = Failing { name: plugin.name().to_owned(), digest: plugin.digest().to_owned() };
        let guard = self.by_name.entry(failing.name.clone()).or_insert_with(|| Guard::of(plugin));
        if guard.digest != plugin.digest() {
            *guard = Guard::of(plugin);
        }
        let tell = self.tell.clone();
        let opened = move || {
            let _ = tell.try_send(failing.clone());
        };
        (Arc::clone(&guard.breaker), Arc::new(opened))
    }

    /// A plugin took another's place. New settings of the same bytes are no new generation to go back from.
    pub(super) fn replaced(&mut self, before: Option<&Plugin>, by: &str) {
        if let Some(plugin) = before.filter(|plugin| plugin.digest() != by) {
            let before = Before { plugin: plugin.clone(), by: by.to_owned(), at: Instant::now() };
            self.before.insert(plugin.name().to_owned(), before);
        }
    }

    /// What to go back to from this generation, if it came by a swap of late. Given out once.
    pub(super) fn last_good(&mut self, name: &str, digest: &str) -> Option<Plugin> {
        let of_late = self.before.get(name)?.at.elapsed() <= PROBATION;
        if of_late { self.earlier(name, digest) } else { None }
    }

    /// What this generation took the place of, however long ago. Given out once.
    pub(super) fn earlier(&mut self, name: &str, digest: &str) -> Option<Plugin> {
        self.before.get(name).filter(|before| before.by == digest)?;
        self.before.remove(name).map(|before| before.plugin)
    }

    /// Where openings are heard. There is one listener; a second hears nothing.
    pub(super) fn listen(&mut self) -> mpsc::Receiver<Failing> {
        self.hear.take().unwrap_or_else(|| mpsc::channel(1).1)
    }
}

impl Guard {
    fn of(plugin: &Plugin) -> Self {
        Self { digest: plugin.digest().to_owned(), breaker: Arc::default() }
    }
}
