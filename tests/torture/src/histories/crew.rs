//! The processes that work on one board: started, told what to do, killed, stopped and resumed.
//!
//! - [`Crew`]: all of them. [`Shift`]: what they did in one history, as far as is known.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use taskhost_simulated::Bug;

use super::words::{Call, Op, Session, Settings};
use super::worker::{Duty, Line, Order, Said, bug_argument, clock_ns};
use crate::dice::Dice;

/// How long everybody may be silent before that is taken for a board that stands still.
const SILENCE: Duration = Duration::from_secs(120);

/// What a crew works on.
pub(super) struct Site {
    /// The board's directory.
    pub(super) board: PathBuf,
    /// The directory of what they write down.
    pub(super) logs: PathBuf,
    /// The settings that the board began with.
    pub(super) settings: Settings,
    /// The bug that they have.
    pub(super) bug: Option<Bug>,
}

struct Worker {
    duty: Duty,
    child: Child,
    orders: ChildStdin,
    log: PathBuf,
    /// How much of its log belongs to earlier histories.
    read: u64,
    is_busy: bool,
    /// When its process had surely ended, in nanoseconds.
    dead_ns: Option<u64>,
}

/// All processes on one board.
pub(super) struct Crew {
    site: Site,
    workers: BTreeMap<Session, Worker>,
    heard: Receiver<(Session, Said)>,
    mouth: Sender<(Session, Said)>,
    next: Session,
    /// From when on sessions may be dead, in milliseconds.
    pub(super) deaths: BTreeMap<Session, u64>,
}

impl Crew {
    pub(super) fn new(site: Site) -> Self {
        let (mouth, heard) = channel();
        let (workers, deaths) = (BTreeMap::new(), BTreeMap::new());
        Self { site, workers, heard, mouth, next: 1, deaths }
    }

