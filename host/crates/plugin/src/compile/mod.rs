//! From a component's bytes to code that runs: out of the private cache, or by the compiler.
//!
//! Compiling is the one thing here that cannot be interrupted and whose memory cannot be bounded from within, so the
//! gateway has it done by a child process under limits of the system's (`child`, `process`). Where there is no own
//! program to run (the library in somebody's process), it is done in this process, and who builds the house says
//! so. One component is compiled at a time. What comes in was validated; what comes out is the same either way.

/// Compiled plugins on disk.
mod cache;
/// What the child does.
mod child;
/// The one unsafe function.
mod native;
/// The child from outside: fed, watched, ended.
mod process;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use wasmtime::Engine;
use wasmtime::component::Component;

pub use child::{CompileOrder, compile_child};
pub use process::CompileError;

use jackfield_core::config::PluginLimits;

use crate::load::{LoadError, blocking, tame};
use crate::private::{Draft, NotPrivate, PrivateFolder};
use cache::CompiledCache;

/// The longest artefact taken, in bytes: an 18 MB Python component makes 35 MB.
const MAX_ARTEFACT: u64 = 512 << 20;

/// Who compiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// This process, on a thread of its own, without limits.
    InProcess,
    /// A child process.
    Child {
        /// The program, which does [`compile_child`] when its first argument is `compile-plugin`.
        program: PathBuf,
    },
}

/// A compilation under way, for whoever watches.
#[derive(Clone, Debug)]
pub struct Compiling {
    /// The plugin's name.
    pub plugin: String,
    /// The component's size, in bytes.
    pub size: u64,
    /// When it began.
    pub since: Instant,
}

/// Makes components of bytes, for one engine.
pub(crate) struct Workshop {
    compiler: Compiler,
    cache: Option<Arc<CompiledCache>>,
    private: Option<PrivateFolder>,
    turn: Semaphore,
    progress: watch::Sender<Option<Compiling>>,
}

/// Where the compiler's work goes.
enum Into {
    Cache(Draft),
    Nameless(File),
}

/// Takes the announcement back, also from a compilation that is given up.
struct Announced<'a>(&'a watch::Sender<Option<Compiling>>);

impl Workshop {
    /// Compiles this way and keeps nothing.
    pub(crate) fn new(compiler: Compiler) -> Self {
        let (turn, progress) = (Semaphore::new(1), watch::Sender::new(None));
        Self { compiler, cache: None, private: None, turn, progress }
    }

    /// The same, and keeps what was compiled in this folder.
    pub(crate) fn keeping_in(self, private: PrivateFolder, engine: &Engine) -> Result<Self, NotPrivate> {
        let cache = Some(Arc::new(CompiledCache::open(&private, engine)?));
        Ok(Self { cache, private: Some(private), ..self })
    }

    /// The folder that survives restarts.
    pub(crate) fn private(&self) -> Option<&PrivateFolder> {
        self.private.as_ref()
    }

    /// What is being compiled, whenever that changes.
    pub(crate) fn progress(&self) -> watch::Receiver<Option<Compiling>> {
        self.progress.subscribe()
    }

    /// The component with this digest, if it was compiled before.
    pub(crate) async fn cached(
        &self,
        engine: &Engine,
        plugin: &str,
        bytes: &Bytes,
        digest: &str,
    ) -> Result<Option<Component>, LoadError> {
        let Some(cache) = self.cache.clone() else { return Ok(None) };
        let (engine, key, began) = (engine.clone(), digest.to_owned(), Instant::now());
        let found = blocking(move || {
            let artefact = cache.find(&key)?;
            match native::revive(&engine, &artefact) {
                Ok(component) => Some(component),
                Err(error) => {
                    let why = format!("{error:#}");
                    tracing::warn!(target: "jackfield::plugin", why, "a compiled plugin in the cache is of no use and removed");
                    cache.forget(&key);
                    None
                }
            }
        })
        .await?;
        if found.is_some() {
            let (size, took_ms) = (bytes.len(), millis(began));
            tracing::info!(target: "jackfield::plugin", plugin, digest, size, took_ms, cached = true, "taken from the cache of compiled plugins");
        }
        Ok(found)
    }

