//! Languages, projects and their digests: what needs no tool.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::language::{Language, LanguageError};
use super::project::{Project, ProjectError};
use super::tools::Tools;
use super::wit;
use crate::cli::plugin::digest::{digest, project_sources};

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::with_prefix("rule-").unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn open(dir: &Path) -> Result<Project, ProjectError> {
    Project::open(dir, Language::of(dir).unwrap(), Tools::new(None, dir))
}

#[test]
fn a_folder_tells_its_language() {
    let cases: [(&[(&str, &str)], Language); 10] = [
        (&[("Cargo.toml", ""), ("helper.py", ""), ("package.json", "{}")], Language::Rust),
        (&[("pyproject.toml", ""), ("plugin.c", "")], Language::Python),
        (&[("router.py", "")], Language::Python),
        (&[("plugin.mjs", "")], Language::JavaScript),
        (&[("plugin.ts", "")], Language::TypeScript),
        (&[("package.json", "{}"), ("plugin.js", "")], Language::JavaScript),
        (&[("package.json", "{}"), ("plugin.ts", "")], Language::TypeScript),
        (&[("package.json", r#"{"main": "src/rule.ts"}"#)], Language::TypeScript),
        (&[("package.json", r#"{"main": "plugin.js"}"#), ("plugin.ts", "")], Language::JavaScript),
        (&[("rule.c", ""), ("rule.h", "")], Language::C),
    ];
    for (files, language) in cases {
        assert_eq!(Language::of(folder(files).path()).unwrap(), language, "{files:?}");
    }
    assert!(matches!(Language::of(folder(&[("a.txt", "")]).path()), Err(LanguageError::None(_))));
    for files in [[("a.py", ""), ("a.c", "")], [("pyproject.toml", ""), ("package.json", "{}")]] {
        let error = Language::of(folder(&files).path()).unwrap_err().to_string();
        assert!(error.contains("Python and"), "{error}");
    }
}

#[test]
fn a_project_is_called_what_its_manifest_says() {
    let cases = [
        (
            "pyproject.toml",
            "[tool]\nname = \"no\"\n[project] # this\nname = 'urgent' # so\nversion=\"1.2.3\"\n",
            "urgent",
            "1.2.3",
        ),
        ("pyproject.toml", "[project]\nname = \"urgent\"\ndynamic = [\"version\"]\n", "urgent", "0.0.0"),
        ("package.json", r#"{"name": "@acme/urgent", "version": "2.0.0"}"#, "urgent", "2.0.0"),
        (
            "plugin.c",
            "// name: urgent\n//\n// version: 3.1.0\n#include \"jackfield.h\"\n// name: no\n",
            "urgent",
            "3.1.0",
        ),
    ];
    for (file, text, name, version) in cases {
        let project = open(folder(&[(file, text)]).path()).unwrap();
        assert_eq!((project.name.as_str(), project.version.as_str()), (name, version), "{text}");
    }
    let dir = folder(&[("rule.py", "")]);
    assert_eq!(open(dir.path()).unwrap().name, dir.path().file_name().unwrap().to_str().unwrap());
    let cases = [
        ("pyproject.toml", "[project]\nname = urgent\n", "line 2: `name` is no plain string"),
        ("package.json", "{", "EOF"),
        ("plugin.c", "// name: my rule\n", "build `my rule`"),
        ("plugin.c", "// name: my rule\n", "write another: `// name: NAME`"),
        ("package.json", r#"{"version": "1\u001b[2J"}"#, "its version is `1\\u{1b}[2J`"),
    ];
    for (file, text, said) in cases {
        let error = open(folder(&[(file, text)]).path()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_project_is_made_from_its_sources_and_nothing_else() {
    let dir = folder(&[
        ("pyproject.toml", ""),
        ("rule.py", ""),
        ("words/lists.py", ""),
        ("test_rule.py", ""),
        ("tests/more.py", ""),
        ("cases.yaml", ""),
        ("README.md", ""),
        (".venv/lib/a.py", ""),
        ("__pycache__/a.py", ""),
    ]);
    let project = open(dir.path()).unwrap();
    assert_eq!(project.sources, ["pyproject.toml", "rule.py", "words/lists.py"].map(PathBuf::from));
    let work = TempDir::new().unwrap();
    project.copy_into(work.path()).unwrap();
    assert!(work.path().join("words/lists.py").is_file() && !work.path().join("README.md").exists());

    let deep = folder(&[("plugin.py", ""), (&format!("{}a.py", "d/".repeat(17)), "")]);
    assert!(matches!(open(deep.path()), Err(ProjectError::TooMuch(_))));
}

#[test]
fn source_sdk_and_contract_are_in_the_digest() {
    let of = |files: &[(&str, &str)], sdk, wit| {
        let dir = folder(files);
        let mut project = open(dir.path()).unwrap();
        project.name = "rule".into();
        digest(&project_sources(&project, sdk, wit).unwrap())
    };
    let plain = of(&[("rule.py", "")], &[], &[]);
    assert_eq!(plain, of(&[("rule.py", ""), ("README.md", "x")], &[], &[]));
    for other in [
        of(&[("rule.py", " ")], &[], &[]),
        of(&[("rule.py", ""), ("requirements.txt", "")], &[], &[]),
        of(&[("rule.py", "")], &[("a", "")], &[]),
        of(&[("rule.py", "")], &[], &[("a", "")]),
    ] {
        assert_ne!(plain, other);
    }
}

#[test]
fn the_embedded_contract_is_the_whole_one() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let mut names: Vec<String> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, wit::WIT.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let out = TempDir::new().unwrap();
    super::write_files(wit::WIT, &out.path().join("wit")).unwrap();
    for name in names {
        assert_eq!(fs::read(dir.join(&name)).unwrap(), fs::read(out.path().join("wit").join(&name)).unwrap());
    }
}

#[test]
fn given_tools_come_first_and_the_plugins_own_last() {
    let given = folder(&[("bin/jackfield-tool", "")]);
    let own = folder(&[("node_modules/.bin/jackfield-tool", ""), (".venv/bin/other-tool", "")]);
    let tools = Tools::new(Some(given.path().to_owned()), own.path());
    let root = |dir: &TempDir| dir.path().canonicalize().unwrap();
    assert_eq!(tools.find("jackfield-tool"), Some(root(&given).join("bin/jackfield-tool")));
    assert_eq!(tools.find("other-tool"), Some(root(&own).join(".venv/bin/other-tool")));
    let alone = Tools::new(None, own.path()).find("jackfield-tool");
    assert_eq!(alone, Some(root(&own).join("node_modules/.bin/jackfield-tool")));
    assert_eq!(tools.find("no-tool"), None);
}

#[test]
fn a_compiler_of_the_plugins_own_does_not_go_before_one_by_another_name() {
    let given = folder(&[("bin/python-jackfield", "")]);
    let own = folder(&[(".venv/bin/jackfield", "")]);
    let tools = Tools::new(Some(given.path().to_owned()), own.path());
    let found = tools.find_any(&["jackfield", "python-jackfield"]);
    assert_eq!(found, Some(given.path().canonicalize().unwrap().join("bin/python-jackfield")));
    assert_eq!(tools.without_own().find("jackfield"), None);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_of_the_folder_is_no_source() {
    let elsewhere = folder(&[("secret.py", "")]);
    let targets = [elsewhere.path().join("secret.py"), "/dev/zero".into(), "/no/such".into(), "words".into()];
    for target in targets {
        let dir = folder(&[("rule.py", ""), ("words/a.py", "")]);
        std::os::unix::fs::symlink(&target, dir.path().join("more.py")).unwrap();
        assert!(matches!(open(dir.path()), Err(ProjectError::NotAFile(_))), "{}", target.display());
    }
    let dir = folder(&[("rule.py", "")]);
    std::os::unix::fs::symlink("rule.py", dir.path().join("same.py")).unwrap();
    assert_eq!(open(dir.path()).unwrap().sources.len(), 2);
    let large = fs::File::create(dir.path().join("large.py")).unwrap();
    large.set_len(33 << 20).unwrap();
    assert!(matches!(open(dir.path()), Err(ProjectError::TooMuch(_))));
    fs::remove_file(dir.path().join("large.py")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("pyproject.toml")).unwrap();
    assert!(open(dir.path()).unwrap_err().to_string().contains("no regular file"));
}

#[cfg(unix)]
#[test]
fn a_tool_that_does_not_end_is_ended() {
    let mut endless = std::process::Command::new("sh");
    endless.args(["-c", "while :; do :; done"]);
    let error =
        super::tools::run_within(&mut endless, "rule", std::time::Duration::from_millis(100)).unwrap_err();
    assert!(error.to_string().contains("does something loop"), "{error}");
}
