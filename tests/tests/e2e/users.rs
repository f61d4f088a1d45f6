//! Other users of the machine, and other agents of the board: what they can't do.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use taskhost_tests::{Answer, Holder, TestBoard, taskhost};

/// Somebody who isn't us, and in no group of ours.
const NOBODY: u32 = 65_534;

/// Everything below a directory, with its mode, time of change and content.
fn everything(below: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut left = vec![below.to_owned()];
    while let Some(path) = left.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let content = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        found.insert(path, (meta.mode(), meta.mtime(), meta.mtime_nsec(), content));
    }
    found
}

/// `taskhost` with these arguments under an umask.
fn under(umask: &str, board: &TestBoard, arguments: &[&str]) -> Answer {
    let command = board.command::<&str>(&[]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "umask $0; exec \"$@\"", umask])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.args(arguments).current_dir(board.folder());
    Answer::of(shell.output().unwrap())
}

/// A board that something of everything was done on, all under one umask.
fn board_under(umask: &str) -> TestBoard {
    let board = TestBoard::missing();
    let commands: [&[&str]; 7] = [
        &["init"],
        &["add", "work", "--id", "t"],
        &["context", "set", "--task", "t", "k", "v"],
        &["context", "set", "--agent", "a", "k", "v"],
        &["lock", "task", "t", "--", "true"],
        &["run", "--agents", "1", "--", "sh", "-c", "echo said"],
        &["compact"],
    ];
    for command in commands {
        under(umask, &board, command).exits(0);
    }
    board
}

/// The command as somebody else; `None`, said on standard error, if this test can't be somebody else.
fn as_nobody(board: &TestBoard, arguments: &[&str]) -> Option<Answer> {
    let mut command = board.command(arguments);
    command.uid(NOBODY).gid(NOBODY).current_dir("/").env("XDG_CACHE_HOME", "/nonexistent");
    let may_start = Command::new(taskhost()).arg("--version").uid(NOBODY).gid(NOBODY).output();
    if !rustix::process::geteuid().is_root() || !may_start.is_ok_and(|tried| tried.status.success())
    {
        eprintln!(
            "NOT TRIED: what another user can do, because this test isn't run by root, or another user may not start {}",
            taskhost().display()
        );
        return None;
    }
    Some(Answer::of(command.output().unwrap()))
}

// A board's tasks, and the tokens in them, were for everybody's eyes although its owner had asked for privacy: who may
// read and write is the umask's alone, whichever part of the program makes a file.
#[test]
fn board_is_as_private_as_its_makers_umask() {
    for (umask, forbidden) in [("077", 0o077), ("027", 0o027), ("022", 0o022)] {
        let board = board_under(umask);
        for (path, (mode, ..)) in everything(&board.path()) {
            assert_eq!(mode & forbidden, 0, "{} under {umask}: {mode:o}", path.display());
        }
        let doctor = under(umask, &board, &["doctor"]).exits(0);
        assert!(!doctor.stdout.contains("every user"), "{doctor:?}");
    }
}

// A board that everybody may write to is everybody's: the doctor says so, and calls it no fault.
#[test]
fn doctor_says_which_parts_of_a_board_everybody_may_write_to() {
    let board = board_under("022");
    let open = board.path().join("locks");
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let doctor = board.run_plain(&["doctor"]).exits(0);
    assert!(
        doctor.stdout.contains("every user of this machine may write to `locks`;"),
        "{doctor:?}"
    );
    fs::set_permissions(board.path(), Permissions::from_mode(0o1777)).unwrap();
    let found = board.run(&["doctor"]).exits(0).json();
    let what = found["findings"][0]["what"].as_str().unwrap();
    assert!(what.contains("its directory, `locks`"), "{found}");
    assert_eq!(
        (&found["findings"][0]["severity"], &found["clean"]),
        (&"note".into(), &true.into())
    );
}

// Another user sees what the umask left him, and changes nothing: neither by a command, nor on the way to its refusal.
#[test]
fn another_user_changes_nothing_on_a_board_that_is_not_his() {
    let board = board_under("022");
    fs::set_permissions(board.folder(), Permissions::from_mode(0o755)).unwrap();
    under("022", &board, &["add", "work", "--id", "held"]).exits(0);
    let token = under("022", &board, &["claim", "held", "--agent", "a"]).exits(0);
    assert!(token.stdout.contains("token"));
    let before = everything(&board.path());
    let commands: [&[&str]; 12] = [
        &["init"],
        &["show", "held"],
        &["add", "work"],
        &["claim", "--agent", "b"],
        &["complete", "held", "--agent", "a", "--token", "2"],
        &["release", "held", "--force"],
        &["context", "set", "--task", "t", "k", "other"],
        &["config", "set", "unfenced", "true"],
        &["compact"],
        &["lock", "board", "--", "true"],
        &["run", "--agents", "1", "--", "true"],
        &["doctor", "--repair", "--lossy"],
    ];
    for command in commands {
        let Some(answer) = as_nobody(&board, command) else { return };
        // What is there already may be called done; what would change something is refused.
        let is_harmless = matches!(command[0], "init" | "show");
        assert!(is_harmless || answer.code > 0, "{command:?}: {answer:?}");
        assert_eq!(everything(&board.path()), before, "{command:?}: {answer:?}");
    }
    let private = board_under("077");
    fs::set_permissions(private.folder(), Permissions::from_mode(0o755)).unwrap();
    let Some(answer) = as_nobody(&private, &["show", "t"]) else { return };
    assert!(answer.code > 0 && !answer.stdout.contains("work"), "{answer:?}");
}

