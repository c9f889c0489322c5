//! A plugin file from bytes to something callable. The one way in: start-up and reload both take it.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use jackfield_core::config::{Grant, PluginLimits};
use jackfield_core::contract::{PluginFault, PluginFaultKind, Router, StreamValidator, Validator};

use crate::bindings::exports::jackfield::plugin::{lifecycle, routing, stream_validation, validation};
use crate::call;
use crate::classify::{Kind, Unfit, classify};
use crate::compile::CompileError;
use crate::convert;
use crate::engine::PluginEngine;
use crate::imports::KvStore;
use crate::instances::Instances;
use crate::router::ComponentRouter;
use crate::session::{Callable, Exports};
use crate::state::{Shared, origin};
use crate::stream_validator::ComponentStreamValidator;
use crate::validator::ComponentValidator;

/// The largest component file that is looked at, in bytes, whatever configuration says.
const MAX_FILE: usize = 256 << 20;

/// A page of WebAssembly's memory, in bytes.
const PAGE: u64 = 65_536;

/// What configuration says about one plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginSettings {
    /// The plugin's own section, as JSON text.
    pub config: String,
    /// Whether instances are used again, or each call gets its own.
    pub warm: bool,
    /// What it may do beyond looking and deciding.
    pub grants: BTreeSet<Grant>,
    /// What it may cost.
    pub limits: PluginLimits,
    /// The only file that may serve: its SHA-256, in lower-case hexadecimal.
    pub sha256: Option<String>,
}

impl PluginSettings {
    /// Whether a file with this digest may serve.
    pub(crate) fn admits(&self, digest: &str) -> bool {
        self.sha256.as_deref().is_none_or(|pinned| pinned == digest)
    }

    /// Whether a plugin that is loaded already may serve with these settings.
    pub(crate) fn admit(&self, plugin: &Plugin) -> bool {
        self.admits(plugin.digest()) && plugin.wants().is_subset(&self.grants)
    }

    /// What tells these settings from others that may make the same file behave otherwise.
    pub(crate) fn fingerprint(&self) -> String {
        // Every field counts, those to come too; only the pin says nothing about how a file behaves.
        let behaviour = Self { sha256: None, ..self.clone() };
        hex(&Sha256::digest(format!("{behaviour:?}")))
    }
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
    /// A link that leads elsewhere.
    #[error("is a link to {0}, outside the plugin folder: copy the file into the folder")]
    Outside(String),
    /// More than its limit.
    #[error("is {size} bytes long; its limit is {limit} (`limits.file`)")]
    TooLarge {
        /// Its size, in bytes.
        size: u64,
        /// What is taken, in bytes.
        limit: usize,
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
    /// Another file than the one that was agreed on.
    #[error("has the SHA-256 {found}; `plugins.settings.{plugin}.sha256` wants {pinned}")]
    Pinned {
        /// The plugin's name.
        plugin: String,
        /// The file's digest.
        found: String,
        /// The digest it should have.
        pinned: String,
    },
    /// It wants what nobody granted it.
    #[error(
        "wants the grant `{wanted}`, which nothing gives it: write `plugins.settings.{plugin}.grants: [{wanted}]` to \
         let it ask models at your cost, or leave the import out"
    )]
    NotGranted {
        /// The plugin's name.
        plugin: String,
        /// What it wants and was not granted.
        wanted: String,
    },
    /// The compiler hit its limits, or failed.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Its imports have other types than this host's.
    #[error("does not fit this host's contract {version}: {0}", version = crate::inspect::version())]
    Mismatch(String),
    /// It needs more than it may have before it has done anything.
    #[error("{0}")]
    Exceeds(String),
    /// It did not live through its own start.
    #[error("failed while it started: {0}")]
    StartFailed(#[source] PluginFault),
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
        match self {
            Self::CheckFailed(fault) | Self::StartFailed(fault) => {
                matches!(fault.kind, PluginFaultKind::Overloaded | PluginFaultKind::WallLimit)
            }
            Self::Compile(error) => error.is_passing(),
            _ => false,
        }
    }
}

/// What a file held. Cheap to clone.
#[derive(Clone)]
pub(crate) struct FileBytes {
    bytes: Bytes,
    digest: String,
}

impl FileBytes {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let digest = hex(&Sha256::digest(&bytes));
        Self { bytes: bytes.into(), digest }
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

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
    wants: BTreeSet<Grant>,
    digest: String,
    size: u64,
    about: Option<(String, String)>,
    /// What it was loaded with. Each loading has its own.
    settings: Arc<PluginSettings>,
    router: Option<Arc<ComponentRouter>>,
    validator: Option<Arc<ComponentValidator>>,
    stream_validator: Option<Arc<ComponentStreamValidator>>,
    kv: Arc<KvStore>,
    peak_memory: Arc<AtomicUsize>,
}

