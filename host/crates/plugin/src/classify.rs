//! What a component is, from its imports and exports.

use wasmtime::Engine;
use wasmtime::component::Component;

/// The contract's package; a component's interfaces are looked up under it.
const PACKAGE: &str = "jackfield:plugin/";
/// The version of the contract this host offers.
pub(crate) const VERSION: &str = "1.0.0";
/// The interfaces this host offers to guests.
const OFFERED: [&str; 9] = ["types", "request", "models", "load", "budget", "config", "log", "clock", "kv"];

/// What a component can be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// It routes.
    pub router: bool,
    /// It checks its own settings.
    pub lifecycle: bool,
}

/// Why a component is of no use here.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It needs something that this host does not give.
    #[error(
        "it imports `{0}`, which this host does not offer; offered are jackfield:plugin/{{{offered}}}@{VERSION} \
         (build with `jackfield plugin build`, which leaves WASI out)",
        offered = OFFERED.join(", ")
    )]
    Import(String),
    /// It exports nothing that this host calls.
    #[error(
        "it exports nothing that this host calls: expected `jackfield:plugin/routing@{VERSION}`, found {0}"
    )]
    NoRole(String),
}

/// Reads what a component imports and exports.
pub(crate) fn classify(engine: &Engine, component: &Component) -> Result<Kind, Unfit> {
    let ty = component.component_type();
    for (name, _) in ty.imports(engine) {
        if !interface(name).is_some_and(|i| OFFERED.contains(&i)) {
            return Err(Unfit::Import(name.to_owned()));
        }
    }
    let exports: Vec<&str> = ty.exports(engine).map(|(name, _)| name).collect();
    let has = |wanted: &str| exports.iter().any(|name| interface(name) == Some(wanted));
    let kind = Kind { router: has("routing"), lifecycle: has("lifecycle") };
    if !kind.router {
        let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        return Err(Unfit::NoRole(crate::convert::tame(&found, 512)));
    }
    Ok(kind)
}

/// `routing` of `jackfield:plugin/routing@1.0.0`, for major version 1.
fn interface(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
    version.starts_with("1.").then_some(interface)
}