    /// Compiles a valid component, and keeps the result for the next time.
    pub(crate) async fn compile(
        &self,
        engine: &Engine,
        plugin: &str,
        bytes: Bytes,
        digest: &str,
        limits: &PluginLimits,
    ) -> Result<Component, LoadError> {
        // Never closed while this lives.
        let _turn = self.turn.acquire().await;
        let size = bytes.len();
        tracing::info!(target: "jackfield::plugin", plugin, digest, size, "compiling");
        let began = Instant::now();
        self.progress.send_replace(Some(Compiling {
            plugin: plugin.to_owned(),
            size: size as u64,
            since: began,
        }));
        let announced = Announced(&self.progress);
        let made = self.make(engine, bytes, digest, limits).await;
        drop(announced);
        if self.progress.receiver_count() > 0 {
            // Whoever draws in this task's place wipes its line before the next one is logged.
            tokio::task::yield_now().await;
        }
        let took_ms = millis(began);
        match &made {
            Ok(_) => {
                tracing::info!(target: "jackfield::plugin", plugin, digest, size, took_ms, cached = false, "compiled");
            }
            Err(reason) => {
                tracing::info!(target: "jackfield::plugin", plugin, digest, size, took_ms, cached = false, %reason, "not compiled");
            }
        }
        made
    }

    async fn make(
        &self,
        engine: &Engine,
        bytes: Bytes,
        digest: &str,
        limits: &PluginLimits,
    ) -> Result<Component, LoadError> {
        let engine = engine.clone();
        let into = match (&self.compiler, &self.cache) {
            (Compiler::InProcess, None) => {
                return blocking(move || Component::new(&engine, &bytes).map_err(|e| refused(&e))).await?;
            }
            (_, Some(cache)) => match cache.draft() {
                Ok(draft) => Into::Cache(draft),
                Err(error) => {
                    uncached(&error);
                    Into::Nameless(nameless().map_err(CompileError::System)?)
                }
            },
            (_, None) => Into::Nameless(nameless().map_err(CompileError::System)?),
        };
        let out = into.file().try_clone().map_err(CompileError::System)?;
        match &self.compiler {
            Compiler::InProcess => {
                let engine = engine.clone();
                blocking(move || {
                    let artefact = engine.precompile_component(&bytes).map_err(|e| refused(&e))?;
                    Ok::<_, LoadError>((&out).write_all(&artefact).map_err(CompileError::System)?)
                })
                .await??;
            }
            Compiler::Child { program } => {
                let (cpu, memory) = (limits.compile_cpu, limits.compile_memory as u64);
                let order = CompileOrder { cpu, memory, artefact: MAX_ARTEFACT };
                process::compile(program, order, bytes, out).await?;
            }
        }
        let (cache, digest) = (self.cache.clone(), digest.to_owned());
        blocking(move || {
            // Revived from the handle that the compiler wrote to: nothing is looked up by name in between.
            let component = native::revive(&engine, into.file()).map_err(|e| refused(&e))?;
            if let (Into::Cache(draft), Some(cache)) = (into, cache)
                && let Err(error) = cache.keep(&digest, draft)
            {
                uncached(&error);
            }
            Ok(component)
        })
        .await?
    }
}

impl Into {
    fn file(&self) -> &File {
        match self {
            Self::Cache(draft) => draft.file(),
            Self::Nameless(file) => file,
        }
    }
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}

/// A file that no path leads to: in memory where the system has such, so that no folder need be writable.
fn nameless() -> std::io::Result<File> {
    #[cfg(target_os = "linux")]
    if let Ok(file) = rustix::fs::memfd_create("compiled-plugin", rustix::fs::MemfdFlags::CLOEXEC) {
        return Ok(file.into());
    }
    tempfile::tempfile()
}

fn refused(error: &wasmtime::Error) -> LoadError {
    LoadError::Invalid(tame(&format!("{error:#}")))
}

fn uncached(error: &std::io::Error) {
    tracing::warn!(target: "jackfield::plugin", why = %error, "a compiled plugin cannot be kept in the cache");
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
