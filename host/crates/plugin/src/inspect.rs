//! What a component asks of a host and what it gives, held against the contract. Nothing is compiled or run.
//!
//! The wanted side is decoded from the component's own types, the offered side from `wit/`; the two are compared
//! function by function, so that a plugin of a newer minor version works as long as it uses what is here. To be
//! called with bytes that were validated: a damaged file is `load`'s business.

mod contract;
mod difference;
mod types;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jackfield_core::config::Grant;
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{Function, InterfaceId, PackageName, Resolve, WorldItem, WorldKey};

use crate::classify::Unfit;
use crate::imports::wasi;
use crate::load::{self, LoadError};
use contract::Contract;
pub use contract::ContractError;
pub(crate) use contract::{ROLES, version};
pub use difference::Difference;

/// What a component is that exports an interface.
const KINDS: [(&str, &str); 3] =
    [("routing", "router"), ("validation", "validator"), ("stream-validation", "stream-validator")];
/// The package of the operating system's interfaces.
const WASI: &str = "wasi";

/// A component's face.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// What it imports, in the component's order.
    pub imports: Vec<Face>,
    /// What it exports, in the component's order.
    pub exports: Vec<Face>,
    /// The contracts it is made for, with their versions; more than one when its parts disagree.
    pub abi: Vec<String>,
    /// The interfaces of WASI it imports, which this host offers without anything behind them.
    pub wasi: Vec<String>,
    /// What keeps it from working here; empty when it fits.
    pub differences: Vec<Difference>,
    /// Interfaces of the contract that it exports and this host calls, without package and version.
    called: Vec<String>,
    /// Interfaces of the contract that it imports, and those that it exports, without package and version.
    imported: Vec<String>,
    exported: Vec<String>,
}

/// One import or export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Face {
    /// Its full name, for example `jackfield:plugin/routing@1.0.0`.
    pub name: String,
    /// Its functions; empty for an interface of types alone.
    pub functions: Vec<String>,
}

/// The component cannot be held against the contract.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// Its types are none that WIT can say.
    #[error("imports or exports what no interface can describe: {0}")]
    Undescribable(String),
    /// The contract cannot be read.
    #[error(transparent)]
    Contract(#[from] ContractError),
}

impl Inspection {
    /// What the component is, of `router`, `validator` and `stream-validator`; it may be several or nothing.
    pub fn kinds(&self) -> Vec<&'static str> {
        let exports = |role: &str| self.exported.iter().any(|exported| exported == role);
        KINDS.iter().filter(|(role, _)| exports(role)).map(|(_, kind)| *kind).collect()
    }

    /// The grants it needs to be loaded.
    pub fn grants(&self) -> BTreeSet<Grant> {
        let wants = |grant: &Grant| self.imported.iter().any(|import| import == grant.name());
        Grant::ALL.into_iter().filter(wants).collect()
    }

    /// Whether it exports an interface that this host calls.
    pub(crate) fn calls(&self, interface: &str) -> bool {
        self.called.iter().any(|called| called == interface)
    }
}

/// The bytes of a plugin file, bounded as [`crate::Plugin::load`] bounds them.
pub fn read_file(path: &std::path::Path) -> Result<Vec<u8>, LoadError> {
    load::read(path, usize::MAX)
}

/// Looks at a component's imports and exports, if it is a valid one.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, LoadError> {
    load::validate(bytes)?;
    Ok(inspect_valid(bytes).map_err(Unfit::from)?)
}

/// Looks at a valid component's imports and exports.
pub(crate) fn inspect_valid(component: &[u8]) -> Result<Inspection, InspectError> {
    let contract = contract::contract()?;
    let undescribable = |e: &dyn std::fmt::Display| InspectError::Undescribable(e.to_string());
    let (resolve, world) = match decode(component).map_err(|e| undescribable(&format!("{e:#}")))? {
        DecodedWasm::Component(resolve, world) => (resolve, world),
        DecodedWasm::WitPackage(..) => return Err(undescribable(&"it is a package of WIT, not a component")),
    };
    let mut seen = Seen { contract, resolve: &resolve, found: Inspection::default(), refused: Vec::new() };
    for (key, item) in &resolve.worlds[world].imports {
        seen.import(key, item);
    }
    for (key, item) in &resolve.worlds[world].exports {
        seen.export(key, item);
    }
    Ok(seen.finish())
}

/// An inspection under way.
struct Seen<'a> {
    contract: &'static Contract,
    resolve: &'a Resolve,
    found: Inspection,
    /// Interfaces of WASI that this host does not have.
    refused: Vec<String>,
}

/// An interface with a package.
struct Named<'a> {
    full: &'a str,
    package: &'a PackageName,
    name: &'a str,
    id: InterfaceId,
}

