//! Locks that people and programs take by hand, and what runs inside them.

use std::fs::File;
use std::process::{Command as Program, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use super::locks::{kill, program, soon, spawn, start, wait_until};
use taskhost_board::{BeginError, HandLock, InheritedLocks, LOCKS_VARIABLE, Vital};

use super::*;

/// What a program that was started under a lock finds; runs in a process of its own.
pub(super) fn child(store: &FileStore) {
    let task = match store.lock_task(&id("t"), soon(200)) {
        Ok(None) => "inherited or missing".to_owned(),
        Ok(Some(_)) => "locked".to_owned(),
        Err(error) => error.to_string(),
    };
    let board = match store.begin(soon(200)) {
        Ok(mut opened) => {
            let free = opened.task_locks().try_hold(&id("t")).unwrap();
            drop(opened);
            remember(store, &format!("{}", std::process::id())).unwrap();
            format!("a transaction, which may give `t`: {free}")
        }
        Err(error) => error.to_string(),
    };
    println!("\nsaid: {task}; {board}");
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn may_give(store: &FileStore, task: &str) -> bool {
    store.begin(far()).unwrap().task_locks().try_hold(&id(task)).unwrap()
}

fn inside(path: &Path, lock: &dyn HandLock) -> (std::process::Child, String) {
    let mut program = program("inside", path);
    lock.pass_on(&mut program).unwrap();
    start(&mut program)
}

fn holder(error: BeginError) -> String {
    let BeginError::Timeout { holder, .. } = error else { panic!("{error}") };
    holder.unwrap_or_default()
}

#[test]
fn a_task_locked_by_hand_is_given_to_nobody_until_it_is_let_go() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    assert!(other.lock_task(&id("t"), soon(0)).unwrap().is_none(), "there is no such lock");
    assert!(may_give(&other, "t"));
    let lock = store.hold_task(&id("t"), Some("alice"), far()).unwrap();
    for handle in [&store, &other] {
        assert!(!may_give(handle, "t"));
        assert!(may_give(handle, "u"));
        let waited = holder(handle.lock_task(&id("t"), soon(50)).err().unwrap());
        let me = format!("process {}", std::process::id());
        assert!(waited.contains("`alice`") && waited.contains(&me), "{waited}");
        let locker = handle.task_locker(&id("t")).unwrap().unwrap();
        assert_eq!(waited, format!("task `t` is locked by {locker}"));
    }
    assert!(holder(store.hold_task(&id("t"), None, soon(50)).err().unwrap()).contains("alice"));
    drop(lock);
    // Those who gave up get it for an instant still.
    wait_until(|| other.task_locker(&id("t")).unwrap().is_none() && may_give(&other, "t"));
    // A claim by name holds the lock itself, and is given the task all the same.
    let own = other.lock_task(&id("t"), far()).unwrap().unwrap();
    assert!(may_give(&other, "t") && !may_give(&store, "t"));
    drop(own);
    wait_until(|| may_give(&store, "t"));
}

#[test]
fn what_runs_inside_a_tasks_lock_is_given_the_task() {
    let (directory, store) = fresh();
    let path = board(&directory);
    let lock = store.hold_task(&id("t"), Some("alice"), far()).unwrap();
    let (one, said) = inside(&path, &*lock);
    assert_eq!(said, "inherited or missing; a transaction, which may give `t`: true");
    let (two, said) = spawn("inside", &path);
    assert!(said.contains("`alice`") && said.ends_with("may give `t`: false"), "{said}");
    kill(two);
    // The lock lasts as long as what runs inside, whatever becomes of the one who took it.
    drop(lock);
    assert!(!may_give(&store, "t"));
    kill(one);
    wait_until(|| may_give(&store, "t"));
}

#[test]
fn what_runs_inside_the_boards_lock_changes_it_and_nobody_else_does() {
    let (directory, store) = fresh();
    let path = board(&directory);
    let lock = store.hold_board(Some("alice"), far()).unwrap();
    let waited = holder(store.begin(soon(50)).err().unwrap());
    assert!(waited.contains("`alice`"), "{waited}");
    let children: Vec<_> = (0..3).map(|_| inside(&path, &*lock)).collect();
    for (_, said) in &children {
        assert_eq!(said, "inherited or missing; a transaction, which may give `t`: true");
    }
    assert!(store.begin(soon(50)).is_err());
    drop(lock);
    assert!(store.begin(soon(50)).is_err(), "those inside have it still");
    for (child, _) in children {
        kill(child);
    }
    assert_eq!(remember(&store, "k").unwrap(), Sequence(4));
    assert_clean(&store);
}

/// Those inside don't take the board's lock, which is held already; without a lock of their own they would change the
/// board at once.
#[test]
fn those_who_run_inside_the_boards_lock_exclude_each_other() {
    let (directory, store) = fresh();
    let lock = store.hold_board(None, far()).unwrap();
    let handle = || {
        let inherited = InheritedLocks::parse(&lock.marker());
        let options = OpenOptions { inherited, ..OpenOptions::default() };
        FileStore::open(&board(&directory), options).unwrap()
    };
    let (one, two) = (handle(), handle());
    let opened = one.begin(far()).unwrap();
    let waited = holder(two.begin(soon(50)).err().unwrap());
    assert!(waited.contains(&std::process::id().to_string()), "{waited}");
    drop(opened);
    std::thread::scope(|scope| {
        for store in [&one, &two] {
            scope.spawn(|| {
                for n in 0..50 {
                    remember(store, &n.to_string()).unwrap();
                }
            });
        }
    });
    assert_eq!(whole_history(&one), 100);
    // A lock within the lock is the same lock.
    let again = one.hold_board(None, soon(0)).unwrap();
    assert_eq!(InheritedLocks::parse(&again.marker()).entries().count(), 2);
    // Whoever replaces the lock's file ends the exclusion, so those inside stop.
    let file = board(&directory).join("board.lock");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "").unwrap();
    let error = one.begin(far()).err().unwrap().to_string();
    assert!(error.contains("it was replaced while it was locked by hand"), "{error}");
}

