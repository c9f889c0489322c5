//! `jackfield compile-plugin`: what the gateway runs to have a plugin compiled under limits. Not for people.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use jackfield_plugin_host::{CompileOrder, compile_child};

#[derive(Args)]
pub(super) struct CompileArgs {
    /// Processor time, in seconds
    #[arg(long)]
    cpu: u64,
    /// Address space, in bytes
    #[arg(long)]
    memory: u64,
    /// The longest artefact, in bytes
    #[arg(long)]
    artefact: u64,
}

pub(super) fn run(args: &CompileArgs) -> ExitCode {
    let CompileArgs { cpu, memory, artefact } = *args;
    compile_child(CompileOrder { cpu: Duration::from_secs(cpu), memory, artefact })
}
