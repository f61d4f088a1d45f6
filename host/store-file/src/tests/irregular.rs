//! Something else in the place of one of the board's files: a named pipe, a socket, a directory, a link, a device.
//! Whoever opens a pipe waits for its other end, and every command hung for ever.

use std::path::PathBuf;
use std::sync::mpsc;

use taskhost_board::{Owner, Place};

use super::*;
use crate::RepairOptions;

/// How long it may take to do everything with a board that has one odd file. Waits for locks are short.
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
enum Kind {
    Pipe,
    Socket,
    Directory,
    Link,
    Device,
}

impl Kind {
    /// Makes one at `path`; `false` if this user may not.
    fn make(self, path: &Path) -> bool {
        use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
        let mode = Mode::RUSR | Mode::WUSR;
        match self {
            Self::Pipe => mknodat(CWD, path, FileType::Fifo, mode, 0).is_ok(),
            Self::Socket => mknodat(CWD, path, FileType::Socket, mode, 0).is_ok(),
            Self::Directory => std::fs::create_dir(path).is_ok(),
            Self::Link => std::os::unix::fs::symlink("/dev/zero", path).is_ok(),
            // The one that never ends.
            Self::Device => {
                mknodat(CWD, path, FileType::CharacterDevice, mode, makedev(1, 5)).is_ok()
            }
        }
    }
}

/// A board that has a file of every kind.
fn whole_board(path: &Path) {
    let store = FileStore::init(path, &plan(), OpenOptions::default()).unwrap();
    let engine = engine(&store);
    add(&engine, "t", &[]);
    store.compact(far()).unwrap();
    add(&engine, "u", &[]);
    drop(store.live(&session()).unwrap());
    drop(store.hold_task(&id("t"), Some("me"), far()).unwrap());
    store.contexts().set(&owner(), &id("k"), b"value", far()).unwrap();
    store.powers().replace(Place::Board, "quota", b"7", None, Duration::from_secs(5)).unwrap();
    drop(store.powers().lock("quota", Duration::from_secs(5)).unwrap());
    std::fs::write(path.join("locks/task_t.holder"), "{}").unwrap();
}

fn owner() -> Owner {
    Owner::Task(id("t"))
}

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

fn every_file(path: &Path, below: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(path.join(below)).unwrap() {
        let entry = entry.unwrap();
        let name = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            every_file(path, &name, found);
        } else {
            found.push(name);
        }
    }
}

/// Does everything that can be done; gives what was said about what couldn't.
fn do_everything(path: &Path) -> Vec<String> {
    let mut said = Vec::new();
    let mut note = |error: Option<String>| said.extend(error);
    let short = || Deadline::now() + Duration::from_millis(200);
    let options = OpenOptions { lock_wait: Duration::from_millis(200), ..OpenOptions::default() };
    match FileStore::open(path, options.clone()) {
        Err(error) => note(Some(error.to_string())),
        Ok(store) => {
            note(store.begin(short()).err().map(|e| e.to_string()));
            note(try_to_remember(&store, "k", short()).err());
            note(store.snapshot().err().map(|e| e.to_string()));
            note(store.live(&session()).err().map(|e| e.to_string()));
            note(store.hold_task(&id("t"), Some("me"), short()).err().map(|e| e.to_string()));
            note(store.lock_task(&id("t"), short()).err().map(|e| e.to_string()));
            note(store.task_locker(&id("t")).err().map(|e| e.to_string()));
            let contexts = store.contexts();
            note(contexts.get(&owner(), &id("k")).err().map(|e| e.to_string()));
            note(contexts.list(&owner()).err().map(|e| e.to_string()));
            note(contexts.append(&owner(), &id("k"), b"+", short()).err().map(|e| e.to_string()));
            let (powers, patience) = (store.powers(), Duration::from_millis(200));
            note(powers.read(Place::Board, "quota", patience).err().map(|e| e.to_string()));
            note(powers.lock("quota", patience).err().map(|e| e.to_string()));
            note(store.history(Sequence(0), &mut |_, _| true).err().map(|e| e.to_string()));
            note(store.export(&mut |_| Ok(())).err().map(|e| e.to_string()));
            note(store.disk_use().err().map(|e| e.to_string()));
            note(store.figures().err().map(|e| e.to_string()));
            note(store.compact(short()).err().map(|e| e.to_string()));
            note(store.trim_history().err().map(|e| e.to_string()));
            said.extend(store.doctor().findings.iter().map(ToString::to_string));
        }
    }
    let options = RepairOptions { open: options, ..RepairOptions::default() };
    said.extend(FileStore::repair(path, options).err().map(|e| e.to_string()));
    said
}

fn check(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("model");
    whole_board(&model);
    let mut names = Vec::new();
    every_file(&model, Path::new(""), &mut names);
    for part in ["data.mdb", "lock.mdb", "shared", "stats", "board.json", "board.lock", "quota"] {
        assert!(names.iter().any(|name| name.ends_with(part)), "{part} is among {names:?}");
    }
    if !kind.make(&directory.path().join("odd")) {
        return eprintln!("NOT TRIED: this user may not make a {kind:?}");
    }
    for number in 0..names.len() {
        let path = directory.path().join(format!("board-{number}"));
        whole_board(&path);
        let mut own = Vec::new();
        every_file(&path, Path::new(""), &mut own);
        own.sort();
        let name = own[number.min(own.len() - 1)].clone();
        std::fs::remove_file(path.join(&name)).unwrap();
        assert!(kind.make(&path.join(&name)));
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(do_everything(&path)));
        let said = receiver
            .recv_timeout(DEADLINE)
            .unwrap_or_else(|_| panic!("with a {kind:?} at `{}` it hangs", name.display()));
        let name = name.to_str().unwrap().to_owned();
        let is_needed =
            ["board.json", "board.lock"].contains(&name.as_str()) || name.starts_with("journal-2");
        if is_needed {
            let names_it = |text: &String| text.contains(&name) && text.contains("regular file");
            assert!(said.iter().any(names_it), "{kind:?} at `{name}`: {said:#?}");
        }
    }
}

#[test]
fn a_named_pipe_in_the_place_of_any_file_hangs_nothing() {
    check(Kind::Pipe);
}

#[test]
fn a_socket_in_the_place_of_any_file_hangs_nothing() {
    check(Kind::Socket);
}

#[test]
fn a_directory_in_the_place_of_any_file_hangs_nothing() {
    check(Kind::Directory);
}

#[test]
fn a_link_or_a_device_in_the_place_of_any_file_hangs_nothing() {
    check(Kind::Link);
    check(Kind::Device);
}

#[test]
fn an_error_says_what_is_in_the_place_of_a_file() {
    for (kind, what) in [
        (Kind::Pipe, "a named pipe"),
        (Kind::Socket, "a socket"),
        (Kind::Directory, "a directory"),
        (Kind::Link, "a symbolic link"),
    ] {
        let (directory, store) = fresh();
        drop(store);
        let file = board(&directory).join("board.json");
        std::fs::remove_file(&file).unwrap();
        assert!(kind.make(&file));
        let error = FileStore::open(&board(&directory), OpenOptions::default()).err().unwrap();
        let error = error.to_string();
        assert!(error.contains(&format!("`board.json`: it is {what}")), "{error}");
    }
}
