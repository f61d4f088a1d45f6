//! Locks between handles, threads and processes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command as Program, Stdio};

use taskhost_board::{BeginError, FileFailure, LockFailure, NoMeter, Place};

use super::*;
use crate::board_lock::BoardLock;
use crate::disk::{Disk, Hold, RealDisk};
use crate::lock::{FileLock, Helpers, LockError};

/// How long others that use policies' files are waited for.
const WAIT: Duration = Duration::from_secs(10);

pub(super) fn soon(ms: u64) -> Deadline {
    Deadline::now() + Duration::from_millis(ms)
}

/// Takes a lock as one does who has just come.
pub(super) fn lock_file(
    disk: &Arc<dyn Disk>,
    path: &str,
    hold: Hold,
    deadline: Deadline,
) -> Result<FileLock, LockError> {
    Helpers::default().lock(disk, "", path, hold, deadline)
}

pub(super) fn disk(path: &Path) -> Arc<dyn Disk> {
    let directory = cap_std::fs::Dir::open_ambient_dir(path, cap_std::ambient_authority()).unwrap();
    Arc::new(RealDisk::new(directory))
}

/// What a child process does: it runs this very test binary, which ends up in [`child`].
pub(super) fn program(role: &str, path: &Path) -> Program {
    let mut program = Program::new(std::env::current_exe().unwrap());
    program
        .args(["--exact", "tests::locks::child", "--nocapture"])
        .env("TASKHOST_TEST_ROLE", role)
        .env("TASKHOST_TEST_PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    program
}

pub(super) fn spawn(role: &str, path: &Path) -> (Child, String) {
    start(&mut program(role, path))
}

/// Starts it, and waits until it says something.
pub(super) fn start(program: &mut Program) -> (Child, String) {
    let mut child = program.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said =
        lines.find_map(|line| line.unwrap().strip_prefix("said: ").map(str::to_owned)).unwrap();
    (child, said)
}

pub(super) fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Not a test by itself: what [`spawn`] starts.
#[test]
fn child() {
    let Ok(role) = std::env::var("TASKHOST_TEST_ROLE") else { return };
    let path = std::env::var("TASKHOST_TEST_PATH").unwrap();
    if role == "taken-number" {
        numbers::taker(Path::new(&path));
        return;
    }
    let options = OpenOptions {
        inherited: taskhost_board::InheritedLocks::from_env(),
        lock_wait: Duration::from_millis(300),
        ..OpenOptions::default()
    };
    let store = FileStore::open(Path::new(&path), options).unwrap();
    if role == "writer" {
        println!("\nsaid: writing");
        for n in 0_u64.. {
            let told = remember(&store, &format!("{}-{}", std::process::id(), n % 100)).unwrap();
            println!("told: {told}");
        }
    }
    if role.starts_with("fork-") {
        forks::parent(&role, store, Path::new(&path));
        return;
    }
    if role.starts_with("namespace-") {
        namespaces::role(&role, &store);
        return;
    }
    if role.starts_with("number-") {
        numbers::role(&role, &store);
        return;
    }
    if role == "inside" {
        hand::child(&store);
        return;
    }
    let hold: Box<dyn std::any::Any> = match role.as_str() {
        "transaction" => Box::new(store.begin(far()).unwrap()),
        "life" => Box::new(store.live(&SessionId::new("s").unwrap()).unwrap()),
        "task" => Box::new(store.hold_task(&id("t"), Some("bob"), far()).unwrap()),
        "figures" => {
            for _ in 0..100 {
                store.meter().record(taskhost_board::Measure::Recovery, Duration::from_millis(2));
            }
            Box::new(())
        }
        "policy-lock" => Box::new(store.powers().lock("quota", Duration::from_secs(5)).unwrap()),
        other => panic!("{other}"),
    };
    println!("\nsaid: held");
    let _ = std::io::stdin().read_line(&mut String::new());
    drop(hold);
}

/// Starts a writer that says what it was told; gives what it says, until it dies.
pub(super) fn spawn_writer(path: &Path) -> (Child, std::thread::JoinHandle<Vec<Sequence>>) {
    let mut child = program("writer", path).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let told = |line: String| Some(Sequence(line.strip_prefix("told: ")?.parse().ok()?));
        output.lines().map_while(Result::ok).filter_map(told).collect()
    });
    (child, reader)
}

pub(super) fn spawn_living(path: &Path) -> Child {
    spawn("life", path).0
}