/// Python's `subprocess` closes descriptors unless it is told not to: then a taskhost inside waits for its own
/// grandparent until the deadline, and must say why.
#[test]
fn one_inside_whose_descriptor_was_closed_on_the_way_is_told_so() {
    let (directory, store) = fresh();
    let path = board(&directory);
    let lock = store.hold_task(&id("t"), Some("alice"), far()).unwrap();
    let inner = program("inside", &path);
    let run = |keeps: &str| {
        let script =
            format!("import subprocess, sys; subprocess.run(sys.argv[1:], close_fds={keeps})");
        let mut python = Program::new("python3");
        python.args(["-c", &script]).arg(inner.get_program()).args(inner.get_args());
        python.envs(inner.get_envs().filter_map(|(key, value)| Some((key, value?))));
        python.stdin(Stdio::null()).stdout(Stdio::piped());
        lock.pass_on(&mut python).unwrap();
        let (mut child, said) = start(&mut python);
        // What it prints after that, it prints to nobody.
        child.wait().unwrap();
        said
    };
    let closed = run("True");
    assert!(closed.contains("`alice`") && closed.contains("close_fds=False"), "{closed}");
    assert!(closed.ends_with("may give `t`: false"), "{closed}");
    assert!(run("False").starts_with("inherited or missing"));
}

#[test]
fn a_marker_is_not_believed_without_the_descriptor_of_the_locked_file() {
    let (directory, store) = fresh();
    let path = board(&directory);
    let lock = store.hold_task(&id("t"), None, far()).unwrap();
    let file = File::open(path.join("locks/task_t.lock")).unwrap();
    let other = File::open(path.join("board.lock")).unwrap();
    use std::os::fd::AsRawFd as _;
    let (true_one, at) = {
        let marker = lock.marker();
        let at = marker.split_once('@').unwrap().1.to_owned();
        (marker, at)
    };
    // A descriptor of another open file, of another file, none, and a lock of another file.
    let forged = [
        format!("task:t={}@{at}", file.as_raw_fd()),
        format!("task:t={}@{at}", other.as_raw_fd()),
        format!("task:t=999@{at}"),
        "task:t=-1@1:1".to_owned(),
        String::new(),
    ];
    for marker in forged {
        let inherited = InheritedLocks::parse(&marker);
        let options = OpenOptions { inherited, ..OpenOptions::default() };
        let handle = FileStore::open(&path, options).unwrap();
        assert!(!may_give(&handle, "t"), "{marker}");
    }
    let options =
        OpenOptions { inherited: InheritedLocks::parse(&true_one), ..OpenOptions::default() };
    assert!(may_give(&FileStore::open(&path, options).unwrap(), "t"));
    assert_eq!(LOCKS_VARIABLE, "TASKHOST_LOCKS");
}

