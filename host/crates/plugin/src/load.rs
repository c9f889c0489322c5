//! A plugin file from bytes to something callable. The one way in: start-up and reload both take it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use jackfield_core::contract::{PluginFault, PluginFaultKind, Router};

use crate::bindings::exports::jackfield::plugin::{lifecycle, routing};
use crate::call::{self, Callable};
use crate::classify::{Kind, Unfit, classify};
use crate::convert;
use crate::engine::PluginEngine;
use crate::imports::KvStore;
use crate::limits::CallLimits;
use crate::router::ComponentRouter;
use crate::state::{Shared, origin};
use crate::warm::IdleInstances;

/// The largest component file taken, in bytes.
const MAX_FILE: u64 = 32 << 20;

/// What configuration says about one plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginSettings {
    /// The plugin's own section, as JSON text.
    pub config: String,
    /// Whether instances are used again, or each call gets its own.
    pub warm: bool,
    /// The bounds of each call.
    pub limits: CallLimits,
}

/// Why a file did not become a plugin. The text is for the person who put it there.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// A directory, a pipe, a device.
    #[error("is not a regular file")]
    NotAFile,
    /// More than 32 MiB.
    #[error("is {size} bytes long; at most {MAX_FILE} are taken")]
    TooLarge {
        /// Its size, in bytes.
        size: u64,
    },
    /// Nothing in it.
    #[error("is empty")]
    Empty,
    /// Some other format.
    #[error("is not WebAssembly (it begins with {0})")]
    NotWasm(String),
    /// A bare module.
    #[error(
        "is a core module, not a component: make one with `jackfield plugin build` or `wasm-tools component new`"
    )]
    CoreModule,
    /// Damaged, truncated, or using features this host does not run.
    #[error("is not a valid component: {0}")]
    Invalid(String),
    /// Valid, and of no use here.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Its imports have other types than this host's.
    #[error("does not fit this host's contract {version}: {0}", version = crate::inspect::version())]
    Mismatch(String),
    /// It did not live through the check of its settings.
    #[error("failed while checking its settings: {0}")]
    CheckFailed(#[source] PluginFault),
    /// It does not like its settings.
    #[error("refused its settings: {0}")]
    BadConfig(String),
}

impl LoadError {
    /// Whether the same file may load a moment later: the host had no room to try it.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::CheckFailed(fault) if matches!(fault.kind, PluginFaultKind::Overloaded | PluginFaultKind::WallLimit))
    }
}

/// What a file held.
pub(crate) struct FileBytes {
    bytes: Vec<u8>,
    digest: String,
}

impl FileBytes {
    /// SHA-256 of the bytes, in hexadecimal.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }
}

/// A loaded plugin.
#[derive(Clone)]
pub struct Plugin {
    name: String,
    kind: Kind,
    digest: String,
    size: u64,
    about: Option<(String, String)>,
    router: Option<Arc<ComponentRouter>>,
    kv: Arc<KvStore>,
}

impl Plugin {
    /// Reads, checks, compiles and tries one file. Compiling happens on a thread of its own.
    pub async fn load(
        engine: &PluginEngine,
        name: &str,
        path: &Path,
        settings: PluginSettings,
    ) -> Result<Self, LoadError> {
        Self::load_bytes(engine, name, Self::read(path).await?, settings, None).await
    }

    /// A file's bytes, bounded, and their digest.
    pub(crate) async fn read(path: &Path) -> Result<FileBytes, LoadError> {
        let path = path.to_owned();
        blocking(move || {
            let bytes = read(&path)?;
            let digest = hex(&Sha256::digest(&bytes));
            Ok(FileBytes { bytes, digest })
        })
        .await?
    }

