//! Which file is used: the one named, else the nearest of the usual ones, else the built-in default.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checked::Config;
use super::document::MAX_BYTES;
use super::fault::Fault;
use super::report::Report;
use super::text::Text;

/// Where a configuration is looked for when none is named, first to last.
const USUAL: &[&str] = &["jackfield.yaml", "config/jackfield.yaml"];

/// The commented default that ships with the gateway.
const DEFAULT: &str = include_str!("../../../../../config/jackfield.yaml");

/// Where a configuration came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// The default inside the program.
    BuiltIn,
    /// A text handed over by the caller, under this name.
    Text(String),
}

impl Source {
    /// The folder of the file, as the path to it is written; empty where there is no file.
    pub fn folder(&self) -> &Path {
        match self {
            Self::File(path) => path.parent().unwrap_or(Path::new("")),
            Self::BuiltIn | Self::Text(_) => Path::new(""),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::BuiltIn => f.write_str("built-in default"),
            Self::Text(name) => f.write_str(name),
        }
    }
}

impl Config {
    /// Loads the configuration: the file named, else `./jackfield.yaml`, else
    /// `./config/jackfield.yaml`, else the built-in default. Reads the process's environment.
    pub fn load(path: Option<&Path>) -> Result<Self, Report> {
        let environment = |name: &str| std::env::var(name).ok();
        match path.map(Path::to_owned).or_else(|| usual(Path::new(""))) {
            Some(path) => {
                let text = read(&path).map_err(|error| unreadable(&path, &error))?;
                Self::check(Source::File(path), &text, &environment)
            }
            None => Self::check(Source::BuiltIn, DEFAULT, &environment),
        }
    }

    /// The text of the built-in default, comments included.
    pub fn default_text() -> &'static str {
        DEFAULT
    }
}

/// The first usual file that is there, below a folder but named without it. One that is there but cannot be read is still chosen: to
/// pass over it in silence would run the gateway on another configuration than the one meant.
fn usual(folder: &Path) -> Option<PathBuf> {
    USUAL.iter().map(PathBuf::from).find(|path| folder.join(path).symlink_metadata().is_ok())
}

/// Reads at most one byte more than a configuration may have: enough for the check to refuse it.
fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        // Cut inside a character, it is too large, not badly encoded.
        Err(error) if error.as_bytes().len() > MAX_BYTES => {
            Ok(String::from_utf8_lossy(error.as_bytes()).into_owned())
        }
        Err(error) => {
            let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|b| *b == b'\n').count();
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is not valid UTF-8 in line {line}")))
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Report {
    let name = path.display().to_string();
    let text = Arc::new(Text::new(&name, ""));
    let fault = Fault::new(&text, None, format!("the file cannot be read: {error}"));
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "check the path; without `--config` the built-in default would be used",
        io::ErrorKind::PermissionDenied => "check who may read it",
        io::ErrorKind::InvalidData => "save it as UTF-8",
        _ => "check that it is a file",
    };
    Report::new(&name, vec![fault.hint(hint)], 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_usual_file_is_chosen() {
        let folder = std::env::temp_dir().join(format!("jackfield-usual-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("config")).unwrap();
        assert_eq!(usual(&folder), None);
        std::fs::write(folder.join(USUAL[1]), "").unwrap();
        assert_eq!(usual(&folder), Some(PathBuf::from(USUAL[1])));
        std::fs::write(folder.join(USUAL[0]), "").unwrap();
        assert_eq!(usual(&folder), Some(PathBuf::from(USUAL[0])));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn bad_encoding_names_its_line() {
        let file = std::env::temp_dir().join(format!("jackfield-latin1-{}.yaml", std::process::id()));
        std::fs::write(&file, b"server:\n  listen: \xe9\n").unwrap();
        let report = Config::load(Some(&file)).unwrap_err().to_string();
        std::fs::remove_file(&file).unwrap();
        assert!(
            report.contains("not valid UTF-8 in line 2") && report.contains("save it as UTF-8"),
            "{report}"
        );
    }
}