/// A note that a killed process left was shown as the holder, whoever held the lock by then.
#[test]
fn a_note_of_somebody_who_no_longer_holds_the_lock_is_not_believed() {
    let (directory, store) = fresh();
    let path = board(&directory);
    let (child, _) = spawn("task", &path);
    assert!(store.task_locker(&id("t")).unwrap().unwrap().contains("`bob`"));
    kill(child);
    assert!(path.join("locks/task_t.holder").exists(), "it was killed");
    assert_eq!(store.task_locker(&id("t")).unwrap(), None);
    let _lock = store.hold_task(&id("t"), None, far()).unwrap();
    let locker = store.task_locker(&id("t")).unwrap().unwrap();
    assert!(!locker.contains("bob"), "{locker}");
}

/// The kernel gives its list of locks out in pieces, and while others came and went the holder's line was in none of them:
/// one look in seven hundred said that it was somebody in another container.
#[test]
fn a_holder_is_named_however_many_locks_come_and_go() {
    let (directory, store) = fresh();
    let (child, _) = spawn("task", &board(&directory));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let files: Vec<File> = (0..100).map(|_| tempfile::tempfile().unwrap()).collect();
                while !is_over.load(Ordering::Relaxed) {
                    files.iter().for_each(|file| fs4::FileExt::lock(file).unwrap());
                    files.iter().for_each(|file| fs4::FileExt::unlock(file).unwrap());
                }
            });
        }
        let lockers = (0..3000).map(|_| store.task_locker(&id("t")).unwrap().unwrap());
        let unknown = lockers.filter(|locker| !locker.contains("`bob`")).count();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(unknown, 0);
    });
    kill(child);
}

