//! What the compiling child does: bounds itself, reads a component, writes an artefact.
//!
//! The bounds are set before a byte of the component is read, and the child has nothing to lose: no environment, no
//! file but its three streams, the lowest priority. The component comes with its length in front; when standard input
//! then ends, the parent is gone, and so is the child.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wasmtime::Engine;

use crate::engine::{Allocator, settings};

/// The exit code for a component that the compiler refuses; the reason is on standard error.
pub(super) const REFUSED: u8 = 3;
/// The exit code of a child that lost its parent.
const ORPHANED: i32 = 4;
/// The exit code of a child that could not do its work, whatever the component.
const FAILED: u8 = 5;
/// The lowest priority.
const NICE: i32 = 19;

/// What one compilation may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileOrder {
    /// Processor time, over all threads; counted in whole seconds.
    pub cpu: Duration,
    /// Address space, in bytes.
    pub memory: u64,
    /// Bytes of the artefact.
    pub artefact: u64,
}

/// The memory from which on several threads compile.
const PARALLEL: u64 = 1 << 30;

impl CompileOrder {
    /// Processor time as the system counts it.
    pub(super) fn cpu_seconds(&self) -> u64 {
        self.cpu.as_secs() + u64::from(self.cpu.subsec_nanos() > 0)
    }
}

/// Compiles what comes on standard input to standard output, as a process that does nothing else.
pub fn compile_child(order: CompileOrder) -> ExitCode {
    match try_compile(order) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, reason)) => {
            let _ = writeln!(std::io::stderr(), "{reason}");
            ExitCode::from(code)
        }
    }
}

fn try_compile(order: CompileOrder) -> Result<(), (u8, String)> {
    let failed = |doing: &str, why: std::io::Error| (FAILED, format!("{doing}: {why}"));
    let refused = |why: wasmtime::Error| (REFUSED, format!("{why:#}"));
    bound(order).map_err(|e| failed("set the limits", e))?;
    let bytes = component().map_err(|e| failed("read the component", e))?;
    // The pooling allocator would reserve more address space than a compiler may have. Artefacts do not depend on it.
    let mut config = settings(Allocator::OnDemand, 1);
    // Each thread costs address space of its own, and starting one is what fails first where there is little.
    config.parallel_compilation(order.memory >= PARALLEL);
    let engine = Engine::new(&config).map_err(refused)?;
    let artefact = engine.precompile_component(&bytes).map_err(refused)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&artefact).and_then(|()| out.flush()).map_err(|e| failed("write the artefact", e))
}

fn bound(order: CompileOrder) -> std::io::Result<()> {
    // A second between the two, so that the limit is told apart from whoever else kills.
    let seconds = order.cpu_seconds();
    limit(Resource::Cpu, seconds, seconds + 1)?;
    limit(Resource::Core, 0, 0)?;
    limit(Resource::Fsize, order.artefact, order.artefact)?;
    // What is open stays; nothing else can be opened.
    limit(Resource::Nofile, 0, 0)?;
    limit(Resource::As, order.memory, order.memory)?;
    // Refused where priorities are not ours to set; the limits hold all the same.
    let _ = rustix::process::nice(NICE);
    Ok(())
}

/// Sets a limit, or leaves a lower one that whoever runs the gateway has set.
fn limit(resource: Resource, soft: u64, hard: u64) -> std::io::Result<()> {
    let inherited = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limits = Rlimit { current: Some(soft.min(inherited)), maximum: Some(hard.min(inherited)) };
    Ok(setrlimit(resource, limits)?)
}

fn component() -> std::io::Result<Vec<u8>> {
    let mut input = std::io::stdin();
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let mut bytes = Vec::new();
    input.lock().take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        std::process::exit(ORPHANED);
    }
    std::thread::Builder::new().name("parent-watch".to_owned()).spawn(move || {
        let mut more = [0; 1];
        let _ = input.read(&mut more);
        std::process::exit(ORPHANED);
    })?;
    Ok(bytes)
}