#[test]
fn a_transaction_of_another_process_ends_the_wait_at_the_deadline_and_names_it() {
    let (directory, store) = fresh();
    let (child, _) = spawn("transaction", &board(&directory));
    let started = Deadline::now();
    let error = store.begin(soon(200)).err().unwrap();
    assert!(
        started.elapsed() >= Duration::from_millis(200)
            && started.elapsed() < Duration::from_secs(5)
    );
    let BeginError::Timeout { holder: Some(holder), .. } = error else { panic!("{error}") };
    assert!(holder.contains(&child.id().to_string()), "{holder}");
    // Reading needs no lock.
    assert!(store.snapshot().is_ok());
    kill(child);
    // The kernel has released it.
    assert_eq!(remember(&store, "k").unwrap(), Sequence(1));
    assert_clean(&store);
}

/// POSIX `fcntl` locks drop when any descriptor of the file is closed, and other programs lock with `flock`.
#[test]
fn a_lock_that_another_program_holds_on_the_same_file_is_respected() {
    let (directory, store) = fresh();
    let path = board(&directory).join("board.lock");
    let mut other = Program::new("flock")
        .arg(&path)
        .args(["sh", "-c", "echo held; exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("util-linux has `flock`");
    let mut line = String::new();
    BufReader::new(other.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(matches!(store.begin(soon(100)), Err(BeginError::Timeout { .. })));
    drop(std::fs::File::open(&path).unwrap());
    assert!(matches!(store.begin(soon(100)), Err(BeginError::Timeout { .. })));
    drop(other.stdin.take());
    other.wait().unwrap();
    assert_eq!(remember(&store, "k").unwrap(), Sequence(1));
    assert_clean(&store);
}

/// 001 deletes its lock file in `finally`: a waiter then holds the deleted inode while a newcomer locks a fresh file,
/// and there are two holders. Python's filelock reintroduced this in 3.20.4.
#[test]
fn a_lock_file_unlinked_while_it_was_waited_for_excludes_nobody_so_the_waiter_starts_over() {
    let directory = tempfile::tempdir().unwrap();
    let disk = disk(directory.path());
    let first = Arc::new(BoardLock::new(disk.clone(), None, Arc::new(NoMeter)));
    let held = first.lock(far(), None).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let lock = Arc::new(BoardLock::new(disk.clone(), None, Arc::new(NoMeter)));
            let guard = lock.lock(far(), None).unwrap();
            // Nobody else gets a lock on the file that has the name now.
            assert!(lock_file(&disk, "board.lock", Hold::Exclusive, soon(50)).is_err());
            drop(guard);
        });
        wait_until(|| waits_for(directory.path().join("board.lock")));
        std::fs::remove_file(directory.path().join("board.lock")).unwrap();
        drop(held);
        waiter.join().unwrap();
    });
    // The handle that held the deleted one notices too.
    drop(first.lock(far(), None).unwrap());
    assert!(directory.path().join("board.lock").exists());
}

/// Whether some process waits for the lock on this file.
fn waits_for(path: std::path::PathBuf) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let inode = format!(":{} ", std::fs::metadata(path).unwrap().ino());
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| line.contains("->") && line.contains(&inode))
}

pub(super) fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = far();
    while !condition() {
        assert!(Deadline::now() < deadline, "this never happened");
        std::thread::yield_now();
    }
}

#[test]
fn a_wait_that_gave_up_lets_go_at_once_when_it_gets_the_lock_too_late() {
    let directory = tempfile::tempdir().unwrap();
    let disk = disk(directory.path());
    let held = lock_file(&disk, "board.lock", Hold::Exclusive, far()).unwrap();
    let late = Arc::new(BoardLock::new(disk.clone(), None, Arc::new(NoMeter)));
    assert!(late.lock(soon(30), None).is_err());
    drop(held);
    // Its helper has got it, or is about to; either way others do.
    drop(lock_file(&disk, "board.lock", Hold::Exclusive, far()).unwrap());
    drop(late.lock(far(), None).unwrap());
}

/// Between `fork` and `exec` a child holds a copy of every lock; one that is never released by anybody else would
/// keep the board locked for as long as the child lives.
#[test]
fn programs_started_while_locks_are_held_do_not_keep_them() {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    let mut children = Vec::new();
    let life = store.live(&SessionId::new("s").unwrap()).unwrap();
    for n in 0..4 {
        let opened = store.begin(far()).unwrap();
        children.push(Program::new("sleep").arg("60").spawn().unwrap());
        drop(opened);
        remember(&other, &format!("{n}")).unwrap();
    }
    drop(life);
    let mut opened = other.begin(far()).unwrap();
    assert_eq!(
        opened.dead(&[taskhost_board::Vital::Session(SessionId::new("s").unwrap())]).len(),
        1
    );
    drop(opened);
    for child in children {
        kill(child);
    }
}

