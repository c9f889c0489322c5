//! Routing rules as sandboxed WebAssembly components. The only crate that names wasmtime.
//!
//! The way of a plugin, in reading order: a file is `load`ed (read, classified, compiled, checked)
//! on one `engine`; its exports become a router that `call`s it with fresh memory every time; what
//! the guest asks of the host goes through `imports`; what it answers is `convert`ed and checked.
//! Nothing a guest does fails a request by itself: every way out is a typed fault.

/// The types and traits generated from `wit/`.
mod bindings;
/// Limits that wasmtime tells of in its own words.
mod blame;
/// One call from permit to fault.
mod call;
/// Every file of the plugin folder.
mod catalog;
/// What a component is, from its imports and exports.
mod classify;
/// From bytes to code that runs: the compiler's child, and the cache of what it made.
mod compile;
/// Guest words to contract words, each checked.
mod convert;
/// One engine for all plugins, its settings and its clock.
mod engine;
/// What a guest may ask of the host, one file an interface.
mod imports;
/// A component held against the contract, each difference named.
mod inspect;
/// Instances made ahead, used again, thrown away.
mod instances;
/// What bounds a call, and what counts against it.
mod limits;
/// A plugin file from bytes to something callable.
mod load;
/// What is known of a folder's plugins across restarts.
mod memory;
/// The right to run, given up while a guest waits for a model.
mod pass;
/// A folder that nobody but us can write to.
mod private;
/// A component behind the contract's `Router`.
mod router;
/// One instance and its store.
mod session;
/// What one call keeps on the host's side.
mod state;
mod ticker;
/// A call against the clock on the wall, and whose fault it is to be late.
mod wall;

pub use catalog::{Catalog, Change, NAME_RULE, Refusal, Scan, name_of, plugin_files};
pub use classify::{Kind, Unfit};
pub use compile::{CompileError, CompileOrder, Compiler, Compiling, compile_child};
pub use engine::{Allocator, Concurrency, EngineError, PluginEngine};
pub use inspect::{ContractError, Difference, Face, InspectError, Inspection, inspect, read_file};
pub use load::{LoadError, Plugin, PluginSettings};
pub use memory::Memory;
pub use private::{NotPrivate, PrivateFolder};
pub use router::ComponentRouter;
pub use session::CallCost;
pub use validator::ComponentValidator;

/// A component behind the contract's `StreamValidator`.
mod stream_validator;
/// A component behind the contract's `Validator`.
mod validator;

#[cfg(test)]
mod guests;
#[cfg(test)]
mod tests;
