//! One process of a fleet.
//!
//! It opens its boards, prints `ready`, waits for a line, claims until its time is over, nothing is left on any board, or its
//! input ends, and prints what it measured as one line of JSON. Then it lives on until its input ends, so that nobody takes
//! back what it holds while others are still measured. Workers in other languages speak the same.

use std::io::{BufRead as _, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::contender::{self, Claimer};

/// Claim from boards as fast as it goes, as told by the process that started this one.
#[derive(Args)]
pub struct Arguments {
    /// Whose boards they are.
    #[arg(long)]
    contender: String,
    /// Under which name to claim.
    #[arg(long)]
    agent: String,
    /// For how many milliseconds.
    #[arg(long)]
    ms: u64,
    /// How many claims at most.
    #[arg(long, default_value_t = u64::MAX)]
    claims: u64,
    /// Hand back what was claimed before the next claim.
    #[arg(long)]
    give_back: bool,
    /// How many agents there are in this process, each a thread with a connection of its own to whatever is shared.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// The boards, one after another.
    #[arg(required = true)]
    boards: Vec<PathBuf>,
}

/// What a worker measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// How long each claim took, in nanoseconds, in order.
    pub ns: Vec<u64>,
    /// From the signal until the last claim was answered, in nanoseconds.
    pub whole_ns: u64,
}

/// Does what the arguments say.
pub fn run(arguments: &Arguments) -> Result<()> {
    let contender = contender::find(&arguments.contender)?;
    let agents: Vec<String> = match arguments.threads {
        1 => vec![arguments.agent.clone()],
        several => (0..several).map(|n| format!("{}-{n}", arguments.agent)).collect(),
    };
    // For each agent, its boards.
    let mut claimers: Vec<Vec<Box<dyn Claimer>>> = agents.iter().map(|_| Vec::new()).collect();
    for at in &arguments.boards {
        let opened =
            contender.open_for(at, &agents).with_context(|| format!("`{}`", at.display()))?;
        claimers.iter_mut().zip(opened).for_each(|(all, claimer)| all.push(claimer));
    }
    wait_for_signal()?;
    let input = Input::default();
    let measured = claim_all(&mut claimers, arguments, &input)?;
    println!("{}", serde_json::to_string(&measured)?);
    input.wait_for_end();
    // Until here they hold what they claimed.
    drop(claimers);
    Ok(())
}

/// Has all agents of this process claim at once.
fn claim_all(
    claimers: &mut [Vec<Box<dyn Claimer>>],
    arguments: &Arguments,
    input: &Input,
) -> Result<Measured> {
    if let [only] = claimers {
        return claim(only, arguments, input);
    }
    let together = Barrier::new(claimers.len());
    let claim_one = |claimers: &mut [Box<dyn Claimer>]| {
        together.wait();
        claim(claimers, arguments, input)
    };
    let claim_one = &claim_one;
    let each = thread::scope(|scope| -> Result<Vec<Measured>> {
        let running: Vec<_> =
            claimers.iter_mut().map(|own| scope.spawn(move || claim_one(own))).collect();
        let ended = running.into_iter().map(thread::ScopedJoinHandle::join);
        ended.map(|ended| ended.map_err(|_| anyhow!("an agent's thread panicked"))?).collect()
    })?;
    let whole_ns = each.iter().map(|one| one.whole_ns).max().unwrap_or_default();
    Ok(Measured { ns: each.into_iter().flat_map(|one| one.ns).collect(), whole_ns })
}

/// Says that this process is ready, and waits until all are.
pub fn wait_for_signal() -> Result<()> {
    println!("ready");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(())
}

/// What is left of the standard input, of which only the end means something.
pub struct Input {
    reader: JoinHandle<()>,
}

impl Default for Input {
    fn default() -> Self {
        let read = || drop(std::io::stdin().lock().read_to_end(&mut Vec::new()));
        Self { reader: thread::spawn(read) }
    }
}

impl Input {
    /// Whether it is at its end.
    pub fn has_ended(&self) -> bool {
        self.reader.is_finished()
    }

    fn wait_for_end(self) {
        // It can't panic; and if it did, the end would be the same.
        let _ = self.reader.join();
    }
}

fn claim(
    claimers: &mut [Box<dyn Claimer>],
    arguments: &Arguments,
    input: &Input,
) -> Result<Measured> {
    let at_most = Duration::from_millis(arguments.ms);
    // Room for more than any machine does, so that growing isn't measured.
    let mut ns = Vec::with_capacity((1 << 20) / arguments.threads.max(1));
    let began = Instant::now();
    let mut last = began;
    'boards: for claimer in claimers {
        loop {
            let over = last - began >= at_most || ns.len() as u64 >= arguments.claims;
            if over || input.has_ended() {
                break 'boards;
            }
            let claimed = claimer.claim()?;
            let now = Instant::now();
            if !claimed {
                last = now;
                break;
            }
            ns.push(u64::try_from((now - last).as_nanos())?);
            last = now;
            if arguments.give_back {
                claimer.give_back()?;
                last = Instant::now();
            }
        }
    }
    Ok(Measured { ns, whole_ns: u64::try_from((last - began).as_nanos())? })
}
