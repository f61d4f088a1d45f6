//! A command's process and everything it starts: a process group of its own.
//!
//! A thread waits for the exit without collecting it; only the owner collects. So as long as signals may be
//! sent, the process id can't have become somebody else's.

use std::convert::Infallible;
use std::fs;
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

/// A running command. Dropped before it was collected, it is killed with everything it started: nobody would
/// watch over it any more.
pub struct Child {
    inner: std::process::Child,
    group: Pid,
    /// Closed when the process has exited; nothing is ever sent.
    exited: Receiver<Infallible>,
    is_collected: bool,
}

impl Child {
    /// Starts the command in a process group of its own.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        let inner = command.process_group(0).spawn()?;
        let group = Pid::from_child(&inner);
        let (alive, exited) = mpsc::channel::<Infallible>();
        let child = Self { inner, group, exited, is_collected: false };
        thread::Builder::new().spawn(move || {
            let _alive = alive;
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(waitid(WaitId::Pid(group), options), Err(Errno::INTR)) {}
        })?;
        Ok(child)
    }

    /// Whether it exits within `timeout`.
    pub fn exits_within(&self, timeout: Duration) -> bool {
        matches!(self.exited.recv_timeout(timeout), Err(RecvTimeoutError::Disconnected))
    }

    /// How it exited; waits until it has. What it left in the background goes on.
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        let status = self.inner.wait()?;
        self.is_collected = true;
        Ok(status)
    }

    /// Asks the whole group to terminate, and after `grace`, or when `hurry` says so, kills what is left of it.
    pub fn end(&mut self, grace: Duration, mut hurry: impl FnMut() -> bool) -> io::Result<()> {
        self.kill(Signal::TERM);
        // Far enough ahead for a grace that no clock can hold.
        let until = Instant::now().checked_add(grace);
        loop {
            let exited = self.exits_within(LOOK);
            // A shell ends at once and leaves behind what it ran: that has its time to tidy up too.
            if exited && !has_members(self.group) {
                break;
            }
            if until.is_some_and(|until| Instant::now() >= until) || hurry() {
                break;
            }
            if exited {
                thread::sleep(LOOK);
            }
        }
        // What the command started may outlive it, and would go on with a task that is somebody else's then.
        self.kill(Signal::KILL);
        self.status().map(|_| ())
    }

    fn kill(&self, signal: Signal) {
        // An error means that nobody of the group is left.
        let _ = kill_process_group(self.group, signal);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.is_collected {
            self.kill(Signal::KILL);
            // There is nobody left to tell.
            let _ = self.inner.wait();
        }
    }
}

/// Whether somebody of the group still runs; nobody, as far as can be told, where there is no `/proc`.
fn has_members(group: Pid) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    let group = group.as_raw_nonzero().to_string();
    processes.filter_map(Result::ok).any(|process| {
        // Many are gone by the time they are read.
        process.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit)
            && fs::read_to_string(process.path().join("stat"))
                .is_ok_and(|stat| runs_in_group(&stat, &group))
    })
}

/// Whether this `/proc/PID/stat` is of a process in the group that isn't only waiting to be collected.
fn runs_in_group(stat: &str, group: &str) -> bool {
    // The name stands in parentheses and may hold anything.
    let Some((_, rest)) = stat.rsplit_once(')') else { return false };
    let mut fields = rest.split_ascii_whitespace();
    let runs = fields.next().is_some_and(|state| !matches!(state, "Z" | "X"));
    runs && fields.nth(1) == Some(group)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn shell(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::spawn(command).unwrap()
    }

    /// Starts the script, which writes a process id to `$started`, and waits for that.
    fn shell_that_starts(dir: &Path, script: &str) -> (Child, String) {
        let started = dir.join("started");
        let child = shell(&format!(
            "say() {{ echo $1 > {0}.part; mv {0}.part {0}; }}; {script}",
            started.display()
        ));
        let until = Instant::now() + Duration::from_secs(60);
        while !started.exists() {
            assert!(Instant::now() < until && !child.exits_within(LOOK));
        }
        let pid = fs::read_to_string(&started).unwrap();
        assert!(runs(&pid));
        (child, pid)
    }

    #[track_caller]
    fn assert_ends(pid: &str) {
        let until = Instant::now() + Duration::from_secs(60);
        while runs(pid) {
            assert!(Instant::now() < until, "something of the group is left");
            thread::yield_now();
        }
    }

    #[test]
    fn exit_is_noticed_and_collected() {
        let mut child = shell("exit 3");
        assert!(child.exits_within(Duration::from_secs(60)));
        assert_eq!(child.status().unwrap().code(), Some(3));
    }

    /// Whether the process still runs; one that nobody has collected yet doesn't.
    fn runs(pid: &str) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
    }

    #[test]
    fn command_that_ignores_the_request_is_killed_with_all_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; sleep 1000 & say $!; wait; sleep 1000";
        let (mut child, grandchild) = shell_that_starts(dir.path(), script);
        child.end(Duration::from_millis(100), || false).unwrap();
        assert_ends(&grandchild);
    }

    #[test]
    fn grace_is_for_the_whole_group() {
        // A shell ends at the first signal, and what it ran was killed in the middle of tidying up.
        let dir = tempfile::tempdir().unwrap();
        let tidied = dir.path().join("tidied");
        let inner = format!("trap \"sleep 0.3; touch {}; exit\" TERM; say $$; ", tidied.display());
        let script = format!("( {inner} while :; do sleep 0.01; done ) & sleep 1000");
        let (mut child, _) = shell_that_starts(dir.path(), &script);
        child.end(Duration::from_secs(60), || false).unwrap();
        assert!(tidied.exists());
    }

    #[test]
    fn child_that_is_dropped_is_killed_with_all_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let (child, grandchild) =
            shell_that_starts(dir.path(), "sleep 1000 & say $!; wait; sleep 1000");
        drop(child);
        assert_ends(&grandchild);
    }

    #[test]
    fn members_of_a_group_are_read_from_the_process_status() {
        assert!(runs_in_group("7 (a) b) S 1 42 42 0", "42"));
        assert!(!runs_in_group("7 (a) Z 1 42 42 0", "42"));
        assert!(!runs_in_group("7 (a) S 42 41 42 0", "42"));
        assert!(!runs_in_group("", "42"));
    }
}
