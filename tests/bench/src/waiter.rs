//! A process that waits for work.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use taskhost::{ClaimOptions, ClaimOutcome};

use crate::contender;

/// Wait for work on a board, and print for each claim when it was answered.
#[derive(Args)]
pub struct Arguments {
    #[arg(long)]
    agent: String,
    board: PathBuf,
}

/// Longer than anybody adds nothing.
const WAIT: Duration = Duration::from_secs(600);

/// Now, in nanoseconds, on a clock that all processes share.
pub fn now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or_default()
}

/// Does what the arguments say, until it is killed.
pub fn run(arguments: &Arguments) -> Result<()> {
    let board = contender::open(&arguments.board)?;
    let session = board.agent(&arguments.agent)?;
    board.engine().upkeep(Instant::now() + WAIT)?;
    let options = ClaimOptions { wait: WAIT, ..ClaimOptions::default() };
    let mut output = std::io::stdout().lock();
    writeln!(output, "ready")?;
    output.flush()?;
    while let ClaimOutcome::Claimed { task, .. } = session.claim_with(&options)? {
        writeln!(output, "{} {}", now_ns(), task.id)?;
        output.flush()?;
    }
    Ok(())
}

/// Waiters at work.
pub struct Waiters {
    children: Vec<Child>,
}

impl Waiters {
    /// Starts so many on a board. Each tells `claims` when a claim was answered, and of which task.
    pub fn start(board: &Path, count: usize, claims: &Sender<(u64, String)>) -> Result<Self> {
        let this = std::env::current_exe().context("this program's own path isn't known")?;
        let mut waiters = Self { children: Vec::new() };
        let mut outputs = Vec::new();
        for number in 0..count {
            let mut command = Command::new(&this);
            command.args(["waiter", "--agent", &format!("waiter-{number}")]).arg(board);
            waiters.children.push(command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?);
            let child = waiters.children.last_mut().context("it was just started")?;
            outputs.push(BufReader::new(child.stdout.take().context("a waiter's output")?));
        }
        for mut output in outputs {
            let mut line = String::new();
            output.read_line(&mut line)?;
            ensure!(line.trim() == "ready", "a waiter said `{}` in place of `ready`", line.trim());
            let claims = claims.clone();
            thread::spawn(move || {
                for line in output.lines().map_while(Result::ok) {
                    let Some((at, task)) = line.split_once(' ') else { break };
                    let Ok(at) = at.parse() else { break };
                    if claims.send((at, task.to_owned())).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(waiters)
    }
}

impl Drop for Waiters {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