impl Plugin {
    /// Reads, checks, compiles and tries one file. How it is compiled is the engine's affair.
    pub async fn load(
        engine: &PluginEngine,
        name: &str,
        path: &Path,
        settings: PluginSettings,
    ) -> Result<Self, LoadError> {
        let file = Self::read(path, settings.limits.file).await?;
        Self::load_bytes(engine, name, file, settings, None).await
    }

    /// Loads a file in the place of a plugin: under its name, and with the values that it kept.
    ///
    /// # Errors
    /// As for [`Plugin::load`].
    pub async fn load_after(
        engine: &PluginEngine,
        path: &Path,
        settings: PluginSettings,
        before: &Self,
    ) -> Result<Self, LoadError> {
        let file = Self::read(path, settings.limits.file).await?;
        Self::load_bytes(engine, &before.name, file, settings, Some(before.kv())).await
    }

    /// A file's bytes, at most so many, and their digest.
    pub(crate) async fn read(path: &Path, most: usize) -> Result<FileBytes, LoadError> {
        let path = path.to_owned();
        blocking(move || Ok(FileBytes::new(read(&path, most)?))).await?
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
        let loaded_with = Arc::new(settings.clone());
        let kv = kv.unwrap_or_default();
        let FileBytes { bytes, digest } = file;
        let size = bytes.len() as u64;
        if let Some(pinned) = settings.sha256.clone().filter(|_| !settings.admits(&digest)) {
            return Err(LoadError::Pinned { plugin: name.to_owned(), found: digest, pinned });
        }
        let (native, workshop) = (&engine.inner().engine, engine.workshop());
        let cached = workshop.cached(native, name, &bytes, &digest).await?;
        let (known, theirs) = (cached.is_some(), bytes.clone());
        let (kind, wants) = blocking(move || {
            // What was compiled before was valid before: the very same bytes, in a place that is ours alone.
            if !known {
                validate(&theirs)?;
            }
            Ok::<_, LoadError>(classify(&theirs)?)
        })
        .await??;
        if !wants.is_subset(&settings.grants) {
            let wanted = Grant::names(&(&wants - &settings.grants));
            return Err(LoadError::NotGranted { plugin: name.to_owned(), wanted });
        }
        let component = match cached {
            Some(component) => component,
            None => workshop.compile(native, name, bytes, &digest, &settings.limits).await?,
        };
        let inner = Arc::clone(engine.inner());
        let mismatch = |e: wasmtime::Error| LoadError::Mismatch(tame(&format!("{e:#}")));
        let pre = inner.linker.instantiate_pre(&component).map_err(mismatch)?;
        fits(&component, &settings.limits)?;
        let exports = Exports {
            lifecycle: kind
                .lifecycle
                .then(|| lifecycle::GuestIndices::new(&pre))
                .transpose()
                .map_err(mismatch)?,
            routing: kind.router.then(|| routing::GuestIndices::new(&pre)).transpose().map_err(mismatch)?,
            validation: kind
                .validator
                .then(|| validation::GuestIndices::new(&pre))
                .transpose()
                .map_err(mismatch)?,
            stream_validation: kind
                .stream_validator
                .then(|| stream_validation::GuestIndices::new(&pre))
                .transpose()
                .map_err(mismatch)?,
        };
        let shared = Shared {
            name: name.to_owned(),
            config: settings.config,
            limits: settings.limits,
            kv: Arc::clone(&kv),
            peak_memory: Arc::default(),
            log: Arc::default(),
            shadow: false,
            engine: inner,
        };
        let callable = Arc::new(Callable { shared: Arc::new(shared), pre, exports });
        let mut about = None;
        match &callable.exports.lifecycle {
            None => call::instantiate(&callable).await.map_err(LoadError::StartFailed)?,
            Some(export) => {
                match call::check_config(&callable, export).await.map_err(LoadError::CheckFailed)? {
                    Ok(info) => {
                        about = Some((convert::tame(&info.name, 64), convert::tame(&info.version, 64)));
                    }
                    Err(error) => return Err(LoadError::BadConfig(convert::reported(&error).message)),
                }
            }
        }
        let instances = Arc::new(match settings.warm {
            true => Instances::warm(),
            false => Instances::fresh(&callable),
        });
        let parts = || (Arc::clone(&callable), Arc::clone(&instances));
        let router = kind.router.then(parts).map(|(c, i)| Arc::new(ComponentRouter::new(c, i)));
        let validator = kind.validator.then(parts).map(|(c, i)| Arc::new(ComponentValidator::new(c, i)));
        let stream_validator =
            kind.stream_validator.then(parts).map(|(c, i)| Arc::new(ComponentStreamValidator::new(c, i)));
        let peak_memory = Arc::clone(&callable.shared.peak_memory);
        let name = name.to_owned();
        Ok(Self {
            name,
            kind,
            wants,
            digest,
            size,
            about,
            settings: loaded_with,
            router,
            validator,
            stream_validator,
            kv,
            peak_memory,
        })
    }

