//! Where a kit's tools are, and how they are run: quietly, for a bounded time, and with what they say kept for the error.

use std::env;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::error::BuildError;

/// Where to look for tools.
#[derive(Clone, Debug)]
pub(in crate::cli::plugin) struct Tools {
    /// Folders in the order in which they are looked at.
    dirs: Vec<PathBuf>,
    /// The plugin's own: whoever wrote the plugin wrote what is run from there.
    own: Vec<PathBuf>,
}

impl Tools {
    /// `given` comes first, with the folders that package managers make in it; then PATH; then the plugin's own.
    pub(super) fn new(given: Option<PathBuf>, plugin: &Path) -> Self {
        let given = given.into_iter().flat_map(|dir| {
            [dir.clone(), dir.join("bin"), dir.join("node_modules/.bin"), dir.join(".venv/bin")]
        });
        let path = env::var_os("PATH").unwrap_or_default();
        let path: Vec<PathBuf> = env::split_paths(&path).collect();
        let own = [plugin.join("node_modules/.bin"), plugin.join(".venv/bin"), plugin.join("venv/bin")];
        // The tools run in another folder.
        let whole = |dir: PathBuf| dir.canonicalize().unwrap_or(dir);
        Self { dirs: given.chain(path).map(whole).collect(), own: own.into_iter().map(whole).collect() }
    }

    /// One folder and nothing else.
    #[cfg(test)]
    pub(super) fn only(dir: &Path) -> Self {
        Self { dirs: vec![dir.to_owned()], own: Vec::new() }
    }

    /// All but the plugin's own.
    pub(super) fn without_own(&self) -> Self {
        Self { dirs: self.dirs.clone(), own: Vec::new() }
    }

    /// The first program of this name.
    pub(in crate::cli::plugin) fn find(&self, program: &str) -> Option<PathBuf> {
        self.find_any(&[program])
    }

    /// The first program of any of these names, folder by folder.
    pub(super) fn find_any(&self, programs: &[&str]) -> Option<PathBuf> {
        let files = programs.iter().map(|program| format!("{program}{}", env::consts::EXE_SUFFIX));
        let files: Vec<String> = files.collect();
        let dirs = self.dirs.iter().chain(&self.own);
        dirs.flat_map(|dir| files.iter().map(move |file| dir.join(file))).find(|path| path.is_file())
    }
}

/// How long a tool may run.
const MAX_TIME: Duration = Duration::from_secs(300);
/// How much of what it says is kept of each of its streams, in bytes.
const MAX_SAID: u64 = 16 << 20;

/// Runs a tool to its end with nothing to read.
///
/// # Errors
/// It does not start, does not end, or fails: then the error holds what it said, on both of its streams.
pub(super) fn run(command: &mut Command, plugin: &str) -> Result<Output, BuildError> {
    run_within(command, plugin, MAX_TIME)
}

pub(super) fn run_within(command: &mut Command, plugin: &str, most: Duration) -> Result<Output, BuildError> {
    let program = PathBuf::from(command.get_program());
    let failed = |source| BuildError::Start { program: program.clone(), source };
    let too_long = || BuildError::TooLong {
        program: program.clone(),
        plugin: plugin.to_owned(),
        seconds: most.as_secs(),
    };
    // In this program's own group: what ends this one from a terminal ends the tool.
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    bound(&child, most);
    let end = Instant::now() + most;
    let (stdout, stderr) = (listen(child.stdout.take()), listen(child.stderr.take()));
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None if Instant::now() < end => thread::sleep(Duration::from_millis(5)),
            None => {
                // It may have ended just now.
                let _ = child.kill();
                let _ = child.wait();
                return Err(too_long());
            }
        }
    };
    // What it started may live on, and hold its streams.
    let heard = |said: Receiver<Vec<u8>>| {
        said.recv_timeout(end.saturating_duration_since(Instant::now())).map_err(|_| too_long())
    };
    let output = Output { status, stdout: heard(stdout)?, stderr: heard(stderr)? };
    if output.status.success() {
        return Ok(output);
    }
    let said: Vec<String> = [&output.stderr, &output.stdout]
        .map(|said| String::from_utf8_lossy(said).trim().to_owned())
        .into_iter()
        .filter(|said| !said.is_empty())
        .collect();
    let said = if said.is_empty() { output.status.to_string() } else { said.join("\n") };
    let tool = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Err(BuildError::Refused { tool, plugin: plugin.to_owned(), said })
}

/// Ends a tool, and what it starts, after twice its time on a processor: also when this program is not there any more to do it.
#[cfg(target_os = "linux")]
fn bound(child: &Child, most: Duration) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let seconds = Some(most.as_secs().max(1) * 2);
    let limit = Rlimit { current: seconds, maximum: seconds };
    // It may have ended already; and it is waited for with a deadline all the same.
    let _ = prlimit(Some(Pid::from_child(child)), Resource::Cpu, limit);
}

#[cfg(not(target_os = "linux"))]
fn bound(_: &Child, _: Duration) {}

/// Reads a stream to its end, and keeps the first of it.
fn listen(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (told, said) = channel();
    thread::spawn(move || {
        let mut kept = Vec::new();
        if let Some(mut stream) = stream {
            // What was heard until it broke off is heard; a tool whose stream is not read would stand still.
            let _ = stream.by_ref().take(MAX_SAID).read_to_end(&mut kept);
            let _ = io::copy(&mut stream, &mut io::sink());
        }
        // Nobody listens after the deadline.
        let _ = told.send(kept);
    });
    said
}
