//! A process that asks a board one thing after another, and writes down what it asks and what it is answered.
//!
//! - [`Arguments`], [`run`]: the process. [`Order`], [`Said`]: what it is told, and what it says, a line each.
//! - [`Line`], [`clock_ns`]: what it writes down. A line is written before each request and after it, so that whatever
//!   the process was killed in is known to have begun.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use taskhost_simulated::Bug;

use super::bugs;
use super::real::{Real, session_id};
use super::requests::{Mind, other_settings};
use super::words::{Agent, Answer, Op, Session, Settings};
use crate::dice::Dice;

/// What a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Duty {
    /// Asks what agents ask.
    Agent,
    /// Sets other settings.
    Switcher,
    /// Compacts.
    Compactor,
}

/// How a worker is started.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The board's directory.
    #[arg(long)]
    pub board: PathBuf,
    /// Where it writes what it asks and is answered.
    #[arg(long)]
    pub log: PathBuf,
    /// What it does.
    #[arg(long, value_enum)]
    pub duty: Duty,
    /// The number of its session.
    #[arg(long)]
    pub session: Session,
    /// Where its choices come from.
    #[arg(long)]
    pub seed: u64,
    /// Whether its death proves itself.
    #[arg(long)]
    pub living: bool,
    /// The settings that the board began with, as JSON.
    #[arg(long)]
    pub settings: String,
    /// The bug to behave by.
    #[arg(long)]
    pub bug: Option<String>,
}

/// What a worker is told.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// The number of the history that begins.
    pub history: u32,
    /// How often it is to ask.
    pub calls: u32,
}

/// What a worker says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// It has opened the board.
    Ready,
    /// It has done what it was told.
    Done,
    /// Nothing any more: its process has ended.
    Gone,
}

/// What a worker writes down.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// It is about to ask this.
    Asks {
        /// The time before.
        at_ns: u64,
        /// What.
        op: Op,
    },
    /// It was answered.
    Answered {
        /// The time after.
        at_ns: u64,
        /// What.
        answer: Answer,
    },
}

/// The boot clock, in nanoseconds.
pub fn clock_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap_or_default()
}

/// Works until nobody tells it anything any more.
pub fn run(arguments: &Arguments) -> Result<()> {
    let bug = arguments.bug.as_deref().map(bugs::named).transpose()?;
    let mut worker = Worker {
        real: Real::open(&arguments.board, bug)?,
        log: OpenOptions::new().create(true).append(true).open(&arguments.log)?,
    };
    let session = session_id(arguments.session);
    let _alive = arguments.living.then(|| worker.real.store().live(&session)).transpose()?;
    let dice = &mut Dice::new(arguments.seed);
    // Fewer names than sessions, so that some share one.
    let agent = Agent::ALL[arguments.session as usize % Agent::ALL.len()];
    let mut mind = Mind::new(agent, arguments.session, arguments.living, dice.roll());
    say(&Said::Ready)?;
    for order in std::io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&order?)?;
        match arguments.duty {
            Duty::Agent => worker.ask(&mut mind, &order)?,
            Duty::Switcher => {
                worker.switch(dice, &serde_json::from_str(&arguments.settings)?, &order)?
            }
            Duty::Compactor => worker.compact(dice, &order)?,
        }
        say(&Said::Done)?;
    }
    Ok(())
}

fn say(said: &Said) -> Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    Ok(out.flush()?)
}

struct Worker {
    real: Real,
    log: File,
}

impl Worker {
    fn ask(&mut self, mind: &mut Mind, order: &Order) -> Result<()> {
        mind.begin(order.history);
        for _ in 0..order.calls {
            let op = mind.next();
            let answer = self.call(op)?;
            mind.learn(&answer);
        }
        Ok(())
    }

    fn switch(&mut self, dice: &mut Dice, base: &Settings, order: &Order) -> Result<()> {
        for _ in 0..order.calls {
            pause(dice, 60);
            self.call(Op::Set(other_settings(dice, base)))?;
        }
        Ok(())
    }

    fn compact(&mut self, dice: &mut Dice, order: &Order) -> Result<()> {
        for _ in 0..order.calls {
            pause(dice, 30);
            let until = Instant::now() + Duration::from_secs(60);
            if let Err(error) = self.real.compact(until) {
                let answer = Answer::Odd(format!("compacting: {error}"));
                self.call_with(Op::Look, |_| answer)?;
            }
        }
        Ok(())
    }

    fn call(&mut self, op: Op) -> Result<Answer> {
        self.call_with(op, |worker| worker.0.ask(worker.1))
    }

    fn call_with(&mut self, op: Op, ask: impl FnOnce((&Real, &Op)) -> Answer) -> Result<Answer> {
        self.write(&Line::Asks { at_ns: clock_ns(), op: op.clone() })?;
        let answer = ask((&self.real, &op));
        self.write(&Line::Answered { at_ns: clock_ns(), answer: answer.clone() })?;
        Ok(answer)
    }

    /// In one write, so that what is killed leaves a whole line or none.
    fn write(&mut self, line: &Line) -> Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.log.write_all(&bytes).context("what was asked can't be written down")
    }
}

/// So that what happens seldom happens all along, and not all at the beginning.
fn pause(dice: &mut Dice, ms_max: u64) {
    std::thread::sleep(Duration::from_millis(dice.below(ms_max)));
}

/// Who asked, by the bug's name on the command line.
pub(super) fn bug_argument(bug: Option<Bug>) -> Vec<String> {
    bug.map(|bug| vec!["--bug".to_owned(), bugs::name(bug)]).unwrap_or_default()
}
