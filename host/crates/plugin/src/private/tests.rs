//! What makes a folder private, and files that appear whole.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_is_made_private_and_one_that_is_not_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("a/b/plugins");
    let folder = PrivateFolder::open(&path).unwrap();
    assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
    assert_eq!(folder.inside("compiled").unwrap().path().metadata().unwrap().mode() & 0o777, 0o700);
    assert!(folder.files().unwrap().is_empty(), "asking whether it can be written to leaves nothing");

    for open in [0o750, 0o705, 0o777] {
        mode(&path, open);
        let refused = PrivateFolder::open(&path).unwrap_err().to_string();
        assert!(refused.contains(&format!("mode {open:03o}")) && refused.contains("chmod 700"), "{refused}");
    }
    mode(&path, 0o700);
    mode(&path.join("compiled"), 0o755);
    assert!(matches!(folder.inside("compiled"), Err(NotPrivate::Open { mode: 0o755 })));

    let link = base.path().join("link");
    symlink(&path, &link).unwrap();
    for way in [link.clone(), PathBuf::from(format!("{}/", link.display()))] {
        assert!(matches!(PrivateFolder::open(&way), Err(NotPrivate::Link)), "{way:?}");
    }
    symlink(&path, path.join("inner")).unwrap();
    assert!(matches!(folder.inside("inner"), Err(NotPrivate::Unusable(_))));
    let file = base.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(PrivateFolder::open(&file), Err(NotPrivate::Unusable(_))));
}

#[test]
fn files_are_whole_and_ours_or_not_there() {
    let base = tempfile::tempdir().unwrap();
    let folder = PrivateFolder::open(&base.path().join("folder")).unwrap();
    folder.write("one", b"first").unwrap();
    folder.write("one", b"second").unwrap();
    assert_eq!(folder.read("one", 6).unwrap(), b"second");
    assert_eq!(folder.read("one", 5).unwrap_err().kind(), io::ErrorKind::FileTooLarge);

    let mut draft = folder.draft().unwrap();
    draft.file.write_all(b"half").unwrap();
    drop(draft);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "what was not published is gone");

    symlink(folder.path().join("one"), folder.path().join("link")).unwrap();
    assert!(folder.read("link", 10).is_err(), "a link is not followed");
    mode(&folder.path().join("one"), 0o666);
    assert_eq!(folder.read("one", 10).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
}

#[test]
fn a_folder_that_is_replaced_is_still_the_one_that_was_checked() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("folder");
    let folder = PrivateFolder::open(&path).unwrap();
    folder.write("entry", b"ours").unwrap();
    std::fs::rename(&path, base.path().join("aside")).unwrap();
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("entry"), "theirs").unwrap();
    assert_eq!(folder.read("entry", 10).unwrap(), b"ours");
}

#[test]
fn drafts_of_the_dead_are_removed_and_those_of_the_living_are_not() {
    let base = tempfile::tempdir().unwrap();
    let folder = PrivateFolder::open(&base.path().join("folder")).unwrap();
    let living = folder.draft().unwrap();
    let dead = folder.path().join(format!("{DRAFT}1-dead"));
    std::fs::write(&dead, "x").unwrap();
    let long_ago = SystemTime::now() - 2 * STALE;
    File::options().write(true).open(&dead).unwrap().set_modified(long_ago).unwrap();
    assert!(folder.files().unwrap().is_empty());
    assert!(!dead.exists());
    living.publish("entry").unwrap();
    assert_eq!(folder.files().unwrap()[0].name, "entry");
}
