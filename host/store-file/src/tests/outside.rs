//! The seam to the disk: what lies outside a board's directory, and what another descriptor of a file does to its lock.

use std::os::unix::fs::symlink;
use std::process::Command as Program;

use cap_std::fs::Dir;

use super::*;
use crate::disk::{Disk, How, RealDisk};

/// Says that nobody can lock the file now, or that somebody can, as another program sees it.
fn is_locked(file: &Path) -> bool {
    let mut tried = Program::new("flock");
    tried.arg("--nonblock").arg(file).arg("true");
    !tried.status().expect("util-linux has `flock`").success()
}

/// POSIX `fcntl` locks are dropped when any descriptor of the file is closed in the process: a library that only looked
/// at the lock file gave it away (SQLite's documentation calls it the most broken design). Ours are `flock`s.
#[test]
fn closing_another_descriptor_of_a_lock_file_lets_nothing_go() {
    let (directory, store) = fresh();
    let file = board(&directory).join("board.lock");
    let opened = store.begin(far()).unwrap();
    for _ in 0..3 {
        drop(std::fs::File::open(&file).unwrap());
        drop(std::fs::OpenOptions::new().append(true).open(&file).unwrap());
        std::fs::read(&file).unwrap();
        // Another handle of this process, too, that comes and goes.
        drop(open(&board(&directory)));
        assert!(is_locked(&file));
    }
    drop(opened);
    assert!(!is_locked(&file));
}

/// cap-primitives before 4.0.3 followed a link out of the sandbox if the path ended in a slash.
#[test]
fn no_path_leads_out_of_a_directory_whatever_it_ends_in() {
    let directory = tempfile::tempdir().unwrap();
    let (inside, outside) = (directory.path().join("inside"), directory.path().join("outside"));
    for path in [&inside, &outside, &outside.join("folder")] {
        std::fs::create_dir(path).unwrap();
    }
    std::fs::write(outside.join("file"), "theirs").unwrap();
    std::fs::write(inside.join("own"), "ours").unwrap();
    symlink(&outside, inside.join("link")).unwrap();
    symlink("../outside", inside.join("relative")).unwrap();
    symlink(outside.join("file"), inside.join("to-file")).unwrap();
    let disk = RealDisk::new(
        Dir::open_ambient_dir(&inside, cap_std::ambient_authority()).expect("it is there"),
    );
    let absolute = outside.join("file").to_str().unwrap().to_owned();
    let mut paths = vec![absolute.clone(), format!("{absolute}/"), "to-file".into()];
    for base in ["link", "relative", "..", "../outside", "own/../../outside", "./.."] {
        for end in
            ["", "/", "//", "/.", "/./", "/file", "/file/", "/folder/", "/new", "/../outside/file"]
        {
            paths.push(format!("{base}{end}"));
        }
    }
    for path in paths {
        for how in [How::Read, How::Append, How::New, How::Lock] {
            assert!(disk.open(&path, how).is_err(), "{path} {how:?}");
        }
        // A link itself is a name of this directory, and may be replaced.
        if !["link", "relative", "to-file"].contains(&path.trim_end_matches('/')) {
            assert!(disk.rename("own", &path).is_err(), "{path}");
        }
        assert!(disk.create_dir(&path).is_err(), "{path}");
        let listed = disk.list(&path).unwrap_or_default();
        assert!(!listed.contains(&"file".to_owned()), "{path}");
        assert!(disk.directories(&path).unwrap_or_default().is_empty(), "{path}");
    }
    assert_eq!(std::fs::read_to_string(outside.join("file")).unwrap(), "theirs");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 2);
}
