//! Other programs: those that hold a lock, and those that are to be stopped.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Sends a signal to a process that was started here and not yet waited for.
pub fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a child has a process id"), signal).expect("it is there");
}

/// A program that holds a lock until it is dropped.
///
/// It says `held` on standard output when it does, and ends when its standard input does.
#[derive(Debug)]
pub struct Holder {
    child: Child,
}

impl Holder {
    /// Starts `program` and waits until it says that it holds the lock.
    pub fn start(program: &mut Command) -> Self {
        program.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = program.spawn().expect("the program starts");
        let stdout = child.stdout.as_mut().expect("its standard output was asked for");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("it can be read");
        assert_eq!(line.trim(), "held");
        Self { child }
    }

    /// util-linux `flock` on this file.
    pub fn flock(file: &Path) -> Self {
        Self::start(Command::new("flock").arg(file).args(["sh", "-c", HOLD]))
    }

    /// The program's process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

/// What a shell does to hold what it has.
pub const HOLD: &str = "echo held; read line";

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
