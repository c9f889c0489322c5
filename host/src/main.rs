//! The `jackfield` binary: arguments in, exit code out.

use std::process::ExitCode;

/// Many small, short-lived allocations on many threads are this allocator's best case.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    jackfield::cli::main()
}
