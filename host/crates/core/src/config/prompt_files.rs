//! Prompts that stand in files of their own: `{ file: prompts/plan.md }` where a prompt, a system message or a template is written.
//!
//! The text takes the place of the mapping before anything is checked, so whatever reads a configuration, and every digest of it,
//! has the text. A relative path starts at the configuration file's folder. Bounded: `MAX_FILE` bytes a file, `MAX_FILES` of them.
//! Reads nothing else, and puts nothing in: `${…}` in a file means what it means in a prompt.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::findings::Located;
use super::pointer::Pointer;
use super::source::Source;

/// The largest file, in bytes.
const MAX_FILE: usize = 256 << 10;
/// Files in one configuration.
const MAX_FILES: usize = 256;
/// What stands in for a text that cannot be read: its fault is told, and no other comes of it (a template has to have the input).
const UNREAD: &str = "(a file that cannot be read) ${input}";

/// Where texts may stand in files; `*` is any name or place.
const PLACES: &[&[&str]] = &[
    &["workflows", "*", "steps", "*", "prompt"],
    &["workflows", "*", "steps", "*", "system"],
    &["workflows", "*", "steps", "*", "template"],
    &["workflows", "*", "steps", "*", "repeat", "evaluate", "prompt"],
    &["workflows", "*", "steps", "*", "repeat", "evaluate", "system"],
    &["workflows", "*", "steps", "*", "repeat", "improve", "prompt"],
    &["workflows", "*", "steps", "*", "repeat", "improve", "system"],
    &["workflows", "*", "steps", "*", "refine", "prompt"],
    &["workflows", "*", "steps", "*", "refine", "system"],
    &["orchestrator", "routes", "*", "template"],
];

/// The files that were read, and a digest of what was in them.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) paths: Vec<PathBuf>,
    sum: Sha256,
}

impl Files {
    /// The digest of a configuration's text and of these.
    pub(super) fn fingerprint(self, text: &str) -> [u8; 32] {
        let mut sum = Sha256::new_with_prefix(text.as_bytes());
        if !self.paths.is_empty() {
            sum.update(self.sum.finalize());
        }
        sum.finalize().into()
    }
}

/// Puts the texts of files where they belong.
pub(super) fn take_in(value: &mut Value, source: &Source, found: &mut Located<'_>) -> Files {
    let folder = match source {
        Source::File(path) => path.parent().unwrap_or(Path::new("")),
        Source::BuiltIn | Source::Text(_) => Path::new(""),
    };
    let mut files = Files::default();
    for place in PLACES {
        walk(value, place, &Pointer::root(), folder, &mut files, found);
    }
    files.paths.sort();
    files.paths.dedup();
    files
}

fn walk(
    value: &mut Value,
    place: &[&str],
    at: &Pointer,
    folder: &Path,
    files: &mut Files,
    found: &mut Located<'_>,
) {
    let Some((first, rest)) = place.split_first() else {
        if value.is_object() {
            *value = Value::String(text(value, at, folder, files, found));
        }
        return;
    };
    match value {
        Value::Object(members) if *first == "*" => {
            for (name, member) in members {
                walk(member, rest, &at.key(name), folder, files, found);
            }
        }
        Value::Object(members) => {
            if let Some(member) = members.get_mut(*first) {
                walk(member, rest, &at.key(first), folder, files, found);
            }
        }
        Value::Array(elements) if *first == "*" => {
            for (index, element) in elements.iter_mut().enumerate() {
                walk(element, rest, &at.index(index), folder, files, found);
            }
        }
        _ => {}
    }
}

/// The text of the file that is named here; what is wrong is told.
fn text(value: &Value, at: &Pointer, folder: &Path, files: &mut Files, found: &mut Located<'_>) -> String {
    let members = value.as_object();
    let named =
        members.filter(|members| members.len() == 1).and_then(|members| members.get("file")?.as_str());
    let Some(named) = named.filter(|named| !named.is_empty()) else {
        let message = format!("`{}` is a text, or a mapping that names its file", found.path(at));
        found.fault(at, message, "write `{ file: prompts/plan.md }` and nothing beside it");
        return UNREAD.to_owned();
    };
    let (value_at, at) = (at, at.key("file"));
    let path = folder.join(named);
    if files.paths.len() >= MAX_FILES {
        let message = format!("more than {MAX_FILES} texts stand in files");
        found.fault(&at, message, "write some of them into the configuration");
        return UNREAD.to_owned();
    }
    // Watched also while it cannot be read: it may come to be there.
    files.paths.push(path.clone());
    match read(&path) {
        Ok(text) => {
            // The lengths keep two texts from running into each other.
            files.sum.update((text.len() as u64).to_le_bytes());
            files.sum.update(text.as_bytes());
            found.stands_in(value_at.clone(), &path.display().to_string(), &text);
            text
        }
        Err(why) => {
            let message = format!("the file {} cannot be read: {why}", path.display());
            let hint = match folder.as_os_str().is_empty() {
                true => "a relative path starts at the folder that the gateway runs in".to_owned(),
                false => {
                    format!("a relative path starts at the configuration's folder, {}", folder.display())
                }
            };
            found.fault(&at, message, hint);
            UNREAD.to_owned()
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    // To open a pipe is to wait for its writer, and other devices may do worse: looked at before, and once more for what is open.
    let opened = std::fs::metadata(path).and_then(|about| about.is_file().then(|| open(path)).transpose());
    let file = opened.map_err(|error| error.to_string())?;
    let Some(file) = file.filter(|file| file.metadata().is_ok_and(|about| about.is_file())) else {
        return Err("it is not a file".to_owned());
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > MAX_FILE {
        return Err(format!("it is larger than {} KiB", MAX_FILE >> 10));
    }
    String::from_utf8(bytes).map_err(|_| "it is not valid UTF-8".to_owned())
}

/// Opens a file and waits for nobody, should it be a pipe by now.
#[cfg(unix)]
fn open(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> std::io::Result<File> {
    File::open(path)
}

/// What such a place takes, for editors.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "object"],
        "properties": {
            "file": { "type": "string", "description": "The file with the text; a relative path starts at this file's folder." },
        },
        "required": ["file"],
        "additionalProperties": false,
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let pipe = std::env::temp_dir().join(format!("jackfield-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let (tell, told) = std::sync::mpsc::channel();
        let path = pipe.clone();
        std::thread::spawn(move || {
            // Whether it is looked at first, or has become one since.
            let opened = open(&path).map(|_| ()).map_err(|error| error.to_string());
            tell.send((read(&path), opened))
        });
        let told = told.recv_timeout(std::time::Duration::from_secs(10));
        std::fs::remove_file(pipe).unwrap();
        assert_eq!(told, Ok((Err("it is not a file".to_owned()), Ok(()))));
    }
}