    /// The most linear memory that an instance of it has held, in bytes; that of `check-config` counts too.
    pub fn peak_memory(&self) -> usize {
        self.peak_memory.load(Ordering::Relaxed)
    }

    pub(crate) fn kv(&self) -> Arc<KvStore> {
        Arc::clone(&self.kv)
    }

    /// The fingerprint of the settings it was loaded with.
    pub(crate) fn fingerprint(&self) -> String {
        self.settings.fingerprint()
    }

    /// The plugin's name: its file's, without the ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it can be used for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What it must be granted to serve.
    pub fn wants(&self) -> &BTreeSet<Grant> {
        &self.wants
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The section that it was handed, as JSON text.
    pub fn config(&self) -> &str {
        &self.settings.config
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

    /// The plugin as a check of answers, if it is one.
    pub fn validator(&self) -> Option<Arc<dyn Validator>> {
        self.validator.clone().map(|validator| validator as Arc<dyn Validator>)
    }

    /// The plugin as a check of streamed answers, if it is one.
    pub fn stream_validator(&self) -> Option<Arc<dyn StreamValidator>> {
        self.stream_validator.clone().map(|validator| validator as Arc<dyn StreamValidator>)
    }

    /// The plugin as a check of answers that also tells what each call cost.
    pub fn component_validator(&self) -> Option<&ComponentValidator> {
        self.validator.as_deref()
    }

    /// The plugin as a routing rule whose calls leave no trace, for asking it beside the rules that decide.
    pub fn shadow(&self) -> Option<Arc<dyn Router>> {
        self.router.as_ref().map(|router| Arc::new(router.shadow()) as Arc<dyn Router>)
    }

    /// Whether both are the same loading of the same file.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.settings, &other.settings)
    }

    /// Whether both are the same bytes with the same settings, whenever they were loaded.
    pub fn is_like(&self, other: &Self) -> bool {
        self.digest == other.digest && self.settings == other.settings
    }

    /// The plugin as a routing rule that also tells what each call cost.
    pub fn component_router(&self) -> Option<&ComponentRouter> {
        self.router.as_deref()
    }
}

/// Runs work that would hold up other tasks.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LoadError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| LoadError::Invalid(format!("handling it panicked: {e}")))
}

/// Whether what the component declares is within its limits. Its sum of memories is counted when it starts.
fn fits(component: &wasmtime::component::Component, limits: &PluginLimits) -> Result<(), LoadError> {
    // A component that imports modules does not know; it cannot be linked here either.
    let Some(needs) = component.resources_required() else { return Ok(()) };
    let exceeds = |what: String| Err(LoadError::Exceeds(what));
    if needs.num_memories > limits.memories {
        let most = limits.memories;
        return exceeds(format!(
            "has {} memories; its limit is {most} (`limits.memories`)",
            needs.num_memories
        ));
    }
    let first = needs.max_initial_memory_size.unwrap_or(0).saturating_mul(PAGE);
    if first > limits.memory as u64 {
        let most = limits.memory;
        return exceeds(format!(
            "begins with {first} bytes of memory; its limit is {most} (`limits.memory`)"
        ));
    }
    let elements = needs.max_initial_table_size.unwrap_or(0);
    if elements > u64::from(limits.table_elements) {
        let most = limits.table_elements;
        return exceeds(format!(
            "has a table of {elements} elements; its limit is {most} (`limits.table_elements`)"
        ));
    }
    Ok(())
}

/// The file's bytes. The bound holds even for a file that grows while it is read.
pub(crate) fn read(path: &Path, most: usize) -> Result<Vec<u8>, LoadError> {
    let limit = most.min(MAX_FILE);
    // Looked at before it is opened, because opening a device may do something, and again once it is open, because
    // it may be another file by then.
    measure(&std::fs::metadata(path)?, limit)?;
    let file = open(path)?;
    let size = measure(&file.metadata()?, limit)?;
    let mut bytes = Vec::with_capacity(size);
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() {
        0 => Err(LoadError::Empty),
        size if size > limit => Err(LoadError::TooLarge { size: size as u64, limit }),
        _ => Ok(bytes),
    }
}

/// The size of what is a file and not too large.
fn measure(about: &Metadata, limit: usize) -> Result<usize, LoadError> {
    match about.len() {
        _ if !about.is_file() => Err(LoadError::NotAFile),
        size if size > limit as u64 => Err(LoadError::TooLarge { size, limit }),
        size => Ok(usize::try_from(size).unwrap_or(0)),
    }
}

/// Opens a file and waits for nobody, should it be a pipe by now.
#[cfg(unix)]
pub(crate) fn open(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
pub(crate) fn open(path: &Path) -> std::io::Result<File> {
    File::open(path)
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
pub(crate) fn tame(text: &str) -> String {
    convert::tame(text, 2_048)
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