/// After a `fork`, the child's copy of a guard is on the same open file: unlocking it there would release the
/// parent's lock.
#[test]
#[expect(unsafe_code, reason = "what a forked child may do is what is tested")]
fn a_forked_child_neither_uses_a_handle_nor_releases_its_parents_lock() {
    use std::os::unix::process::CommandExt as _;
    let directory = tempfile::tempdir().unwrap();
    let disk = disk(directory.path());
    let lock = Arc::new(BoardLock::new(disk.clone(), None, Arc::new(NoMeter)));
    let guard = Arc::new(parking_lot::Mutex::new(Some(lock.lock(far(), None).unwrap())));
    let mut program = Program::new("true");
    let (childs_lock, childs_guard) = (lock, guard.clone());
    // SAFETY: between fork and exec the closure asks for the process's id, frees memory that only the child
    // has, and closes descriptors.
    unsafe {
        program.pre_exec(move || {
            drop(childs_guard.lock().take());
            if childs_lock.same_process().is_err() {
                Ok(())
            } else {
                Err(std::io::ErrorKind::Other.into())
            }
        });
    }
    assert!(program.status().unwrap().success());
    assert!(
        lock_file(&disk, "board.lock", Hold::Exclusive, soon(50)).is_err(),
        "the parent still holds it"
    );
    drop(guard.lock().take());
    drop(lock_file(&disk, "board.lock", Hold::Exclusive, far()).unwrap());
}

#[test]
fn a_policys_lock_excludes_other_processes_until_they_die() {
    let (directory, store) = fresh();
    let (child, _) = spawn("policy-lock", &board(&directory));
    let powers = store.powers();
    assert!(matches!(powers.lock("quota", Duration::from_millis(50)), Err(LockFailure::Timeout)));
    drop(powers.lock("another", Duration::from_millis(50)).unwrap());
    assert!(matches!(powers.lock("../x", Duration::ZERO), Err(LockFailure::Limit(_))));
    kill(child);
    let held = powers.lock("quota", Duration::from_secs(5)).unwrap();
    assert!(matches!(powers.lock("quota", Duration::ZERO), Err(LockFailure::Timeout)));
    drop(held);
}

