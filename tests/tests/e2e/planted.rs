//! A board that somebody else has handed over or could write to, with links in it that lead outside: nothing outside
//! is read into answers, written, or deleted.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use taskhost::domain::Place;
use taskhost::{Board, NewTask, OpenOptions, Owner, SessionOptions, TaskId};
use taskhost_tests::TestBoard;

const SECRET: &str = "nobody was given this";
/// What the policy keeps in a file.
const KEPT: &str = "nor this";

/// Everything below a directory: what it is, when it was changed, and its content.
fn everything(below: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![below.to_owned()];
    while let Some(path) = left.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let content = match meta.file_type() {
            kind if kind.is_dir() => {
                left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                Vec::new()
            }
            kind if kind.is_file() => fs::read(&path).unwrap(),
            _ => fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(),
        };
        found.insert(path, (meta.mode(), meta.mtime(), meta.mtime_nsec(), content));
    }
    found
}

fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

fn task(text: &str) -> NewTask {
    NewTask { id: Some(id(text)), ..NewTask::new("work".parse().unwrap()) }
}

/// Uses everything that a board has, as far as it goes, and gives every answer and error that it got as one text.
fn use_everything(path: &Path) -> String {
    let options = OpenOptions { timeout: Duration::from_secs(2), ..OpenOptions::default() };
    let mut said = String::new();
    let mut say = |what: &dyn std::fmt::Debug| said.push_str(&format!("{what:?}\n"));
    say(&Board::init(path, &Default::default()).err());
    say(&Board::import(path, &b""[..], &options).err());
    match Board::open_with(path, &options) {
        Err(error) => say(&error),
        Ok(board) => {
            say(&board.add(&[task("another")]).map(|added| added.len()));
            say(&board.task(&id("another")).map(|task| task.data));
            match board.session(&SessionOptions::new("ada")) {
                Err(error) => say(&error),
                Ok(session) => {
                    let claimed = session.claim();
                    say(&claimed.as_ref().map(|_| ()));
                    if let Ok(Some(claim)) = claimed {
                        say(&claim.complete(None).map(|_| ()));
                    }
                }
            }
            let (contexts, owner) = (board.contexts(), Owner::Task(id("t")));
            say(&contexts.get(&owner, &id("key")));
            say(&contexts.set(&owner, &id("key"), b"new", board.deadline()));
            say(&contexts.append(&owner, &id("other"), b"more", board.deadline()));
            say(&contexts.remove(&owner, &id("key"), board.deadline()));
            say(&contexts.owners().map(|owners| owners.len()));
            say(&board.hold_task(&id("t"), Some("ada")).err());
            say(&board.hold_board(Some("ada")).err());
            let powers = board.store().powers();
            let short = Duration::from_millis(200);
            say(&powers.read(Place::Board, "kept", short));
            say(&powers.replace(Place::Board, "kept", b"new", None, short));
            say(&powers.lock("quota", short).err());
            say(&board.history(Default::default(), |_, _| true));
            say(&board.figures().map(|_| ()));
            say(&board.disk_use().map(|_| ()));
            say(&board.compact());
            say(&board.export(&mut std::io::sink()));
            say(&board.doctor().findings);
        }
    }
    say(&taskhost::examine(path, &options).map(|report| report.findings));
    say(&taskhost::repair(path, false, &options).map(|repaired| repaired.left));
    if let Ok(board) = Board::open_with(path, &options) {
        say(&board.add(&[task("last")]).map(|added| added.len()));
        say(&board.compact());
    }
    said
}

/// A board that has something of everything, and a directory beside it that is nobody's business.
fn board_with_everything() -> (TestBoard, PathBuf) {
    let test = TestBoard::new();
    test.add(&["t", "done"]);
    test.run(&["run", "--agents", "1", "--", "true"]).exits(0);
    let board = test.open();
    let owner = Owner::Task(id("t"));
    board.contexts().set(&owner, &id("key"), SECRET.as_bytes(), board.deadline()).unwrap();
    board.compact().unwrap();
    board.add(&[task("u"), task("v")]).unwrap();
    drop(board.hold_task(&id("u"), None).unwrap());
    drop(board.hold_board(None).unwrap());
    let powers = board.store().powers();
    let long = Duration::from_secs(60);
    powers.replace(Place::Board, "kept", KEPT.as_bytes(), None, long).unwrap();
    drop(powers.lock("quota", long).unwrap());
    board.figures().unwrap();
    // Its lock stays for as long as its claim does.
    assert!(board.agent("gone").unwrap().claim().unwrap().is_some());
    let outside = test.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), SECRET).unwrap();
    (test, outside)
}

