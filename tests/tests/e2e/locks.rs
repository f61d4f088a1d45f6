//! Other programs' locks on the same files are respected, and waits have an end.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use taskhost_tests::TestBoard;

/// A program that holds a lock until it is dropped.
struct Holder(Child);

impl Holder {
    /// Starts `program` and waits until it says that it holds the lock.
    fn start(program: &mut Command) -> Self {
        let mut child = program.stdout(Stdio::piped()).stdin(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "held");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Both programs end when their standard input does.
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

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
    let mut flock = Command::new("flock");
    flock.arg(board.path().join("board.lock")).args(["sh", "-c", "echo held; read line"]);
    let holder = Holder::start(&mut flock);
    assert_claim_gives_up_after_a_second(&board, holder);
}

#[test]
fn claim_waits_no_longer_than_its_timeout_for_pythons_flock() {
    let board = TestBoard::new();
    board.add(&["t"]);
    let mut python = Command::new("python3");
    python.arg("-c").arg(
        "import fcntl, sys\n\
         file = open(sys.argv[1])\n\
         fcntl.flock(file, fcntl.LOCK_EX)\n\
         print('held', flush=True)\n\
         sys.stdin.read()\n",
    );
    python.arg(board.path().join("board.lock"));
    let holder = Holder::start(&mut python);
    assert_claim_gives_up_after_a_second(&board, holder);
}
