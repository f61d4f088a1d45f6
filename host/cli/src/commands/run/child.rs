//! A command's process and everything it starts: a process group of its own.
//!
//! A thread waits for the exit without collecting it; only the owner collects. So as long as signals may be
//! sent, the process id can't have become somebody else's.

use std::convert::Infallible;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// How often a wait looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// A running command.
pub struct Child {
    inner: std::process::Child,
    group: Pid,
    /// Closed when the process has exited; nothing is ever sent.
    exited: Receiver<Infallible>,
}

impl Child {
    /// Starts the command in a process group of its own.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        let inner = command.process_group(0).spawn()?;
        let group = Pid::from_child(&inner);
        let (alive, exited) = mpsc::channel::<Infallible>();
        let waits = thread::Builder::new().spawn(move || {
            let _alive = alive;
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(waitid(WaitId::Pid(group), options), Err(Errno::INTR)) {}
        });
        let mut child = Self { inner, group, exited };
        match waits {
            Ok(_) => Ok(child),
            Err(error) => {
                child.kill(Signal::KILL);
                child.inner.wait()?;
                Err(error)
            }
        }
    }

    /// Whether it exits within `timeout`.
    pub fn exits_within(&self, timeout: Duration) -> bool {
        matches!(self.exited.recv_timeout(timeout), Err(RecvTimeoutError::Disconnected))
    }

    /// How it exited; waits until it has.
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        self.inner.wait()
    }

    /// Asks the whole group to terminate, and after `grace`, or when `hurry` says so, kills what is left of it.
    pub fn end(&mut self, grace: Duration, hurry: impl Fn() -> bool) -> io::Result<()> {
        self.kill(Signal::TERM);
        let until = Instant::now() + grace;
        while !self.exits_within(LOOK) && Instant::now() < until && !hurry() {}
        // What the command started may outlive it, and would go on with a task that is somebody else's then.
        self.kill(Signal::KILL);
        self.inner.wait().map(|_| ())
    }

    fn kill(&self, signal: Signal) {
        // An error means that nobody of the group is left.
        let _ = kill_process_group(self.group, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::spawn(command).unwrap()
    }

    #[test]
    fn exit_is_noticed_and_collected() {
        let mut child = shell("exit 3");
        assert!(child.exits_within(Duration::from_secs(60)));
        assert_eq!(child.status().unwrap().code(), Some(3));
    }

    /// Whether the process still runs; one that nobody has collected yet doesn't.
    fn runs(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
    }

    #[test]
    fn command_that_ignores_the_request_is_killed_with_all_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let started = dir.path().join("started");
        let script = format!(
            "trap '' TERM; sleep 1000 & echo $! > {0}.part; mv {0}.part {0}; wait; sleep 1000",
            started.display()
        );
        let mut child = shell(&script);
        let until = Instant::now() + Duration::from_secs(60);
        while !started.exists() {
            assert!(Instant::now() < until && !child.exits_within(LOOK));
        }
        let grandchild = std::fs::read_to_string(&started).unwrap();
        assert!(runs(&grandchild));
        child.end(Duration::from_millis(100), || false).unwrap();
        while runs(&grandchild) {
            assert!(Instant::now() < until, "something of the group is left");
            thread::yield_now();
        }
    }
}
