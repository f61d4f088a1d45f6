//! [`Hand`]: another process, which does what it is told.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// A process with a board of its own; it is killed when this is dropped.
#[derive(Debug)]
pub struct Hand {
    child: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Hand {
    /// Starts `program`, which plays the role `hand`, on the board at this address, as the agent of this name.
    ///
    /// # Errors
    ///
    /// If it can't be started.
    pub fn start(program: &str, address: &str, name: &str) -> Result<Self> {
        Self::start_by(Command::new(program), address, name)
    }

    /// The same, by a command that starts the program in its own way.
    ///
    /// # Errors
    ///
    /// If it can't be started.
    pub fn start_by(mut program: Command, address: &str, name: &str) -> Result<Self> {
        program.args(["hand", name]).env("TASKHOST_TEST_BOARD", address);
        program.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = program.spawn().with_context(|| format!("{program:?} can't be started"))?;
        let tell = child.stdin.take().context("it hears")?;
        let hear = BufReader::new(child.stdout.take().context("it speaks")?);
        Ok(Self { child, tell, hear })
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to do something.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn tell(&mut self, what: &str) -> Result<()> {
        Ok(writeln!(self.tell, "{what}")?)
    }

    /// What it says next.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.hear.read_line(&mut line)? > 0, "it ended without an answer");
        Ok(line.trim_end().to_owned())
    }

    /// Tells it to do something, and waits for the answer.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn ask(&mut self, what: &str) -> Result<String> {
        self.tell(what)?;
        self.hear()
    }

    /// Has it take a task; its id and the claim's token.
    ///
    /// # Errors
    ///
    /// If it has none, with what it says instead.
    pub fn claim(&mut self, key: &str, lease_ms: u64, only: &str) -> Result<(String, u64)> {
        let answer = self.ask(&format!("claim {key} {lease_ms} {only}"))?;
        let words: Vec<&str> = answer.split(' ').collect();
        let ["claimed", id, token] = words[..] else {
            anyhow::bail!("it has no task: {answer}");
        };
        Ok((id.to_owned(), token.parse()?))
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.context("no process's number")?, signal)?)
    }

    /// Kills it.
    ///
    /// # Errors
    ///
    /// If that isn't possible.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        // One that has ended already can't be killed any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process was stopped and hasn't gone on.
pub fn is_stopped(process: u32) -> bool {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Its name stands before, in parentheses, and may have parentheses and spaces itself.
    line.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}