/// The directory of the index, whose name is another one each time.
fn environment(board: &Path) -> PathBuf {
    let entries = fs::read_dir(board.join("index")).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().find(|path| path.is_dir()).unwrap()
}

/// Everything that the board consists of, without the directory itself.
fn parts(board: &Path) -> Vec<PathBuf> {
    let index = environment(board);
    let parts: Vec<PathBuf> = everything(board)
        .into_keys()
        .map(|path| match path.strip_prefix(&index) {
            Ok(inside) if inside == Path::new("") => Path::new("index/*").to_owned(),
            Ok(inside) => Path::new("index/*").join(inside),
            Err(_) => path.strip_prefix(board).unwrap().to_owned(),
        })
        .filter(|part| part != Path::new(""))
        .collect();
    let names: Vec<String> = parts.iter().map(|path| path.display().to_string()).collect();
    for part in [
        "board.json",
        "board.lock",
        "journal-",
        "tasks-",
        "index/shared",
        "index/stats",
        "index/*/data.mdb",
        "index/*/lock.mdb",
        "context/task/t/key",
        "output/t/1/stdout",
        "policies/",
        "policy-files/kept",
        "policy-files/.lock",
        "history/journal-",
        "locks/task_u.lock",
        "locks/policy_quota.lock",
        "agents/",
    ] {
        assert!(names.iter().any(|name| name.starts_with(part)), "no {part}: {names:?}");
    }
    parts
}

/// For each part of a board in turn: `plant` puts something in its place, the board is used, and what is outside must
/// be as it was. What the parts held must not come back as an answer either.
fn plant_in_each_place(plant: impl Fn(&Path, &Path)) {
    let (test, outside) = board_with_everything();
    let board = test.path();
    let template = test.folder().join("template");
    fs::rename(&board, &template).unwrap();
    for part in parts(&template) {
        let copied = std::process::Command::new("cp").arg("-a").args([&template, &board]).status();
        assert!(copied.unwrap().success());
        // A copy has its own index and shared words from its first use on.
        Board::open(&board).unwrap().figures().unwrap();
        let place = match part.strip_prefix("index/*") {
            Ok(inside) if inside == Path::new("") => environment(&board),
            Ok(inside) => environment(&board).join(inside),
            Err(_) => board.join(&part),
        };
        plant(&place, &outside);
        let is_link = fs::symlink_metadata(&place).is_ok_and(|found| found.is_symlink());
        let before = everything(&outside);
        let said = use_everything(&board);
        assert_eq!(everything(&outside), before, "{}: {said}", part.display());
        for (of, held) in [("context", SECRET), ("policy-files", KEPT)] {
            let is_said = said.contains(&format!("{:?}", held.as_bytes()));
            // What is planted beside it isn't in its way, and a hard link is the file itself.
            let is_beside = part.ends_with(".lock") || part.ends_with("agent");
            if part.starts_with(of) && is_link && !is_beside {
                assert!(!is_said, "{}: {said}", part.display());
            }
        }
        fs::remove_dir_all(&board).unwrap();
        let moved = outside.join("moved");
        let _ = fs::remove_dir_all(&moved).or_else(|_| fs::remove_file(&moved));
    }
}

// `run` followed a link in place of `output` and wrote there, and one in place of an attempt's `task.json` overwrote
// what it led to: whoever hands somebody a board chose which of his files that was. Here every part of a board is moved
// out and linked to, so that whoever follows the link finds what he looks for, and goes on there.
#[test]
fn nothing_is_changed_behind_a_link_in_place_of_any_part_of_a_board() {
    plant_in_each_place(|part, outside| {
        let moved = outside.join("moved");
        fs::rename(part, &moved).unwrap();
        symlink(&moved, part).unwrap();
    });
}

// A link to a name that isn't there yet makes a file where its maker can't write himself.
#[test]
fn nothing_is_made_behind_a_link_to_nothing() {
    plant_in_each_place(|part, outside| {
        if part.is_dir() {
            fs::remove_dir_all(part).unwrap();
        } else {
            fs::remove_file(part).unwrap();
        }
        symlink(outside.join("made"), part).unwrap();
    });
}

// A hard link needs no following. LMDB wrote its table of readers over whatever was linked in place of its lock file.
#[test]
fn what_a_hard_link_shares_is_not_overwritten() {
    plant_in_each_place(|part, outside| {
        if part.is_file() {
            fs::remove_file(part).unwrap();
            fs::hard_link(outside.join("precious"), part).unwrap();
        }
    });
}

