//! From a core module to a component on disk: encoded, looked at, stamped, validated, written in one step.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use wasmparser::{Parser, Payload, Validator};
use wit_component::ComponentEncoder;

use super::stamp::{ABI, Stamp, write_stamp};

/// A module that makes no plugin, or a component that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The module is no guest of the contract.
    #[error(
        "make a component of the module: {0}. A plugin may import nothing but {ABI}: look for a dependency that \
         expects an operating system or a browser"
    )]
    Encode(String),
    /// The component exports nothing that the host calls.
    #[error(
        "find what the plugin is for: it exports no routing, validation or stream-validation; declare a router or a \
         validator (in Rust: a function with `#[jackfield::router]` or `#[jackfield::validator]`)"
    )]
    NoExport,
    /// The finished component is not sound; that is our fault.
    #[error("validate the component: {0}")]
    Invalid(String),
    /// The stamp could not be made.
    #[error("stamp the component: {0}")]
    Stamp(#[from] serde_json::Error),
    /// The file could not be written.
    #[error("write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A stamped component, and what the host will call in it.
#[derive(Debug)]
pub(super) struct Sealed {
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    /// What the host will call: `routing`, `validation`, `stream-validation`.
    pub(super) exports: Vec<String>,
}

/// Makes a component of a core module.
pub(super) fn encode(module: &[u8], stamp: &Stamp) -> Result<Sealed, SealError> {
    let bytes = ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.encode())
        // The error's whole chain: the outer part alone names no import.
        .map_err(|error| SealError::Encode(format!("{error:#}")))?;
    seal(bytes, stamp)
}

/// Stamps a component and looks at it.
pub(super) fn seal(mut bytes: Vec<u8>, stamp: &Stamp) -> Result<Sealed, SealError> {
    write_stamp(&mut bytes, stamp)?;
    Validator::new().validate_all(&bytes).map_err(|error| SealError::Invalid(error.to_string()))?;
    let exports = exports(&bytes)?;
    if exports.is_empty() {
        return Err(SealError::NoExport);
    }
    Ok(Sealed { bytes, exports })
}

/// The component's own exports that make it a plugin of some kind.
fn exports(component: &[u8]) -> Result<Vec<String>, SealError> {
    let (package, version) = ABI.split_once('@').unwrap_or((ABI, ""));
    let mut depth = 0_u32;
    let mut kinds = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| SealError::Invalid(error.to_string()))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(|error| SealError::Invalid(error.to_string()))?;
                    for kind in ["routing", "validation", "stream-validation"] {
                        if export.name.name == format!("{package}/{kind}@{version}") {
                            kinds.push(kind.to_owned());
                        }
                    }
                }
            }
            _ => {}
        }
    }
    Ok(kinds)
}

/// Writes beside the destination and renames: a host that watches the folder sees the old file or the new one.
pub(super) fn write(bytes: &[u8], path: &Path) -> Result<(), SealError> {
    let failed = |source| SealError::Write { path: path.to_owned(), source };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Hidden and without the suffix `.wasm`: no host takes the half-written file for a plugin.
    let mut file = NamedTempFile::with_prefix_in(".jackfield-", dir).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    readable_by_all(&file).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Temporary files are private; a plugin is read by a host that often runs as somebody else.
#[cfg(unix)]
fn readable_by_all(file: &NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_all(_file: &NamedTempFile) -> std::io::Result<()> {
    Ok(())
}
