//! A process that keeps a board busy with something else while a fleet claims from it.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use taskhost::{PolicyChange, PolicyTarget};

use crate::contender;
use crate::worker::{Input, wait_for_signal};

/// Do the same to a board again and again, until the input ends.
#[derive(Args)]
pub struct Arguments {
    #[arg(long)]
    does: Does,
    board: PathBuf,
}

/// What is done to the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Does {
    /// Compact it.
    Compact,
    /// Set its policy to another setting, and back.
    SetPolicy,
}

/// A lease that is the standard policy's own, and one that isn't.
pub const LEASES: [&str; 2] = ["30m", "31m"];

/// Sets the standard policy's lease.
pub fn set_lease(board: &taskhost::Board, lease: &str) -> Result<()> {
    let change = PolicyChange {
        target: PolicyTarget::Current,
        settings: [("lease".to_owned(), lease.to_owned())].into(),
        standard_settings: Default::default(),
        expect: None,
    };
    board.set_policy(&change)?;
    Ok(())
}

/// Does what the arguments say, and prints how often.
pub fn run(arguments: &Arguments) -> Result<()> {
    let board = contender::open(&arguments.board)?;
    wait_for_signal()?;
    let input = Input::default();
    let mut times = 0;
    while !input.has_ended() {
        match arguments.does {
            Does::Compact => drop(board.compact()?),
            Does::SetPolicy => set_lease(&board, LEASES[(times + 1) % 2])?,
        }
        times += 1;
    }
    println!("{times}");
    Ok(())
}

/// A companion at work.
pub struct Companion {
    child: Child,
    output: ChildStdout,
}

impl Companion {
    /// Starts one on a board; it is at work when this returns.
    pub fn start(does: Does, board: &Path) -> Result<Self> {
        let word = match does {
            Does::Compact => "compact",
            Does::SetPolicy => "set-policy",
        };
        let this = std::env::current_exe().context("this program's own path isn't known")?;
        let mut command = Command::new(this);
        command.args(["companion", "--does", word]).arg(board);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut output = child.stdout.take().context("a companion's output")?;
        let mut ready = [0; "ready\n".len()];
        output.read_exact(&mut ready)?;
        let input = child.stdin.as_mut().context("a companion's input")?;
        std::io::Write::write_all(input, b"go\n")?;
        Ok(Self { child, output })
    }

    /// Stops it; says how often it did what it does.
    pub fn stop(mut self) -> Result<u64> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "a companion ended with {status}");
        let Ok(times) = text.trim().parse() else { bail!("a companion said `{text}`") };
        Ok(times)
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
