//! What keeps a component from working here, each difference in one sentence that names the thing and the remedy.
//! The same sentences stand in the gateway's log, in `jackfield check` and in `jackfield plugin check`.

use super::types::Clash;
use crate::imports::wasi;

/// One difference between what a component wants and what this host offers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// Another major version of the contract, a preview of one, or none at all.
    #[error(
        "it wants {wanted}; this host offers {host}, which links with no other major version or preview; {}",
        remedy(.host, *.newer)
    )]
    Version {
        /// The interface, with its version.
        wanted: String,
        /// The host's contract, with its version.
        host: String,
        /// Whether the plugin is the newer of the two.
        newer: bool,
    },
    /// An interface of the contract that this host does not have.
    #[error("it wants {wanted}; this host offers {host} with `{}`; {}", .offered.join(", "), remedy(.host, *.newer))]
    Interface {
        /// The interface, with its version.
        wanted: String,
        /// The host's contract, with its version.
        host: String,
        /// What this host has.
        offered: Vec<String>,
        /// Whether the plugin is the newer of the two.
        newer: bool,
    },
    /// An interface of the contract that this host does not give to plugins of this kind.
    #[error(
        "it wants {wanted}, which this host does not give to routers: it offers {host} with `{}`; leave the import out",
        .offered.join(", ")
    )]
    Withheld {
        /// The interface, with its version.
        wanted: String,
        /// The host's contract, with its version.
        host: String,
        /// What this host gives.
        offered: Vec<String>,
    },
    /// A function that this host's interface does not have.
    #[error(
        "it wants {wanted} function `{function}`; this host offers {version} with `{}`; {}",
        .offered.join(", "), remedy(.version, *.newer)
    )]
    Function {
        /// The interface, with its version.
        wanted: String,
        /// The function.
        function: String,
        /// The host's version of the contract.
        version: String,
        /// The functions this host's interface has.
        offered: Vec<String>,
        /// Whether the plugin is the newer of the two.
        newer: bool,
    },
    /// A function that this host calls and the plugin does not have.
    #[error("its {exported} lacks what this host calls, `{signature}`; {}", remedy(.version, *.newer))]
    Lacks {
        /// The interface, with its version.
        exported: String,
        /// The function as the host calls it.
        signature: String,
        /// The host's version of the contract.
        version: String,
        /// Whether the plugin is the newer of the two.
        newer: bool,
    },
    /// A function of other types.
    #[error("it {side} {interface} function `{function}` {clash}; {}", remedy(.version, *.newer))]
    Types {
        /// Whether it `imports` or `exports` the interface.
        side: &'static str,
        /// The interface, with its version.
        interface: String,
        /// The function.
        function: String,
        /// Where the types part.
        clash: String,
        /// The host's version of the contract.
        version: String,
        /// Whether the plugin is the newer of the two.
        newer: bool,
    },
    /// Interfaces of an operating system that are not even there inert.
    #[error(
        "it imports `{first}`{}: plugins reach no system, and of WASI this host has only `{}` at 0.2, with nothing \
         behind them; build with `jackfield plugin build`, or stub WASI out (`--stub-wasi` of componentize-py and \
         componentize-qjs)",
        more(*.others, "WASI interface"), wasi::PACKAGES.join(", ")
    )]
    Wasi {
        /// The first of them.
        first: String,
        /// How many more there are.
        others: usize,
    },
    /// Something that is no part of the contract.
    #[error("it imports `{name}`, which is no part of {host}; plugins may import `{}` of it", .offered.join(", "))]
    Foreign {
        /// The import.
        name: String,
        /// The host's contract, with its version.
        host: String,
        /// What this host offers.
        offered: Vec<String>,
    },
}

/// Where types part, in words.
pub(super) fn part(clash: &Clash, version: &str) -> String {
    let Clash { place, wanted, offered } = clash;
    match place {
        Some(place) => format!("whose {place} has {wanted}; this host's {version} has {offered}"),
        None => {
            let (wanted, offered) = (types_of(wanted), types_of(offered));
            format!("as `{wanted}`; this host's {version} has `{offered}`")
        }
    }
}

/// A function's spelling without its name.
fn types_of(function: &str) -> &str {
    function.split_once(": ").map_or(function, |(_, types)| types)
}

fn remedy(host: &str, newer: bool) -> String {
    let version = host.rsplit('@').next().unwrap_or(host);
    match newer {
        true => format!("rebuild it against {version} or upgrade the host"),
        false => format!("rebuild it against this host's {version}"),
    }
}

fn more(others: usize, what: &str) -> String {
    match others {
        0 => String::new(),
        1 => format!(" and 1 more {what}"),
        n => format!(" and {n} more {what}s"),
    }
}
