//! `jackfield plugin new`: a folder with a plugin that builds and passes its cases, to be changed from there.
//!
//! It is written once, into a folder that is new or empty; nothing that is there is touched, and nothing is downloaded.

mod rust;
mod template;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::build::language::Language;
use crate::cli::{Failed, Outcome, out};
use template::Template;

/// The longest name, in bytes: what a component's may have.
const MAX_NAME: usize = 64;

#[derive(Args, Clone, Debug)]
pub(crate) struct NewArgs {
    /// What the plugin is called: a-z, 0-9, `-` and `_`, a letter first
    #[arg(value_parser = name)]
    name: String,
    /// The language: rust, python, js, ts or c
    #[arg(long, value_name = "LANG", value_parser = language)]
    lang: Language,
    /// A check of answers instead of a router
    #[arg(long)]
    validator: bool,
    /// Where to write it [default: a folder of its name, here]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(in crate::cli) fn run(args: &NewArgs) -> Outcome {
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let failed = |why: &dyn std::fmt::Display| Failed(format!("error: write {}: {why}", dir.display()));
    let template = template::of(args.lang).ok_or_else(|| {
        failed(&format!("this build of jackfield has no template for {} yet", args.lang.title()))
    })?;
    take(&dir).map_err(|error| failed(&error))?;
    let written = write(&dir, &args.name, args.lang, &template, args.validator);
    let files = written.map_err(|error| failed(&error))?;
    let kind = if args.validator { "a validator" } else { "a router" };
    let shown = dir.display().to_string();
    out::line(&format!("{}, {kind} in {}: {}", args.name, args.lang.title(), files.join(", ")))?;
    // Quoted as a shell wants it, should it hold what a shell takes apart.
    let plain = shown.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    let shown = if plain { shown } else { format!("'{}'", shown.replace('\'', r"'\''")) };
    out::line(&format!("\n  cd {shown}\n  jackfield plugin test\n  jackfield plugin build"))
}

/// The folder, made if it is missing; one that holds anything is not ours.
fn take(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    match fs::read_dir(dir)?.next() {
        None => Ok(()),
        Some(_) => {
            let what = "the folder is not empty, and nothing is written over; name another with --dir";
            Err(io::Error::new(io::ErrorKind::AlreadyExists, what))
        }
    }
}

/// Writes the files and says which.
fn write(
    dir: &Path,
    plugin: &str,
    language: Language,
    template: &Template,
    validator: bool,
) -> io::Result<Vec<String>> {
    let sdk = match language {
        Language::Rust => rust::sdk_for(dir)?,
        // Theirs is part of this program, and put beside the sources when they are built.
        _ => String::new(),
    };
    let files = if validator { template.validator } else { template.router };
    let cases = if validator { template::POLITE } else { template::URGENT };
    let mut written = Vec::new();
    for (name, text) in files.iter().chain([&("cases.yaml", cases)]) {
        let path = dir.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text.replace(template::NAME, plugin).replace(template::SDK, &sdk))?;
        written.push((*name).to_owned());
    }
    Ok(written)
}

fn name(text: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    match text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(known)
        && text.len() <= MAX_NAME
    {
        true => Ok(text.to_owned()),
        false => Err(format!("it must be 1 to {MAX_NAME} of a-z, 0-9, `-` and `_`, a letter first")),
    }
}

fn language(text: &str) -> Result<Language, String> {
    let names = || Language::ALL.map(Language::name).join(", ");
    let known = Language::ALL.into_iter().find(|language| language.name() == text);
    known.ok_or_else(|| format!("there is no kit for it; there are: {}", names()))
}

#[cfg(test)]
mod tests;