// See the first: the parts of `output` that only `run` writes, with everything in the way that it could write to.
#[test]
fn run_writes_its_commands_output_nowhere_else() {
    let plants: [fn(&Path, &Path); 4] = [
        |board, outside| {
            fs::remove_dir(board.join("output")).unwrap();
            symlink(outside, board.join("output")).unwrap();
        },
        |board, outside| symlink(outside, board.join("output/t")).unwrap(),
        |board, outside| {
            fs::create_dir_all(board.join("output/t")).unwrap();
            symlink(outside, board.join("output/t/1")).unwrap();
            symlink(outside, board.join("output/t/1-token-1")).unwrap();
        },
        |board, outside| {
            for attempt in ["1", "1-token-1"] {
                let dir = board.join("output/t").join(attempt);
                fs::create_dir_all(&dir).unwrap();
                for file in ["task.json", "stdout", "stderr", "result.json"] {
                    symlink(outside.join("precious"), dir.join(file)).unwrap();
                }
            }
        },
    ];
    for plant in plants {
        let test = TestBoard::new();
        test.add(&["t"]);
        let outside = test.folder().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), SECRET).unwrap();
        plant(&test.path(), &outside);
        let before = everything(&outside);
        let run = test.run(&["run", "--agents", "1", "--max-failures", "1", "--", "echo", "said"]);
        assert_eq!(everything(&outside), before, "{run:?}");
        assert!(!run.stdout.contains(SECRET) && !run.stderr.contains(SECRET), "{run:?}");
        assert!(run.code != 0, "what can't be kept isn't done: {run:?}");
        let said = test.run_plain(&["context", "list", "--task", "t"]);
        assert!(!said.stdout.contains("precious"), "{said:?}");
        assert_eq!(test.task("t")["status"], "pending", "nobody has worked on it");
    }
}

// A board brings its settings along, and one of them names a directory that policies may read and replace files in. One
// that was handed over named its victim's `.ssh`: the next `add` had its policy read the key, or replace it.
#[test]
fn handed_over_board_reaches_no_shared_directory_that_was_not_shared_with_it() {
    let theirs = TestBoard::new();
    let shared = theirs.folder().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("key"), SECRET).unwrap();
    let name = shared.to_str().unwrap();
    theirs.run(&["config", "set", "shared_files", name]).exits(0);
    let read =
        |board: &Board| board.store().powers().read(Place::Shared, "key", Duration::from_secs(60));
    let replace = |board: &Board| {
        let long = Duration::from_secs(60);
        board.store().powers().replace(Place::Shared, "key", b"mine", None, long)
    };
    assert_eq!(read(&theirs.open()).unwrap(), SECRET.as_bytes(), "it is shared with this one");

    // What they hand over says the same, and on this machine nobody has shared the directory with it.
    let consent = fs::read_dir(&shared)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(".shared-with-"))
        .unwrap();
    fs::remove_file(consent).unwrap();
    let exported = theirs.folder().join("board.jsonl");
    theirs.run(&["export", exported.to_str().unwrap()]).exits(0);
    let ours = TestBoard::missing();
    ours.run(&["import", exported.to_str().unwrap()]).exits(0);
    let before = everything(&shared);
    for board in [theirs.open(), ours.open()] {
        assert_eq!(board.settings().unwrap().shared_files.as_deref(), Some(name));
        let (read, replaced) = (read(&board).unwrap_err(), replace(&board).unwrap_err());
        for refused in [read, replaced] {
            assert!(refused.to_string().contains("is not shared with this board"), "{refused}");
        }
    }
    // Another setting is no consent; this one is, though it was so already.
    ours.run(&["config", "set", "keys_kept", "1d"]).exits(0);
    assert!(read(&ours.open()).is_err());
    assert_eq!(everything(&shared), before);
    ours.run(&["config", "set", "shared_files", name]).exits(0);
    assert_eq!(read(&ours.open()).unwrap(), SECRET.as_bytes());
    replace(&ours.open()).unwrap();
}

// What is left when all of this is done: the board works on once the links are gone.
#[test]
fn finished_work_is_there_after_the_links_are_gone() {
    let test = TestBoard::new();
    test.add(&["t"]);
    let (id, token) = test.claim("ada");
    let journal = test.path().join("journal-1.jsonl");
    let moved = test.folder().join("moved");
    fs::rename(&journal, &moved).unwrap();
    symlink(&moved, &journal).unwrap();
    let before = fs::read(&moved).unwrap();
    test.run(&["complete", &id, "--agent", "ada", "--token", &token]).exits(9);
    assert_eq!(fs::read(&moved).unwrap(), before);
    fs::remove_file(&journal).unwrap();
    fs::rename(&moved, &journal).unwrap();
    test.run(&["complete", &id, "--agent", "ada", "--token", &token]).exits(0);
    let board = test.open();
    assert!(board.task(&self::id("t")).unwrap().claim.is_none());
    test.assert_healthy();
}