#[test]
fn other_programs_locks_on_tasks_are_respected_and_they_respect_ours() {
    let (directory, store) = fresh();
    let path = board(&directory);
    let file = path.join("locks/task_t.lock");
    for command in [
        vec!["flock", file.to_str().unwrap(), "sh", "-c", "echo 'said: held'; exec cat"],
        vec![
            "python3",
            "-c",
            "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); \
             print('said: held', flush=True); sys.stdin.read()",
            file.to_str().unwrap(),
        ],
    ] {
        let mut program = Program::new(command[0]);
        program.args(&command[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let (mut other, _) = start(&mut program);
        assert!(!may_give(&store, "t"), "{command:?}");
        assert!(store.task_locker(&id("t")).unwrap().is_some());
        assert!(store.hold_task(&id("t"), None, soon(50)).is_err());
        drop(other.stdin.take());
        other.wait().unwrap();
        wait_until(|| may_give(&store, "t"));
    }
    let lock = store.hold_task(&id("t"), None, far()).unwrap();
    let try_lock = || Program::new("flock").arg("-n").arg(&file).arg("true").status().unwrap();
    assert!(!try_lock().success());
    drop(lock);
    wait_until(|| try_lock().success());
}

#[test]
fn a_compaction_removes_the_locks_that_nobody_needs_any_more() {
    let (directory, store) = fresh();
    let path = board(&directory);
    let engine = engine(&store);
    add(&engine, "done", &[]);
    add(&engine, "open", &[]);
    let (task, token) = claim(&engine, "x").unwrap();
    complete(&engine, "x", &task, token);
    let locks = path.join("locks");
    for task in ["open", "done", "unknown"] {
        drop(store.hold_task(&id(task), Some("x"), far()).unwrap());
    }
    let used = store.hold_task(&id("elsewhere"), Some("alice"), far()).unwrap();
    drop(store.powers().lock("quota", Duration::ZERO).unwrap());
    let session = |name: &str| SessionId::new(name).unwrap();
    let life = store.live(&session("alive")).unwrap();
    std::fs::write(path.join("agents/dead.lock"), "").unwrap();
    std::fs::write(path.join("agents/notes.txt"), "").unwrap();
    store.compact(far()).unwrap();
    for (name, stays) in [
        ("locks/task_open.lock", true),
        ("locks/task_done.lock", false),
        ("locks/task_unknown.lock", false),
        ("locks/task_elsewhere.lock", true),
        ("locks/task_elsewhere.holder", true),
        ("locks/policy_quota.lock", true),
        ("agents/alive.lock", true),
        ("agents/dead.lock", false),
        ("agents/notes.txt", true),
    ] {
        assert_eq!(path.join(name).exists(), stays, "{name}");
    }
    drop((used, life));
    wait_until(|| {
        let vital = Vital::Session(session("alive"));
        store.begin(far()).unwrap().dead(std::slice::from_ref(&vital)) == [vital]
    });
    store.compact(far()).unwrap();
    assert!(!locks.join("task_elsewhere.lock").exists());
    assert!(!path.join("agents/alive.lock").exists());
    assert_clean(&store);
}

/// A claim that had found no lock on the task was given it just after somebody had been told that he had locked it.
#[test]
fn a_task_is_locked_by_hand_only_once_no_claim_is_under_way_that_saw_it_free() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    let mut opened = other.begin(far()).unwrap();
    assert!(opened.task_locks().try_hold(&id("t")).unwrap(), "there is no such lock yet");
    let waited = store.hold_task(&id("t"), Some("alice"), soon(50)).err().unwrap();
    assert!(matches!(waited, BeginError::Timeout { .. }), "{waited}");
    assert_eq!(store.task_locker(&id("t")).unwrap(), None, "it was given back");
    std::thread::scope(|scope| {
        let holding = scope.spawn(|| store.hold_task(&id("t"), Some("alice"), far()).unwrap());
        std::thread::sleep(Duration::from_millis(50));
        assert!(!holding.is_finished(), "the claim may still commit");
        drop(opened);
        let _lock = holding.join().unwrap();
        assert!(!may_give(&other, "t"));
    });
}

/// `lock board -- lock task t` and `lock task t -- lock board` waited for each other until their deadlines.
#[test]
fn inside_the_boards_lock_a_tasks_lock_is_tried_and_never_waited_for() {
    let (directory, store) = fresh();
    let task = store.hold_task(&id("t"), Some("alice"), far()).unwrap();
    let lock = store.hold_board(None, far()).unwrap();
    let inherited = InheritedLocks::parse(&lock.marker());
    let options = OpenOptions { inherited, ..OpenOptions::default() };
    let inside = FileStore::open(&board(&directory), options).unwrap();
    let started = Deadline::now();
    for refused in [
        inside.hold_task(&id("t"), None, far()).map(|_| ()),
        inside.lock_task(&id("t"), far()).map(|_| ()),
    ] {
        let why = holder(refused.unwrap_err());
        assert!(why.contains("`alice`") && why.contains("before the board's"), "{why}");
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    drop(inside.hold_task(&id("u"), None, far()).unwrap());
    drop(task);
    wait_until(|| inside.hold_task(&id("t"), None, far()).is_ok());
}

/// A lock within the same lock replaced the outer one's note by its own, and took it away at its end.
#[test]
fn a_lock_within_the_same_lock_leaves_the_outer_ones_note_alone() {
    let (directory, store) = fresh();
    let lock = store.hold_task(&id("t"), Some("alice"), far()).unwrap();
    let inherited = InheritedLocks::parse(&lock.marker());
    let options = OpenOptions { inherited, ..OpenOptions::default() };
    let inside = FileStore::open(&board(&directory), options).unwrap();
    let again = inside.hold_task(&id("t"), Some("bob"), far()).unwrap();
    let says_alice = || store.task_locker(&id("t")).unwrap().unwrap().contains("`alice`");
    assert!(says_alice());
    drop(again);
    assert!(says_alice());
}

/// A board's lock whose file had been replaced was taken for another board's, and those inside went on as if nothing
/// were held around them.
#[test]
fn a_lock_around_this_process_whose_file_was_replaced_is_an_error() {
    let (directory, store) = fresh();
    let path = board(&directory);
    let copy = directory.path().join("copy");
    assert!(Program::new("cp").arg("-r").args([&path, &copy]).status().unwrap().success());
    let locks =
        [store.hold_task(&id("t"), None, far()).unwrap(), store.hold_board(None, far()).unwrap()];
    let inside = |path: &Path, lock: &dyn HandLock| {
        let inherited = InheritedLocks::parse(&lock.marker());
        FileStore::open(path, OpenOptions { inherited, ..OpenOptions::default() }).unwrap()
    };
    // A copy is the same board, and not the one that is locked.
    remember(&inside(&copy, &*locks[1]), "k").unwrap();
    for name in ["locks/task_t.lock", "board.lock"] {
        std::fs::write(path.join("new"), "").unwrap();
        std::fs::rename(path.join("new"), path.join(name)).unwrap();
    }
    let (task, whole) = (inside(&path, &*locks[0]), inside(&path, &*locks[1]));
    for error in [
        task.hold_task(&id("t"), None, far()).err().unwrap().to_string(),
        task.lock_task(&id("t"), far()).err().unwrap().to_string(),
        whole.hold_board(None, far()).err().unwrap().to_string(),
        whole.begin(far()).err().unwrap().to_string(),
    ] {
        assert!(error.contains("is on a file that was replaced"), "{error}");
    }
    assert!(task.begin(far()).unwrap().task_locks().try_hold(&id("t")).is_err());
}
