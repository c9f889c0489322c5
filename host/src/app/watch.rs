//! Watching the plugin folder and the configuration file. The only place that names notify.
//!
//! Events are hints: whatever they say, the folder is looked at as a whole. A burst is waited out, but
//! not for ever; one reload runs at a time. Where the system cannot watch, the folder is polled.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::{Config as NotifyConfig, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

use jackfield_core::base::Signal;
use jackfield_core::config::Source;
use jackfield_gateway::world::World;

use super::keeper::{Keeper, Reloaded};

/// A burst of events is over when nothing came for so long.
const QUIET: Duration = Duration::from_millis(30);
/// A burst is not waited out longer than this: a file rewritten in a loop must not starve the rest.
const PATIENCE: Duration = Duration::from_millis(500);
/// When to look again at a file that was still being written.
const UNSETTLED: Duration = Duration::from_millis(100);
/// How often to look where the system cannot watch and the configuration names no `plugins.poll`.
const FALLBACK_POLL: Duration = Duration::from_secs(2);

/// Reloads whenever something changed, until the host drains.
pub(super) async fn watch(mut keeper: Keeper, published: Arc<ArcSwap<World>>, mut signal: Signal) {
    let (hint, mut hints) = mpsc::channel::<()>(1);
    let mut failing = keeper.failing();
    let mut watched = places(&keeper);
    let mut watcher = start(&watched, &hint);
    let mut look_again: Option<Instant> = None;
    loop {
        let poll = keeper.config().plugins().poll().or(watcher.is_none().then_some(FALLBACK_POLL));
        let next = [poll.map(|every| Instant::now() + every), look_again].into_iter().flatten().min();
        tokio::select! {
            () = signal.asked() => return,
            Some(plugin) = failing.recv() => {
                keeper.roll_back(&plugin, &published);
                continue;
            }
            _ = hints.recv() => settle(&mut hints).await,
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
        }
        let Reloaded { unsettled } = keeper.reload(&published).await;
        look_again = unsettled.then(|| Instant::now() + UNSETTLED);
        let now = places(&keeper);
        if now != watched || watcher.is_none() {
            watched = now;
            watcher = start(&watched, &hint);
        }
    }
}

/// Waits until a burst of hints is over, within reason.
async fn settle(hints: &mut mpsc::Receiver<()>) {
    let end = Instant::now() + PATIENCE;
    while timeout_at(end.min(Instant::now() + QUIET), hints.recv()).await.is_ok_and(|hint| hint.is_some()) {
        if Instant::now() >= end {
            return;
        }
    }
}

/// The folders to watch: the plugins' (or, while it is not there, the one it would appear in), and the
/// one the configuration file is in, because editors replace files rather than write into them.
fn places(keeper: &Keeper) -> Vec<PathBuf> {
    let plugins = std::path::absolute(keeper.config().plugins().dir()).ok();
    let mut places: Vec<PathBuf> = plugins.iter().filter_map(|dir| existing(dir)).collect();
    if let Source::File(path) = keeper.config().source() {
        let parent = std::path::absolute(path).ok().and_then(|p| p.parent().map(Path::to_owned));
        places.extend(parent.filter(|dir| dir.is_dir()));
    }
    places.sort();
    places.dedup();
    places
}

fn existing(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|dir| dir.is_dir()).map(Path::to_owned)
}

/// A watcher on these folders; `None` when the system has none to give.
fn start(places: &[PathBuf], hint: &mpsc::Sender<()>) -> Option<Box<dyn Watcher + Send>> {
    let tell = |hint: mpsc::Sender<()>| {
        move |event: notify::Result<notify::Event>| {
            // Reading a file is no change. A full channel already holds the hint.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = hint.try_send(());
            }
        }
    };
    let native = RecommendedWatcher::new(tell(hint.clone()), NotifyConfig::default());
    match native.and_then(|watcher| attach(watcher, places)) {
        Ok(watcher) => return Some(watcher),
        Err(error) => {
            tracing::warn!(target: "jackfield::world", %error, "the system cannot watch the plugin folder: polling it");
        }
    }
    let every = NotifyConfig::default().with_poll_interval(FALLBACK_POLL);
    PollWatcher::new(tell(hint.clone()), every).and_then(|watcher| attach(watcher, places)).ok()
}

fn attach<W: Watcher + Send + 'static>(
    mut watcher: W,
    places: &[PathBuf],
) -> notify::Result<Box<dyn Watcher + Send>> {
    for place in places {
        watcher.watch(place, RecursiveMode::NonRecursive)?;
    }
    Ok(Box::new(watcher))
}
