//! The compiling child from outside: started with nothing, fed, waited for, and its end explained.
//!
//! Bounds: the child's own limits, a wall clock for a child that sleeps or starves, and 8 KiB of what it says. It
//! dies with whoever waits for it: it is killed when the future is dropped, and ends when its standard input does.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::child::{CompileOrder, REFUSED};
use crate::convert;
use crate::load::LoadError;

/// The end of what a child says on standard error that is kept.
const TOLD: usize = 8 << 10;
/// The end of it that is shown.
const SHOWN: usize = 512;

/// Why a component was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// More processor time than it may have.
    #[error(
        "needs more than {}s of processor time to be compiled; `limits.compile_cpu` is the limit to raise",
        .0.as_secs_f64()
    )]
    Cpu(Duration),
    /// More memory than it may have.
    #[error(
        "needs more than {} MiB of memory to be compiled; `limits.compile_memory` is the limit to raise",
        .0 >> 20
    )]
    Memory(u64),
    /// More code than is taken.
    #[error("makes more than {} MiB of code", .0 >> 20)]
    Artefact(u64),
    /// Not done in time, though within its processor time: the machine is too busy.
    #[error(
        "was not compiled within {}s, waiting for a processor included; a higher `limits.compile_cpu` gives it longer",
        .0.as_secs()
    )]
    Wall(Duration),
    /// The compiler died of something else.
    #[error("could not be compiled: the compiler {how}{said}")]
    Crashed {
        /// How it ended.
        how: String,
        /// The end of what it said, made harmless; empty, or after a colon.
        said: String,
    },
    /// Its files or its process failed.
    #[error("could not be compiled: {0}")]
    System(#[source] std::io::Error),
    /// The compiler could not be started.
    #[error("could not be compiled: the compiler does not start: {0}")]
    NotStarted(#[source] std::io::Error),
}

impl CompileError {
    /// Whether it may go better a moment later: the system had no process to give.
    pub(crate) fn is_passing(&self) -> bool {
        use std::io::ErrorKind::{OutOfMemory, WouldBlock};
        matches!(self, Self::NotStarted(error) if matches!(error.kind(), WouldBlock | OutOfMemory))
    }
}

/// Has the program compile these bytes into this file.
pub(super) async fn compile(
    program: &Path,
    order: CompileOrder,
    bytes: Bytes,
    into: File,
) -> Result<(), LoadError> {
    let mut command = Command::new(program);
    command
        .arg0("jackfield")
        .arg("compile-plugin")
        .args(["--cpu", &order.cpu_seconds().to_string()])
        .args(["--memory", &order.memory.to_string()])
        .args(["--artefact", &order.artefact.to_string()])
        .env_clear()
        // By default the allocator reserves address space by the gigabyte, and that is what the limit counts.
        .env("MIMALLOC_ARENA_RESERVE", "8M")
        .current_dir("/")
        // A group of its own: what a terminal sends to the gateway is not for its compiler.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(into)
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(CompileError::NotStarted)?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    // Ten times, because at the lowest priority it gets what a busy machine leaves over.
    let wall = Duration::from_secs(order.cpu_seconds() * 10 + 10);
    let work = async {
        // Open until the child has ended: its end tells the child that nobody waits any more.
        let feeding = async {
            let mut stdin = stdin;
            if let Some(stdin) = &mut stdin {
                // A child that is gone does not read; how it ended tells why.
                let _ = feed(stdin, &bytes).await;
            }
            stdin
        };
        let (_stdin, told, ended) = tokio::join!(feeding, end_of(stderr), child.wait());
        (told, ended)
    };
    let Ok((told, ended)) = timeout(wall, work).await else {
        // Dropped, and so killed.
        return Err(CompileError::Wall(wall).into());
    };
    explain(order, ended.map_err(CompileError::System)?, &told)
}

async fn feed(stdin: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    stdin.write_all(&(bytes.len() as u64).to_le_bytes()).await?;
    stdin.write_all(bytes).await?;
    stdin.flush().await
}

/// The end of a stream, read to its end.
async fn end_of(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let (mut told, mut piece) = (Vec::new(), [0; 1024]);
    let Some(mut stream) = stream else { return told };
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        told.extend_from_slice(&piece[..read]);
        told.drain(..told.len().saturating_sub(TOLD));
    }
    told
}

/// What the child's end means.
fn explain(order: CompileOrder, ended: ExitStatus, told: &[u8]) -> Result<(), LoadError> {
    use rustix::process::Signal;
    if ended.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(told);
    let told = told.trim();
    let by = |signal: Signal| ended.signal() == Some(signal.as_raw());
    if by(Signal::XCPU) {
        return Err(CompileError::Cpu(order.cpu).into());
    }
    if by(Signal::XFSZ) {
        return Err(CompileError::Artefact(order.artefact).into());
    }
    // The words of Rust's allocator, of its library, of the compiler's threads, and of the system.
    if ["memory allocation of ", "out of memory", "ThreadPoolBuildError", "os error 12"]
        .iter()
        .any(|word| told.contains(word))
    {
        return Err(CompileError::Memory(order.memory).into());
    }
    let start = told.char_indices().rev().nth(SHOWN - 1).map_or(0, |(at, _)| at);
    let shown = convert::tame(&told[start..], 4 * SHOWN);
    if ended.code() == Some(i32::from(REFUSED)) {
        return Err(LoadError::Invalid(shown));
    }
    let how = match (ended.code(), ended.signal()) {
        (Some(code), _) => format!("ended with the code {code}"),
        (None, Some(signal)) => format!("was killed by the signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    let said = if shown.is_empty() { shown } else { format!(": {shown}") };
    Err(CompileError::Crashed { how, said }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: CompileOrder =
        CompileOrder { cpu: Duration::from_millis(1_500), memory: 512 << 20, artefact: 1 << 20 };

    fn told(status: i32, said: &str) -> String {
        explain(ORDER, ExitStatus::from_raw(status), said.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn every_end_has_its_own_words() {
        assert!(explain(ORDER, ExitStatus::from_raw(0), b"").is_ok());
        let exit = |code: i32| code << 8;
        assert!(
            told(24, "").contains("more than 1.5s of processor time")
                && told(24, "").contains("limits.compile_cpu")
        );
        assert!(told(25, "").contains("more than 1 MiB of code"));
        for (status, said) in [
            (6, "memory allocation of 1048576 bytes failed"),
            (exit(3), "mmap failed: Cannot allocate memory (os error 12)"),
            (exit(5), "read the component: out of memory"),
            (exit(101), "ThreadPoolBuildError { kind: IOError(Os { code: 11 }) }"),
        ] {
            assert!(told(status, said).contains("more than 512 MiB of memory"), "{said}");
        }
        assert_eq!(
            told(exit(3), "function 7 is too large\n"),
            "is not a valid component: function 7 is too large"
        );
        assert_eq!(told(11, ""), "could not be compiled: the compiler was killed by the signal 11");
        let long = format!("{}\u{1b}[31mred\nend", "x".repeat(9_000));
        let shown = told(exit(101), &long);
        assert!(
            shown.starts_with("could not be compiled: the compiler ended with the code 101: xxx"),
            "{shown}"
        );
        assert!(shown.ends_with("end") && !shown.contains(['\u{1b}', '\n']) && shown.len() < 700, "{shown}");
    }
}