    /// Makes a plugin of a file's bytes. A new generation goes on with the values its last one kept.
    pub(crate) async fn load_bytes(
        engine: &PluginEngine,
        name: &str,
        file: FileBytes,
        settings: PluginSettings,
        kv: Option<Arc<KvStore>>,
    ) -> Result<Self, LoadError> {
        origin();
        let kv = kv.unwrap_or_default();
        let FileBytes { bytes, digest } = file;
        let size = bytes.len() as u64;
        let inner = Arc::clone(engine.inner());
        let (component, kind) = blocking(move || {
            validate(&bytes)?;
            let kind = classify(&bytes)?;
            let component = Component::new(&inner.engine, &bytes)
                .map_err(|e| LoadError::Invalid(tame(&format!("{e:#}"))))?;
            Ok::<_, LoadError>((component, kind))
        })
        .await??;
        let inner = Arc::clone(engine.inner());
        let mismatch = |e: wasmtime::Error| LoadError::Mismatch(tame(&format!("{e:#}")));
        let pre = inner.linker.instantiate_pre(&component).map_err(mismatch)?;
        let shared = Shared {
            name: name.to_owned(),
            config: settings.config,
            kv: Arc::clone(&kv),
            peak_memory: Arc::default(),
            engine: inner,
        };
        let callable = Callable { shared: Arc::new(shared), pre, limits: settings.limits };
        let idle = settings.warm.then(IdleInstances::default);
        let mut about = None;
        if kind.lifecycle {
            let export = lifecycle::GuestIndices::new(&callable.pre).map_err(mismatch)?;
            match call::check_config(&callable, &export).await.map_err(LoadError::CheckFailed)? {
                Ok(info) => about = Some((convert::tame(&info.name, 64), convert::tame(&info.version, 64))),
                Err(error) => return Err(LoadError::BadConfig(convert::reported(&error).message)),
            }
        }
        let router = match kind.router {
            true => {
                let export = routing::GuestIndices::new(&callable.pre).map_err(mismatch)?;
                Some(Arc::new(ComponentRouter::new(callable, export, idle)))
            }
            false => None,
        };
        Ok(Self { name: name.to_owned(), kind, digest, size, about, router, kv })
    }

    pub(crate) fn kv(&self) -> Arc<KvStore> {
        Arc::clone(&self.kv)
    }

    /// The plugin's name: its file's, without the ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it can be used for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The file's size, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The name and version it gives itself.
    pub fn about(&self) -> Option<(&str, &str)> {
        self.about.as_ref().map(|(name, version)| (name.as_str(), version.as_str()))
    }

    /// The plugin as a routing rule, if it is one.
    pub fn router(&self) -> Option<Arc<dyn Router>> {
        self.router.clone().map(|router| router as Arc<dyn Router>)
    }

    /// The plugin as a routing rule that also tells what each call cost.
    pub fn component_router(&self) -> Option<&ComponentRouter> {
        self.router.as_deref()
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LoadError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| LoadError::Invalid(format!("its compilation panicked: {e}")))
}

/// The file's bytes. The bound holds even for a file that grows while it is read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    // Looked at before it is opened: opening a pipe would wait for its writer.
    let before = std::fs::metadata(path)?;
    if !before.is_file() {
        return Err(LoadError::NotAFile);
    }
    if before.len() > MAX_FILE {
        return Err(LoadError::TooLarge { size: before.len() });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(before.len()).unwrap_or(0));
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        0 => Err(LoadError::Empty),
        size if size > MAX_FILE => Err(LoadError::TooLarge { size }),
        _ => Ok(bytes),
    }
}

/// Checks every byte before the compiler sees any.
pub(crate) fn validate(bytes: &[u8]) -> Result<(), LoadError> {
    if !bytes.starts_with(b"\0asm") {
        let head = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
        return Err(LoadError::NotWasm(head));
    }
    if wasmparser::Parser::is_core_wasm(bytes) {
        return Err(LoadError::CoreModule);
    }
    let mut features = wasmparser::WasmFeatures::default();
    for refused in [
        wasmparser::WasmFeatures::THREADS,
        wasmparser::WasmFeatures::SHARED_EVERYTHING_THREADS,
        wasmparser::WasmFeatures::MEMORY64,
        wasmparser::WasmFeatures::GC,
        wasmparser::WasmFeatures::CM_ASYNC,
    ] {
        features.remove(refused);
    }
    wasmparser::Validator::new_with_features(features)
        .validate_all(bytes)
        .map(|_| ())
        .map_err(|e| LoadError::Invalid(tame(&e.to_string())))
}

/// A text that may quote the file: made harmless for a log and a terminal.
fn tame(text: &str) -> String {
    convert::tame(text, 2_048)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
