//! Compiled code back from a file. The only unsafe code of the project.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use wasmtime::Engine;
use wasmtime::component::Component;

/// The component in this artefact, mapped from it: what many plugins of an interpreter's size would otherwise
/// cost in memory stays in the file. Where the system maps no code from there, it is read.
///
/// The artefact must be one of two: written by the compiling child of this process and since then only hashed, or
/// an entry of the private cache whose digest was just found right.
#[allow(
    unsafe_code,
    reason = "deserialising is running native code; there is no safe way to reuse compiled code"
)]
pub(super) fn revive(engine: &Engine, artefact: &File) -> wasmtime::Result<Component> {
    // Mapping goes by name, and the name of an open file cannot be given to another one meanwhile.
    let path = PathBuf::from(format!("/proc/self/fd/{}", artefact.as_raw_fd()));
    // SAFETY: the bytes are the output of `Engine::precompile_component` of this very binary: the caller hands in
    // only what came from our own compiler (see above), kept in a folder that nobody else can write to
    // (`PrivateFolder`) and compared with its SHA-256 after it was opened. Nobody changes such a file in place:
    // entries are renamed into being, and evicting one only unlinks it, which leaves the mapping as it is. Wasmtime
    // itself refuses an artefact of another version, target or setting.
    let mapped = unsafe { Component::deserialize_file(engine, &path) };
    mapped.or_else(|refused| {
        let bytes = whole(artefact).map_err(|_| refused)?;
        // SAFETY: as above; the same bytes, read instead of mapped.
        unsafe { Component::deserialize(engine, &bytes) }
    })
}

fn whole(mut file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
