//! What a built plugin carries about its making: a custom section of the component, read by no guest.

use serde::{Deserialize, Serialize};
use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{Parser, Payload};

/// The contract that this build of Jackfield's components are made for.
pub const ABI: &str = "jackfield:plugin@1.0.0";

/// The custom section's name.
const SECTION: &str = "jackfield:build";

/// What a built plugin carries about its making.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The contract it is made for, for example `jackfield:plugin@1.0.0`.
    pub abi: String,
    /// The plugin's name, from its manifest or its folder.
    pub name: String,
    /// The plugin's version, from its manifest.
    pub version: String,
    /// The language it is written in: `rust`, `python`, `js`, `ts` or `c`.
    pub language: String,
    /// The version of the SDK it is made with; `locked` when its lock file says so.
    pub sdk: String,
    /// The digest of everything it is made from: [`super::digest::source_digest`].
    pub source: String,
}

/// The stamp of a component; absent when it has none that can be read.
pub fn read_stamp(component: &[u8]) -> Option<Stamp> {
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        match payload.ok()? {
            // A section of the same name inside a nested module is not ours.
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => {
                return serde_json::from_slice(section.data()).ok();
            }
            _ => {}
        }
    }
    None
}

/// Adds the stamp at a component's end.
pub(super) fn write_stamp(component: &mut Vec<u8>, stamp: &Stamp) -> Result<(), serde_json::Error> {
    let data = serde_json::to_vec(stamp)?;
    CustomSection { name: SECTION.into(), data: data.into() }.append_to_component(component);
    Ok(())
}