    /// Starts another one.
    pub(super) fn hire(&mut self, duty: Duty, dice: &mut Dice) -> Result<Session> {
        let session = self.next;
        self.next += 1;
        let log = self.site.logs.join(format!("s-{session}.jsonl"));
        let mut command = Command::new(crate::place::program()?);
        command.arg("worker-history").arg("--board").arg(&self.site.board);
        command.arg("--log").arg(&log).args(["--session", &session.to_string()]);
        command.args(["--duty", duty_word(duty), "--seed", &dice.roll().to_string()]);
        command.args(["--settings", &serde_json::to_string(&self.site.settings)?]);
        if dice.one_in(2) {
            command.arg("--living");
        }
        command.args(bug_argument(self.site.bug)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("a worker can't be started")?;
        let orders = child.stdin.take().context("a worker has no standard input")?;
        let words = child.stdout.take().context("a worker has no standard output")?;
        let mouth = self.mouth.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(words).lines().map_while(std::io::Result::ok) {
                match serde_json::from_str(&line) {
                    Ok(said) => _ = mouth.send((session, said)),
                    Err(_) => break,
                }
            }
            _ = mouth.send((session, Said::Gone));
        });
        let worker = Worker { duty, child, orders, log, read: 0, is_busy: true, dead_ns: None };
        self.workers.insert(session, worker);
        Ok(session)
    }

    /// Has all of these begin, as far as they aren't at something.
    pub(super) fn order(&mut self, duty: Duty, order: &Order) -> Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        for worker in self.workers.values_mut().filter(|worker| worker.duty == duty) {
            if worker.dead_ns.is_none() && !worker.is_busy {
                worker.orders.write_all(&line)?;
                worker.is_busy = true;
            }
        }
        Ok(())
    }

    /// Listens for so long; says whether anybody is at something still.
    pub(super) fn listen(&mut self, for_: Duration) -> Result<bool> {
        match self.heard.recv_timeout(for_) {
            Ok((session, said)) => {
                let Some(worker) = self.workers.get_mut(&session) else { return Ok(true) };
                match said {
                    Said::Ready | Said::Done => worker.is_busy = false,
                    Said::Gone if worker.dead_ns.is_none() => {
                        bail!("worker s-{session} ended by itself: {:?}", worker.child.wait()?)
                    }
                    Said::Gone => {}
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        Ok(self.workers.values().any(|worker| worker.is_busy))
    }

    /// Listens until nobody is at anything.
    pub(super) fn await_all(&mut self) -> Result<()> {
        while self.workers.values().any(|worker| worker.is_busy) {
            let before = clock_ns();
            self.listen(SILENCE)?;
            if clock_ns() - before >= u64::try_from(SILENCE.as_nanos()).unwrap_or(u64::MAX) {
                let busy: Vec<String> = self
                    .workers
                    .iter()
                    .filter(|(_, worker)| worker.is_busy)
                    .map(|(session, _)| format!("s-{session}"))
                    .collect();
                bail!("nothing was heard of {} for {SILENCE:?}", busy.join(", "));
            }
        }
        Ok(())
    }

    /// An agent that is at something.
    pub(super) fn some_busy(&self, dice: &mut Dice) -> Option<Session> {
        let is_it = |worker: &&Worker| worker.is_busy && worker.duty == Duty::Agent;
        let busy =
            self.workers.iter().filter(|(_, worker)| is_it(worker)).map(|(session, _)| *session);
        dice.pick(&busy.collect::<Vec<_>>()).copied()
    }

    /// Ends a process in whatever it is doing.
    pub(super) fn kill(&mut self, session: Session) -> Result<()> {
        let Some(worker) = self.workers.get_mut(&session) else { return Ok(()) };
        self.deaths.insert(session, clock_ns() / 1_000_000);
        worker.child.kill()?;
        worker.child.wait()?;
        worker.dead_ns = Some(clock_ns());
        worker.is_busy = false;
        Ok(())
    }

    /// Stops a process in whatever it is doing, or resumes it.
    pub(super) fn signal(&self, session: Session, signal: Signal) -> Result<()> {
        let Some(worker) = self.workers.get(&session) else { return Ok(()) };
        Ok(kill_process(Pid::from_child(&worker.child), signal)?)
    }

    /// What all of them asked since this was last asked; the dead are forgotten then, and nothing is done for them any more.
    pub(super) fn calls(&mut self) -> Result<Vec<Call>> {
        let last_death = self.workers.values().filter_map(|worker| worker.dead_ns).max();
        let over_ns = last_death.map_or(0, |dead_ns| dead_ns + SERVED_AFTER_DEATH_NS);
        std::thread::sleep(Duration::from_nanos(over_ns.saturating_sub(clock_ns())));
        let mut calls = Vec::new();
        for (session, worker) in &mut self.workers {
            worker.read_log(*session, &mut calls)?;
        }
        self.workers.retain(|_, worker| worker.dead_ns.is_none());
        Ok(calls)
    }
}

/// For how long a claim may still be made for a process that was killed while it waited for the board's lock: whoever has
/// the lock serves what was posted within the last tenth of a second, and takes a moment for it.
const SERVED_AFTER_DEATH_NS: u64 = 200_000_000;

impl Worker {
    fn read_log(&mut self, by: Session, calls: &mut Vec<Call>) -> Result<()> {
        let mut file = match std::fs::File::open(&self.log) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        file.seek(SeekFrom::Start(self.read))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        self.read += text.len() as u64;
        let mut asked = None;
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            match serde_json::from_str(line)? {
                Line::Asks { at_ns, op } => asked = Some((at_ns, op)),
                Line::Answered { at_ns, answer } => {
                    let (from_ns, op) = asked.take().context("an answer to nothing")?;
                    calls.push(Call { by, op, from_ns, to_ns: at_ns, answer: Some(answer) });
                }
            }
        }
        match (asked, self.dead_ns) {
            (Some((from_ns, op)), Some(dead_ns)) => {
                // What others do for it; everything else it had to do by itself.
                let is_posted =
                    matches!(&op, Op::Claim(ask) if ask.only.is_none() && ask.key.is_none());
                let to_ns = if is_posted { dead_ns + SERVED_AFTER_DEATH_NS } else { dead_ns };
                calls.push(Call { by, op, from_ns, to_ns, answer: None });
            }
            (Some(_), None) => bail!("s-{by} is done, and waits for an answer"),
            (None, _) => {}
        }
        Ok(())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for worker in self.workers.values_mut() {
            // One that was killed and waited for is neither killed nor waited for again.
            if worker.dead_ns.is_none() {
                _ = worker.child.kill();
                _ = worker.child.wait();
            }
        }
    }
}

fn duty_word(duty: Duty) -> &'static str {
    match duty {
        Duty::Agent => "agent",
        Duty::Switcher => "switcher",
        Duty::Compactor => "compactor",
    }
}