// Loading compiled code is as good as running it, so a cache that somebody else has made, or may write to, isn't one: the
// policy is compiled again.
#[test]
fn compiled_policies_are_taken_from_nobody_else() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let cache = board.folder().join("cache");
    let ours = cache.join("taskhost");
    let list = |board: &TestBoard| {
        let mut command = board.command(&["add", "work"]);
        Answer::of(command.env("XDG_CACHE_HOME", &cache).output().unwrap()).exits(0)
    };
    list(&board);
    for private in [&ours, &ours.join("compiled")] {
        assert_eq!(fs::metadata(private).unwrap().mode() & 0o777, 0o700, "{}", private.display());
    }
    assert!(everything(&ours).len() > 2, "something was kept there");

    // Somebody else may write to it.
    fs::remove_dir_all(&ours).unwrap();
    fs::create_dir(&ours).unwrap();
    fs::set_permissions(&ours, Permissions::from_mode(0o777)).unwrap();
    let before = everything(&ours);
    list(&board);
    assert_eq!(everything(&ours), before);

    // Somebody else has made it.
    fs::set_permissions(&ours, Permissions::from_mode(0o700)).unwrap();
    if chown(&ours, Some(NOBODY), None).is_err() {
        eprintln!(
            "NOT TRIED: a cache that belongs to another user, because this test isn't run by root"
        );
        return;
    }
    let before = everything(&ours);
    list(&board);
    assert_eq!(everything(&ours), before);
}

// `TASKHOST_LOCKS` says which locks are held around a process. An agent wrote it by itself, to be taken for one inside a
// lock that somebody else holds.
#[test]
fn lock_is_not_had_by_saying_so_in_the_environment() {
    let board = TestBoard::new();
    board.add(&["t", "u"]);
    board.run(&["lock", "task", "t", "--", "true"]).exits(0);
    let id: serde_json::Value =
        serde_json::from_slice(&fs::read(board.path().join("board.json")).unwrap()).unwrap();
    let id = id["board"].as_str().unwrap();
    for (what, file, command) in [
        ("task:t", "locks/task_t.lock", ["claim", "t", "--agent=a", "--timeout=300ms"]),
        ("board", "board.lock", ["claim", "u", "--agent=a", "--timeout=300ms"]),
    ] {
        let file = board.path().join(file);
        let meta = fs::metadata(&file).unwrap();
        let before = board.run(&["history"]).exits(0).stdout;
        let holder = Holder::flock(&file);
        for descriptor in [0, 9, 10, -1] {
            let marker = format!("{what}={descriptor}@{:x}:{:x}/{id}", meta.dev(), meta.ino());
            let inner = board.command(&command);
            // 9 is the very file, opened by the forger; 10 another one.
            let mut shell = Command::new("bash");
            shell.args(["-c", "exec 9<>\"$0\" 10</dev/null; exec \"$@\""]).arg(&file);
            shell.arg(inner.get_program()).args(inner.get_args()).env("TASKHOST_LOCKS", marker);
            shell.env_remove("TASKHOST_BOARD").current_dir(board.folder());
            Answer::of(shell.output().unwrap()).exits(6);
        }
        drop(holder);
        assert_eq!(board.run(&["history"]).exits(0).stdout, before);
    }
    board.run(&["claim", "t", "--agent", "a"]).exits(0);
    board.assert_healthy();
}

// An agent that names a process which isn't its own, and never ends, keeps its task no longer than its lease.
#[test]
fn strangers_process_keeps_a_claim_no_longer_than_its_lease() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let me = std::process::id().to_string();
    let claim = ["claim", "t", "--agent", "a", "--holder-pid", &me, "--lease", "1s"];
    board.run(&claim).exits(0);
    let next = board.run(&["claim", "--agent", "b", "--wait", "60s"]).exits(0);
    assert_eq!(next.text("/task/claim/agent"), "b");
}
