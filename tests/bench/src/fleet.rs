//! Several processes that claim from the same boards at the same time.
//!
//! - [`run`]: a [`Fleet`] from its start until its time is over; [`Run`]: what it came to. [`Load`]: what it does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::contender::Contender;
use crate::worker::Measured;

/// What a fleet came to.
pub struct Run {
    /// Claims in a second, all processes together.
    pub per_second: f64,
    /// The slowest process's share of what each would have had if all had had the same.
    pub least_share: f64,
    /// How long each claim took, in nanoseconds, the shortest first.
    pub ns: Vec<u64>,
}

impl Run {
    /// The latency that this part of the claims stayed below, in microseconds.
    pub fn percentile_us(&self, part: f64) -> f64 {
        let last = self.ns.len().saturating_sub(1);
        let at = ((self.ns.len() as f64 * part) as usize).min(last);
        self.ns.get(at).map_or(f64::NAN, |ns| *ns as f64 / 1e3)
    }
}

/// What a fleet does.
#[derive(Debug, Clone)]
pub struct Load<'a> {
    boards: &'a [PathBuf],
    processes: usize,
    at_most: Duration,
    threads: usize,
    claims: u64,
    gives_back: bool,
}

impl<'a> Load<'a> {
    /// So many processes claim from these boards, one after another, for so long.
    pub fn new(boards: &'a [PathBuf], processes: usize, at_most: Duration) -> Self {
        Self { boards, processes, at_most, threads: 1, claims: u64::MAX, gives_back: false }
    }

    /// Each process is so many agents.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// Each agent ends after so many claims.
    #[must_use]
    pub fn claims(self, claims: u64) -> Self {
        Self { claims, ..self }
    }

    /// What was claimed is handed back before the next claim, which isn't counted.
    #[must_use]
    pub fn giving_back(self) -> Self {
        Self { gives_back: true, ..self }
    }
}

/// Starts so many workers, has them begin at one instant, and waits for all.
pub fn run(contender: &dyn Contender, load: &Load<'_>) -> Result<Run> {
    Fleet::start(contender, load)?.finish()
}

/// Workers that are at work.
pub struct Fleet {
    workers: Vec<Worker>,
}

impl Fleet {
    /// Starts so many workers, and has them begin at one instant.
    pub fn start(contender: &dyn Contender, load: &Load<'_>) -> Result<Self> {
        let start = |number| Worker::start(contender, load, number);
        let mut workers = (0..load.processes).map(start).collect::<Result<Vec<_>>>()?;
        for worker in &mut workers {
            worker.expect_ready()?;
        }
        for worker in &mut workers {
            worker.signal()?;
        }
        Ok(Self { workers })
    }

    /// Waits until their time is over.
    pub fn finish(mut self) -> Result<Run> {
        let run = self.measured()?;
        // None of them ends before all are done: what a dead one holds, the others would take back.
        self.workers.into_iter().try_for_each(Worker::end)?;
        Ok(run)
    }

    /// The same, where they live on until this is dropped, so that nobody takes back what they hold.
    pub fn measured(&mut self) -> Result<Run> {
        let measured = self.workers.iter_mut().map(Worker::measured).collect::<Result<Vec<_>>>()?;
        sum_up(&measured)
    }

    /// Has them stop now.
    pub fn stop(mut self) -> Result<Run> {
        for worker in &mut self.workers {
            worker.input = None;
        }
        self.finish()
    }
}

fn sum_up(measured: &[Measured]) -> Result<Run> {
    let claims: Vec<f64> = measured.iter().map(|one| one.ns.len() as f64).collect();
    let all: f64 = claims.iter().sum();
    ensure!(all > 0.0, "nothing was claimed");
    let whole_ns = measured.iter().map(|one| one.whole_ns).max().unwrap_or_default();
    let least = claims.iter().copied().fold(f64::INFINITY, f64::min);
    let mut ns: Vec<u64> = measured.iter().flat_map(|one| one.ns.iter().copied()).collect();
    ns.sort_unstable();
    Ok(Run {
        per_second: all / (whole_ns as f64 / 1e9),
        least_share: least / (all / claims.len() as f64),
        ns,
    })
}

struct Worker {
    child: Child,
    /// Its end tells the worker to stop.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start(contender: &dyn Contender, load: &Load<'_>, number: usize) -> Result<Self> {
        let mut command = contender.worker()?;
        command.args(["--agent", &format!("agent-{number}")]);
        command.args(["--ms", &load.at_most.as_millis().to_string()]);
        // Workers in other languages don't know of it.
        if load.threads > 1 {
            command.args(["--threads", &load.threads.to_string()]);
        }
        if load.claims < u64::MAX {
            command.args(["--claims", &load.claims.to_string()]);
        }
        command.args(load.gives_back.then_some("--give-back"));
        command.args(load.boards).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("a worker can't be started")?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("a worker's output")?;
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    fn expect_ready(&mut self) -> Result<()> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.trim() != "ready" {
            bail!("a worker said `{}` in place of `ready`", line.trim());
        }
        Ok(())
    }

    fn signal(&mut self) -> Result<()> {
        let input = self.input.as_mut().context("a worker's input")?;
        input.write_all(b"go\n")?;
        Ok(input.flush()?)
    }

    fn measured(&mut self) -> Result<Measured> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).context("a worker's figures can't be read")
    }

    fn end(mut self) -> Result<()> {
        self.input = None;
        let status = self.child.wait()?;
        ensure!(status.success(), "a worker ended with {status}");
        Ok(())
    }
}

impl Drop for Worker {
    /// Where another one has failed, this one mustn't go on.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
