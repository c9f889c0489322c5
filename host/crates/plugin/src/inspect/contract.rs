//! The contract this host offers, read from the very WIT files its bindings are generated from: what is said
//! about a plugin that does not fit can then never differ from what is linked.

use std::sync::LazyLock;

use wit_parser::{
    Function, InterfaceId, PackageId, PackageName, Resolve, SourceMap, WorldId, WorldItem, WorldKey,
};

/// The contract's files. A test compares the list with the folder.
pub(super) const SOURCES: [(&str, &str); 8] = [
    ("exports.wit", include_str!("../../../../../wit/exports.wit")),
    ("host.wit", include_str!("../../../../../wit/host.wit")),
    ("llm.wit", include_str!("../../../../../wit/llm.wit")),
    ("models.wit", include_str!("../../../../../wit/models.wit")),
    ("request.wit", include_str!("../../../../../wit/request.wit")),
    ("response.wit", include_str!("../../../../../wit/response.wit")),
    ("types.wit", include_str!("../../../../../wit/types.wit")),
    ("worlds.wit", include_str!("../../../../../wit/worlds.wit")),
];

/// The world this host links and calls; `bindings.rs` is generated from the same file.
const HOST: &str = include_str!("../host.wit");

/// The interfaces of which a plugin must export one to be called at all.
pub(crate) const ROLES: [&str; 3] = ["routing", "validation", "stream-validation"];

/// The contract, and the part of it that this host keeps.
pub(super) struct Contract {
    pub(super) resolve: Resolve,
    package: PackageId,
    world: WorldId,
}

/// The contract's files make no contract. They are part of this program, so that is a fault of its build.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot be compared with the contract: {0}")]
pub struct ContractError(String);

/// The contract, read once.
pub(super) fn contract() -> Result<&'static Contract, ContractError> {
    static CONTRACT: LazyLock<Result<Contract, ContractError>> = LazyLock::new(|| read(&SOURCES));
    CONTRACT.as_ref().map_err(Clone::clone)
}

/// The contract's version, for texts; empty when the contract is unusable.
pub(crate) fn version() -> String {
    contract().map(Contract::version).unwrap_or_default()
}

fn read(sources: &[(&str, &str)]) -> Result<Contract, ContractError> {
    let unusable = |e: &dyn std::fmt::Display| ContractError(e.to_string());
    let mut map = SourceMap::default();
    for (name, text) in sources {
        map.push_str(name, *text);
    }
    let group = map.parse().map_err(|(_, e)| unusable(&e))?;
    let mut resolve = Resolve::default();
    let package = resolve.push_group(group).map_err(|e| unusable(&e))?;
    let host = resolve.push_str("host.wit", HOST).map_err(|e| unusable(&e))?;
    let world = resolve.packages[host].worlds.values().next().copied();
    let world = world.ok_or_else(|| unusable(&"the host has no world"))?;
    Ok(Contract { resolve, package, world })
}

impl Contract {
    /// Its package's name, version included.
    pub(super) fn name(&self) -> &PackageName {
        &self.resolve.packages[self.package].name
    }

    /// Its version, for texts.
    pub(super) fn version(&self) -> String {
        self.name().version.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// Whether a package is some version of this contract.
    pub(super) fn is_ours(&self, package: &PackageName) -> bool {
        let ours = self.name();
        (&package.namespace, &package.name) == (&ours.namespace, &ours.name)
    }

    /// Whether interfaces of this package link with ours: the same major version, and no preview of another.
    pub(super) fn links_with(&self, package: &PackageName) -> bool {
        match (&package.version, &self.name().version) {
            (Some(theirs), Some(ours)) => {
                theirs == ours || (theirs.major == ours.major && theirs.pre.is_empty() && ours.pre.is_empty())
            }
            _ => false,
        }
    }

    /// Whether a package is a later version than ours, so that an upgrade of this host would help.
    pub(super) fn is_older_than(&self, package: &PackageName) -> bool {
        package.version > self.name().version
    }

    /// An interface that guests may import here.
    pub(super) fn offered(&self, name: &str) -> Option<InterfaceId> {
        self.offered_interfaces().find(|(offered, _)| *offered == name).map(|(_, id)| id)
    }

    /// The names of all interfaces that guests may import here, in the world's order.
    pub(super) fn offered_names(&self) -> Vec<&str> {
        self.offered_interfaces().map(|(name, _)| name).collect()
    }

    /// An interface of guests that this host calls.
    pub(super) fn called(&self, name: &str) -> Option<InterfaceId> {
        let exports = self.resolve.worlds[self.world].exports.iter();
        self.interfaces(exports).find(|(called, _)| *called == name).map(|(_, id)| id)
    }

    /// Whether the contract has this interface, offered here or not.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.resolve.packages[self.package].interfaces.contains_key(name)
    }

    /// The functions of an interface, in the order of the file.
    pub(super) fn functions(&self, interface: InterfaceId) -> impl Iterator<Item = &Function> {
        self.resolve.interfaces[interface].functions.values()
    }

    fn offered_interfaces(&self) -> impl Iterator<Item = (&str, InterfaceId)> {
        self.interfaces(self.resolve.worlds[self.world].imports.iter())
    }

    fn interfaces<'a>(
        &'a self,
        items: impl Iterator<Item = (&'a WorldKey, &'a WorldItem)>,
    ) -> impl Iterator<Item = (&'a str, InterfaceId)> {
        items.filter_map(|(_, item)| match item {
            WorldItem::Interface { id, .. } => Some((self.resolve.interfaces[*id].name.as_deref()?, *id)),
            WorldItem::Function(_) | WorldItem::Type { .. } => None,
        })
    }
}
