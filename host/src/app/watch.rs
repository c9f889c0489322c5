//! The one task that makes worlds while the gateway serves: it watches the plugin folder and the configuration
//! file, hears of failing plugins, ends trials, and obeys the admin port. The only place that names notify, which polls where Linux's
//! inotify cannot be had (`watch/inotify.rs`), and watches elsewhere.
//!
//! Events are hints: whatever they say, the folder is looked at as a whole. A burst is waited out, but
//! not for ever; one reload runs at a time. Where the system cannot watch, the folder is polled.

#[cfg(target_os = "linux")]
mod inotify;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::{Config as NotifyConfig, PollWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

use jackfield_core::base::Signal;
use jackfield_core::config::Source;
use jackfield_gateway::world::World;

use super::keeper::{Keeper, Reloaded};
use crate::admin::Command;

/// A burst of events is over when nothing came for so long.
const QUIET: Duration = Duration::from_millis(30);
/// A burst is not waited out longer than this: a file rewritten in a loop must not starve the rest.
const PATIENCE: Duration = Duration::from_millis(500);
/// When to look again at a file that was still being written.
const UNSETTLED: Duration = Duration::from_millis(100);
/// How often to look where the system cannot watch and the configuration names no `plugins.poll`.
const FALLBACK_POLL: Duration = Duration::from_secs(2);

/// Commands that may wait while a reload is under way; further ones are refused.
pub(super) const COMMANDS: usize = 8;

/// Reloads nothing by itself, until the host drains: `plugins.watch` is false.
pub(super) async fn hold(
    mut keeper: Keeper,
    published: Arc<ArcSwap<World>>,
    mut commands: mpsc::Receiver<Command>,
    mut signal: Signal,
) {
    let mut failing = keeper.failing();
    loop {
        let promotion = keeper.next_promotion();
        tokio::select! {
            biased;
            () = signal.asked() => return,
            Some(plugin) = failing.recv() => keeper.roll_back(&plugin, &published).await,
            () = sleep_until(promotion.unwrap_or_else(Instant::now)), if promotion.is_some() => {
                keeper.promote_due(&published).await;
            }
            Some(command) = commands.recv() => keeper.obey(command, &published).await,
        }
    }
}

/// Reloads whenever something changed, until the host drains.
pub(super) async fn watch(
    mut keeper: Keeper,
    published: Arc<ArcSwap<World>>,
    mut commands: mpsc::Receiver<Command>,
    mut signal: Signal,
) {
    let (hint, mut hints) = mpsc::channel::<()>(1);
    let mut failing = keeper.failing();
    let mut watched = Watched::of(&keeper);
    let mut watcher = start(&watched, &hint);
    // What changed between the first load and the watch was not heard of.
    let mut look_again = Some(Instant::now() + UNSETTLED);
    loop {
        let poll = keeper.config().plugins().poll().or(watcher.is_none().then_some(FALLBACK_POLL));
        let promotion = keeper.next_promotion();
        let next = [poll.map(|every| Instant::now() + every), look_again].into_iter().flatten().min();
        tokio::select! {
            // Whoever fails at the end of its probation is heard before it is promoted.
            biased;
            () = signal.asked() => return,
            Some(plugin) = failing.recv() => {
                keeper.roll_back(&plugin, &published).await;
                continue;
            }
            () = sleep_until(promotion.unwrap_or_else(Instant::now)), if promotion.is_some() => {
                keeper.promote_due(&published).await;
                continue;
            }
            Some(command) = commands.recv() => {
                keeper.obey(command, &published).await;
                continue;
            }
            _ = hints.recv() => settle(&mut hints).await,
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
        }
        let Reloaded { unsettled } = keeper.reload(&published).await;
        look_again = unsettled.then(|| Instant::now() + UNSETTLED);
        let now = Watched::of(&keeper);
        // A folder that was made anew may be the same by every number: the system reuses them.
        if now != watched || watcher.as_ref().is_none_or(Watching::is_lost) {
            watched = now;
            watcher = start(&watched, &hint);
            // What changed between the look and the watch was not heard of.
            look_again = watcher.is_some().then(|| Instant::now() + UNSETTLED).or(look_again);
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

/// What to watch, and what in it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Watched {
    /// The plugin folder, as the configuration names it.
    plugins: PathBuf,
    /// The configuration file.
    config: Option<PathBuf>,
    /// The files that prompts of the configuration are read from.
    prompts: Vec<PathBuf>,
    /// The folders to watch, and which folder each is at present: one that was replaced by another of its name
    /// has to be watched anew.
    folders: Vec<(PathBuf, (u64, u64))>,
}

impl Watched {
    /// The plugin folder and those of prompts (while one is not there, the one it would appear in), the ones they are in,
    /// because they may be replaced as a whole, and that of the configuration file, because editors replace files.
    fn of(keeper: &Keeper) -> Self {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let plugins = absolute(keeper.config().plugins().dir());
        let config = match keeper.config().source() {
            Source::File(path) => Some(absolute(path)),
            _ => None,
        };
        let prompts: Vec<PathBuf> = keeper.prompt_files().map(absolute).collect();
        let mut folders: BTreeSet<&Path> = config.as_deref().and_then(Path::parent).into_iter().collect();
        folders.retain(|dir| dir.is_dir());
        let of_prompts: BTreeSet<&Path> = prompts.iter().filter_map(|path| path.parent()).collect();
        for dir in of_prompts.into_iter().chain([plugins.as_path()]) {
            folders.extend(dir.ancestors().find(|dir| dir.is_dir()));
            // One that may not be listed cannot be watched, and must not keep the others from it.
            folders.extend(dir.parent().filter(|outer| outer.read_dir().is_ok()));
        }
        let folders = folders.into_iter().map(|dir| (dir.to_owned(), identity(dir))).collect();
        Self { plugins, config, prompts, folders }
    }

    /// Whether a change of this path can matter. Others in the same folders (a log file, say) do not wake us.
    fn matters(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        self.config.as_deref() == Some(path)
            // The file or the folder itself, or one it is in.
            || self.prompts.iter().any(|prompt| prompt.starts_with(path))
            || self.plugins.starts_with(path)
            || (path.starts_with(&self.plugins) && path.extension().is_some_and(|e| e == "wasm"))
            // Kubernetes rotates `..data`, through which files are linked.
            || name.starts_with("..")
    }
}

/// Which folder this is, whatever it is called; links are followed.
fn identity(dir: &Path) -> (u64, u64) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(dir).map_or((0, 0), |about| (about.dev(), about.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        (0, 0)
    }
}

/// A watcher, which ends when it is dropped.
struct Watching {
    _watcher: Box<dyn Send>,
    /// Whether one of its folders may not be watched any more.
    lost: Arc<AtomicBool>,
}

impl Watching {
    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

/// Begins to watch; `None` when the system has no watcher to give.
fn start(watched: &Watched, hint: &mpsc::Sender<()>) -> Option<Watching> {
    match native(watched, hint) {
        Ok(watcher) => return Some(watcher),
        Err(error) => {
            tracing::warn!(target: "jackfield::world", %error, "the system cannot watch the plugin folder: polling it");
        }
    }
    let every = NotifyConfig::default().with_poll_interval(FALLBACK_POLL);
    PollWatcher::new(tell(watched, hint), every).and_then(|watcher| attach(watcher, watched)).ok()
}

#[cfg(target_os = "linux")]
fn native(watched: &Watched, hint: &mpsc::Sender<()>) -> std::io::Result<Watching> {
    let (hearing, lost) = inotify::hear(watched, hint.clone())?;
    Ok(Watching { _watcher: Box::new(hearing), lost })
}

#[cfg(not(target_os = "linux"))]
fn native(watched: &Watched, hint: &mpsc::Sender<()>) -> notify::Result<Watching> {
    let watcher = notify::RecommendedWatcher::new(tell(watched, hint), NotifyConfig::default())?;
    attach(watcher, watched)
}

/// What notify calls at every event.
fn tell(
    watched: &Watched,
    hint: &mpsc::Sender<()>,
) -> impl Fn(notify::Result<notify::Event>) + Send + 'static {
    let (watched, hint) = (watched.clone(), hint.clone());
    move |event| {
        // Reading a file is no change; an error means that events may be missing. A full channel already
        // holds the hint.
        let matters = event.map_or(true, |event| {
            !event.kind.is_access()
                && (event.paths.is_empty() || event.paths.iter().any(|path| watched.matters(path)))
        });
        if matters {
            let _ = hint.try_send(());
        }
    }
}

fn attach<W: Watcher + Send + 'static>(mut watcher: W, watched: &Watched) -> notify::Result<Watching> {
    for (folder, _) in &watched.folders {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(Watching { _watcher: Box::new(watcher), lost: Arc::default() })
}