impl Seen<'_> {
    fn import(&mut self, key: &WorldKey, item: &WorldItem) {
        let full = self.resolve.name_world_key(key);
        // A type that is imported by itself needs nothing of the host.
        if let WorldItem::Type { .. } = item {
            return;
        }
        self.found.imports.push(self.face(&full, item));
        match named(self.resolve, &full, item) {
            Some(interface) if self.contract.is_ours(interface.package) => {
                self.note(&interface);
                self.found.imported.push(interface.name.to_owned());
                self.compare_import(&interface);
            }
            Some(Named { package, .. }) if is_inert(package) => self.found.wasi.push(full),
            Some(Named { package, .. }) if package.namespace == WASI => self.refused.push(full),
            _ => self.found.differences.push(Difference::Foreign {
                name: full,
                host: self.host(),
                offered: self.offered(),
            }),
        }
    }

    fn export(&mut self, key: &WorldKey, item: &WorldItem) {
        let full = self.resolve.name_world_key(key);
        if let WorldItem::Type { .. } = item {
            return;
        }
        self.found.exports.push(self.face(&full, item));
        // What is no part of the contract is called by nobody and stands in nobody's way.
        if let Some(interface) = named(self.resolve, &full, item)
            && self.contract.is_ours(interface.package)
        {
            self.note(&interface);
            self.found.exported.push(interface.name.to_owned());
            self.compare_export(&interface);
        }
    }

    fn compare_import(&mut self, wanted: &Named<'_>) {
        let newer = self.contract.is_older_than(wanted.package);
        let (host, version) = (self.host(), self.contract.version());
        let full = wanted.full.to_owned();
        if !self.contract.links_with(wanted.package) {
            return self.found.differences.push(Difference::Version { wanted: full, host, newer });
        }
        let Some(offered) = self.contract.offered(wanted.name) else {
            let offered = self.offered();
            return self.found.differences.push(match self.contract.knows(wanted.name) {
                true => Difference::Withheld { wanted: full, host, offered },
                false => Difference::Interface { wanted: full, host, offered, newer },
            });
        };
        for (name, function) in &self.resolve.interfaces[wanted.id].functions {
            match self.contract.functions(offered).find(|ours| ours.name == *name) {
                Some(ours) => self.compare_types("imports", wanted, function, ours),
                None => self.found.differences.push(Difference::Function {
                    wanted: full.clone(),
                    function: name.clone(),
                    version: version.clone(),
                    offered: self.contract.functions(offered).map(|f| f.name.clone()).collect(),
                    newer,
                }),
            }
        }
    }

    fn compare_export(&mut self, exported: &Named<'_>) {
        let newer = self.contract.is_older_than(exported.package);
        let Some(called) = self.contract.called(exported.name) else { return };
        if !self.contract.links_with(exported.package) {
            let (wanted, host) = (format!("to be called as {}", exported.full), self.host());
            return self.found.differences.push(Difference::Version { wanted, host, newer });
        }
        self.found.called.push(exported.name.to_owned());
        for ours in self.contract.functions(called) {
            match self.resolve.interfaces[exported.id].functions.get(&ours.name) {
                Some(theirs) => self.compare_types("exports", exported, theirs, ours),
                None => self.found.differences.push(Difference::Lacks {
                    exported: exported.full.to_owned(),
                    signature: types::spell_function(&self.contract.resolve, ours),
                    version: self.contract.version(),
                    newer,
                }),
            }
        }
    }

    fn compare_types(&mut self, side: &'static str, of: &Named<'_>, theirs: &Function, ours: &Function) {
        let compared = types::compare_functions((self.resolve, theirs), (&self.contract.resolve, ours));
        if let Err(clash) = compared {
            let version = self.contract.version();
            self.found.differences.push(Difference::Types {
                side,
                interface: of.full.to_owned(),
                function: theirs.name.clone(),
                clash: difference::part(&clash, &version),
                version,
                newer: self.contract.is_older_than(of.package),
            });
        }
    }

    fn face(&self, full: &str, item: &WorldItem) -> Face {
        let functions = match item {
            WorldItem::Interface { id, .. } => {
                self.resolve.interfaces[*id].functions.keys().cloned().collect()
            }
            WorldItem::Function(function) => vec![function.name.clone()],
            WorldItem::Type { .. } => Vec::new(),
        };
        Face { name: full.to_owned(), functions }
    }

    /// Keeps the version of the contract that the component is made for.
    fn note(&mut self, interface: &Named<'_>) {
        let abi = interface.package.to_string();
        if !self.found.abi.contains(&abi) {
            self.found.abi.push(abi);
        }
    }

    fn host(&self) -> String {
        self.contract.name().to_string()
    }

    fn offered(&self) -> Vec<String> {
        self.contract.offered_names().into_iter().map(str::to_owned).collect()
    }

    fn finish(mut self) -> Inspection {
        let others = self.refused.len().saturating_sub(1);
        if let Some(first) = self.refused.into_iter().next() {
            self.found.differences.push(Difference::Wasi { first, others });
        }
        self.found
    }
}

/// Whether this host links the interfaces of this package of WASI: those of preview 2, in any of its versions.
fn is_inert(package: &PackageName) -> bool {
    let version = package.version.as_ref();
    package.namespace == WASI
        && wasi::PACKAGES.contains(&package.name.as_str())
        && version.is_some_and(|version| (version.major, version.minor) == (0, 2) && version.pre.is_empty())
}

/// An import or export as an interface of some package; nothing for bare functions and unnamed interfaces.
fn named<'a>(resolve: &'a Resolve, full: &'a str, item: &WorldItem) -> Option<Named<'a>> {
    let WorldItem::Interface { id, .. } = item else { return None };
    let interface = &resolve.interfaces[*id];
    let package = &resolve.packages[interface.package?].name;
    Some(Named { full, package, name: interface.name.as_deref()?, id: *id })
}
