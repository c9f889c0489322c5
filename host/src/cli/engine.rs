//! The plugin engine of a command: it compiles with this very program as a child, and a terminal sees that it does.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep_until};

use jackfield_core::config::Config;
use jackfield_plugin_host::{Compiling, PluginEngine};

use super::plugin::bytes;
use super::{Failed, out};
use crate::app::{self, StartedEngine};

/// What takes no longer is not worth a line.
const MOMENT: Duration = Duration::from_millis(300);
const FRAME: Duration = Duration::from_millis(100);

/// Starts the engine that the configuration asks for.
pub(super) fn start(config: &Config) -> Result<PluginEngine, Failed> {
    let StartedEngine { engine, warning } = app::start_engine_with(config, own_program())?;
    if let Some(warning) = warning {
        out::note(&format!("warning: {warning}"));
    }
    Ok(engine)
}

/// This program. Where the system has such a link, by the link: it leads to the running program even when another
/// version was put in its place. A name that leads nowhere is told when something is to be compiled.
fn own_program() -> PathBuf {
    let link = Path::new("/proc/self/exe");
    if link.exists() {
        return link.to_owned();
    }
    std::env::current_exe().unwrap_or_else(|_| "jackfield".into())
}

/// Does work that may have plugins compiled. Each compilation that takes more than a moment is shown on a terminal,
/// and nowhere else.
pub(super) async fn watched<T>(engine: &PluginEngine, work: impl Future<Output = T>) -> T {
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    let mut compiling = engine.compiling();
    let mut work = Box::pin(work);
    let mut line: Option<ProgressBar> = None;
    let mut frame = Instant::now();
    loop {
        let now = compiling.borrow_and_update().clone();
        if now.is_none() {
            clear(&mut line);
        }
        let next = now.as_ref().map(|now| frame.max(Instant::from_std(now.since) + MOMENT));
        tokio::select! {
            // The line goes before the work says anything more.
            biased;
            Ok(()) = compiling.changed() => {}
            done = &mut work => {
                clear(&mut line);
                return done;
            }
            () = sleep_until(next.unwrap_or(frame)), if next.is_some() => {
                if let Some(now) = now {
                    let line = line.get_or_insert_with(spinner);
                    line.set_message(told(&now));
                    line.tick();
                }
                frame = Instant::now() + FRAME;
            }
        }
    }
}

fn told(now: &Compiling) -> String {
    let (plugin, size, seconds) = (&now.plugin, bytes(now.size), now.since.elapsed().as_secs_f64());
    format!("compiling {plugin}.wasm ({size}) … {seconds:.1} s")
}

fn spinner() -> ProgressBar {
    let line = ProgressBar::new_spinner();
    match ProgressStyle::with_template("{spinner} {msg}") {
        Ok(style) => line.with_style(style),
        Err(_) => line,
    }
}

fn clear(line: &mut Option<ProgressBar>) {
    if let Some(line) = line.take() {
        line.finish_and_clear();
    }
}
