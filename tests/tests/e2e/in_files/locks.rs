//! What `locks` says of boards in files alone.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use taskhost_tests::{Answer, Holder, TestBoard, python, taskhost};

use crate::locks::lock;

fn assert_claim_gives_up_after_a_second(board: &TestBoard, holder: Holder) {
    let before = board.run(&["history"]).exits(0).stdout;
    let began = Instant::now();
    let answer = board.run(&["claim", "--agent", "a", "--timeout", "1s"]).exits(6);
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(1), "it gave up after {took:?}");
    // It must not wait for the holder, who never lets go by himself; the rest is the machine's.
    assert!(took < Duration::from_secs(20), "it took {took:?}");
    assert_eq!(answer.json()["error"]["retryable"], true);
    assert_eq!(board.run(&["history"]).exits(0).stdout, before);
    drop(holder);
    board.run(&["claim", "--agent", "a"]).exits(0);
    board.assert_healthy();
}

#[test]
fn claim_waits_no_longer_than_its_timeout_for_util_linux_flock() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let holder = Holder::flock(&board.path().join("board.lock"));
    assert_claim_gives_up_after_a_second(&board, holder);
}

const FCNTL: &str = "
import fcntl, sys
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_EX)
print('held', flush=True)
sys.stdin.read()
";

#[test]
fn claim_waits_no_longer_than_its_timeout_for_pythons_flock() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let lock = board.path().join("board.lock");
    let holder = Holder::start(python().arg("-c").arg(FCNTL).arg(lock));
    assert_claim_gives_up_after_a_second(&board, holder);
}

const FILELOCK: &str = "
import filelock, sys
with filelock.FileLock(sys.argv[1]):
    print('held', flush=True)
    sys.stdin.read()
";

/// A version of it deleted the file when it let go, so that two could hold the lock.
#[test]
fn claim_waits_no_longer_than_its_timeout_for_pythons_filelock() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let lock = board.path().join("board.lock");
    let holder = Holder::start(python().arg("-c").arg(FILELOCK).arg(&lock));
    assert_claim_gives_up_after_a_second(&board, holder);
    assert!(lock.exists());
}

fn try_in_python(script: &str, file: &std::path::Path) -> String {
    let output = python().arg("-c").arg(script).arg(file).output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()
}

#[test]
fn what_we_hold_nobody_else_gets() {
    let board = TestBoard::new();
    let flock = "import fcntl, sys\n\
        try: fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB); print('got')\n\
        except BlockingIOError: print('busy')";
    let filelock = "import filelock, sys\n\
        try:\n    with filelock.FileLock(sys.argv[1], timeout=0.2): print('got')\n\
        except filelock.Timeout: print('busy')";
    for (what, file) in [(&["board"][..], "board.lock"), (&["task", "t"], "locks/task_t.lock")] {
        let held = lock(&board, what);
        let file = board.path().join(file);
        for script in [flock, filelock] {
            assert_eq!(try_in_python(script, &file), "busy", "{what:?}");
        }
        let tried = Command::new("flock").arg("-n").arg(&file).arg("true").status().unwrap();
        assert_eq!(tried.code(), Some(1));
        drop(held);
        for script in [flock, filelock] {
            assert_eq!(try_in_python(script, &file), "got", "{what:?}");
        }
    }
    board.assert_healthy();
}

/// Python closes what it isn't told to pass on; then whoever is inside waited for the lock that is held around it.
#[test]
fn descriptor_that_was_closed_on_the_way_is_named() {
    let board = TestBoard::new();
    let script = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)";
    let mut command = board.command(&["lock", "board", "--"]);
    command.arg(python().get_program()).arg("-c").arg(script).arg(taskhost());
    command.args(["add", "work", "--timeout", "300ms"]);
    let answer = Answer::of(command.output().unwrap()).exits(6);
    assert!(answer.stderr.contains("close_fds"), "{answer:?}");
}

#[test]
fn files_of_locks_that_nobody_needs_go_with_a_compaction() {
    let board = TestBoard::new();
    board.add(&["open", "done"]);
    for id in ["open", "done", "unknown"] {
        board.run(&["lock", "task", id, "--", "true"]).exits(0);
    }
    board.run(&["cancel", "done"]).exits(0);
    let held = lock(&board, &["task", "busy"]);
    board.run(&["compact"]).exits(0);
    let there = |id: &str| fs::exists(board.path().join(format!("locks/task_{id}.lock"))).unwrap();
    assert!(there("open") && there("busy") && !there("done") && !there("unknown"));
    drop(held);
}