#[test]
fn compare_and_replace_is_one_step_between_handles() {
    let (directory, store) = fresh();
    let path = board(&directory);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let path = path.clone();
            scope.spawn(move || {
                let powers = open(&path).powers();
                for _ in 0..10 {
                    loop {
                        let old = match powers.read(Place::Board, "count", WAIT) {
                            Err(FileFailure::NotFound) => Vec::new(),
                            read => read.unwrap(),
                        };
                        let count: u64 =
                            String::from_utf8(old.clone()).unwrap().parse().unwrap_or(0);
                        let new = (count + 1).to_string();
                        match powers.replace(
                            Place::Board,
                            "count",
                            new.as_bytes(),
                            Some(&old),
                            WAIT,
                        ) {
                            Ok(()) => break,
                            Err(FileFailure::Changed) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(store.powers().read(Place::Board, "count", WAIT).unwrap(), b"40");
}

/// cap-primitives before 4.0.3 had a way out of the sandbox; a link planted in the directory is another.
#[test]
fn policies_files_stay_in_their_directories() {
    let (directory, store) = fresh();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "s").unwrap();
    let files = board(&directory).join("policy-files");
    std::os::unix::fs::symlink(&secret, files.join("link")).unwrap();
    std::os::unix::fs::symlink("other", files.join("inside")).unwrap();
    let powers = store.powers();
    for name in ["link", "inside", "../board.json", "..", ".lock", "a/b", "/etc/passwd"] {
        assert!(powers.read(Place::Board, name, WAIT).is_err(), "{name}");
    }
    // Replacing a link replaces the link, not what it leads to.
    powers.replace(Place::Board, "link", b"mine", None, WAIT).unwrap();
    assert_eq!(powers.read(Place::Board, "link", WAIT).unwrap(), b"mine");
    assert_eq!(std::fs::read(&secret).unwrap(), b"s");
    let large = vec![0; taskhost_board::FILE_BYTES_MAX + 1];
    assert!(matches!(
        powers.replace(Place::Board, "large", &large, None, WAIT),
        Err(FileFailure::TooLarge)
    ));
    assert!(matches!(powers.read(Place::Shared, "x", WAIT), Err(FileFailure::Forbidden(_))));
}

#[test]
fn boards_share_the_directory_that_their_operator_gave_them() {
    let directory = tempfile::tempdir().unwrap();
    let shared = directory.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let mut plan = plan();
    plan.settings.shared_files = Some(shared.to_str().unwrap().to_owned());
    let [one, two] = ["one", "two"].map(|name| {
        FileStore::init(&directory.path().join(name), &plan, OpenOptions::default()).unwrap()
    });
    one.powers().replace(Place::Shared, "quota", b"7", Some(b""), WAIT).unwrap();
    assert_eq!(two.powers().read(Place::Shared, "quota", WAIT).unwrap(), b"7");
    let again = two.powers().replace(Place::Shared, "quota", b"8", Some(b""), WAIT);
    assert!(matches!(again, Err(FileFailure::Changed)));
    // Also from within a transaction, which holds the board's lock.
    let opened = one.begin(far()).unwrap();
    assert_eq!(one.powers().read(Place::Shared, "quota", WAIT).unwrap(), b"7");
    drop(opened);
}

/// A link in place of one of the board's own files must not make us write somewhere else.
#[test]
fn links_planted_in_a_board_are_not_followed() {
    let (directory, store) = fresh();
    let path = board(&directory);
    remember(&store, "k").unwrap();
    drop(store);
    let outside = directory.path().join("outside");
    for (name, how) in
        [("journal-1.jsonl", "index"), ("board.lock", "x"), ("tasks-1.jsonl", "index")]
    {
        let file = path.join(name);
        let kept = directory.path().join("kept");
        std::fs::rename(&file, &kept).unwrap();
        std::fs::copy(&kept, &outside).unwrap();
        let before = std::fs::read(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, &file).unwrap();
        let _ = std::fs::remove_dir_all(path.join(how));
        assert!(FileStore::open(&path, OpenOptions::default()).is_err(), "{name}");
        assert_eq!(std::fs::read(&outside).unwrap(), before);
        std::fs::rename(&kept, &file).unwrap();
    }
    assert_clean(&open(&path));
}

/// A policy that asked for a lock with a short timeout, again and again, left a thread and an open file behind each
/// time for as long as somebody else held the lock: a long-lived agent ran out of both.
#[test]
fn waits_that_end_at_their_deadline_leave_no_threads_and_files_behind() {
    let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    let held = other.powers().lock("quota", Duration::ZERO).unwrap();
    let powers = store.powers();
    let before = (count("task"), count("fd"));
    for _ in 0..200 {
        let short = powers.lock("quota", Duration::from_millis(2));
        assert!(matches!(short, Err(LockFailure::Timeout)));
        assert!(matches!(powers.lock("quota", Duration::ZERO), Err(LockFailure::Timeout)));
    }
    let after = (count("task"), count("fd"));
    assert!(after.0 <= before.0 + 8 && after.1 <= before.1 + 16, "{before:?} {after:?}");
    drop(held);
    drop(powers.lock("quota", WAIT).unwrap());
}

/// The helper of a file serves all threads of a handle that wait for it, and nobody gets what another was given.
#[test]
fn threads_of_one_handle_that_wait_for_the_same_lock_get_it_one_after_the_other() {
    let (_directory, store) = fresh();
    let inside = AtomicU64::new(0);
    let held = store.powers().lock("quota", Duration::ZERO).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let guard = store.powers().lock("quota", WAIT).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::sleep(Duration::from_millis(1));
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(guard);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(20));
        drop(held);
    });
}

/// A policy's file operation waited ten seconds for the directory's lock, under the board's lock, whatever was left
/// of the policy's time: one stopped process stopped everybody.
#[test]
fn a_policys_files_are_waited_for_no_longer_than_the_policy_may() {
    let (directory, store) = fresh();
    let disk = disk(&board(&directory));
    let held = lock_file(&disk, "policy-files/.lock", Hold::Exclusive, far()).unwrap();
    let (powers, short) = (store.powers(), Duration::from_millis(50));
    let started = Deadline::now();
    assert!(matches!(powers.read(Place::Board, "a", short), Err(FileFailure::Failed(_))));
    let replaced = powers.replace(Place::Board, "a", b"1", None, short);
    assert!(matches!(replaced, Err(FileFailure::Failed(_))));
    assert!(started.elapsed() < Duration::from_secs(5));
    drop(held);
    powers.replace(Place::Board, "a", b"1", None, WAIT).unwrap();
}

/// Somebody who may only read a board was told `Permission denied`, and of a file that nobody knows.
#[test]
fn a_file_that_this_user_may_not_write_is_named_with_the_reason() {
    let refused = || std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let read = crate::state::failed_to_write("index/shared")(refused()).to_string();
    assert!(read.contains("`index/shared` can't be written by this user"), "{read}");
    let lock = LockError::Io { path: "board.lock".into(), error: refused() }.to_string();
    assert!(lock.contains("`board.lock` can't be written by this user"), "{lock}");
}
