//! Holders are killed while others wait for what they hold.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use taskhost::{Status, TaskId};
use taskhost_simulated::{Count, Effort, Harm, Outcome};

use super::{NEVER, Scene};
use crate::clock::{monotonic_ns, ms, quantile};
use crate::dice::Dice;
use crate::place::program;
use crate::program::{Worker, beside, last_lines};
use crate::unlooked::{NO_NAMESPACES, can_unshare, not_looked_at};

/// How many holders of each kind are killed in the full programme.
const FULL_DEATHS: usize = 200;
/// How many wait at most.
const WAITERS: usize = 4;
/// A task that comes back later than this doesn't come back at once, on any machine.
const AT_ONCE: Duration = Duration::from_secs(5);
/// The leases of those whose death may not show: longer than [`AT_ONCE`].
const LEASE_MS: u64 = 9_000;

/// What makes a namespace of process numbers that ends with the one who made it.
pub(super) const UNSHARE: [&str; 3] = ["-Urpf", "--mount-proc", "--kill-child"];

/// How a holder shows that it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A session of the library, by its life lock.
    Session,
    /// The same in a process that has a child, which outlives it and never becomes another program.
    Forked,
    /// The same in a namespace of process numbers of its own.
    InNamespace,
    /// A process that the claim names.
    Process,
    /// `taskhost run`.
    Run,
}

impl Kind {
    const ALL: [Self; 5] =
        [Self::Session, Self::Process, Self::Forked, Self::Run, Self::InNamespace];

    fn as_str(self) -> &'static str {
        match self {
            Self::Session => "a session",
            Self::Forked => "a session that had forked",
            Self::InNamespace => "a session in a pid namespace",
            Self::Process => "a named process",
            Self::Run => "`taskhost run`",
        }
    }
}

/// What waiters and holders say, and who says it.
type Heard = (Option<usize>, String);

/// When somebody else was given what a holder had held.
enum Given {
    /// So many nanoseconds after the holder was killed.
    After(u64),
    /// So many before: it was taken from one that lived.
    Before { task: TaskId, ns: u64 },
}

impl Given {
    /// By the moments of the two, on the clock that all processes share.
    fn at(at: u64, killed_at: u64, task: TaskId) -> Self {
        match at.checked_sub(killed_at) {
            Some(ns) => Self::After(ns),
            None => Self::Before { task, ns: killed_at - at },
        }
    }
}

struct Deaths<'s> {
    scene: &'s Scene,
    waiters: Vec<Worker>,
    hear: Sender<Heard>,
    heard: Receiver<Heard>,
    dice: Dice,
    trials: usize,
}

/// Kills holders and measures how soon what they held comes back.
pub(super) fn look(scene: &Scene, effort: &Effort, outcome: &mut Outcome) -> Result<()> {
    let (hear, heard) = channel();
    let dice = Dice::new(effort.seed ^ 3);
    let mut deaths = Deaths { scene, waiters: Vec::new(), hear, heard, dice, trials: 0 };
    for n in 0..WAITERS {
        let worker = deaths.worker(Some(n), &["wait", &deaths.board(), &format!("waiter-{n}")])?;
        deaths.waiters.push(worker);
    }
    let (kinds, others): (Vec<Kind>, Vec<Kind>) =
        Kind::ALL.into_iter().partition(|kind| can_be(*kind));
    for kind in others {
        let why = match kind {
            Kind::InNamespace => NO_NAMESPACES,
            _ => "the program `taskhost` isn't built: run `cargo build --bins`",
        };
        not_looked_at(outcome, format!("the death of {}", kind.as_str()), why);
    }
    let mut took: BTreeMap<Kind, Vec<u64>> = BTreeMap::new();
    loop {
        let kind = kinds[deaths.trials % kinds.len()];
        let given = deaths.trial(kind)?;
        outcome.count(Count::Kills, 1);
        outcome.count(Count::Claims, 1);
        match given {
            Given::After(ns) => {
                took.entry(kind).or_default().push(ns);
                if Duration::from_nanos(ns) > AT_ONCE {
                    let what = format!(
                        "what {} had held came back only {} after its death",
                        kind.as_str(),
                        ms(ns)
                    );
                    outcome.wrong(Harm::Broken, what);
                }
            }
            Given::Before { task, ns } => {
                let what = format!(
                    "`{task}`, which {} held, was given to a waiter {} before its holder was killed",
                    kind.as_str(),
                    ms(ns)
                );
                outcome.wrong(Harm::Doubled, what);
            }
        }
        let had_all = deaths.trials.is_multiple_of(kinds.len());
        let is_enough = match effort.is_full {
            true => deaths.trials >= FULL_DEATHS * kinds.len(),
            false => effort.is_done(outcome),
        };
        // A bug that costs as long as a lease each time needn't be seen two hundred times.
        if had_all && (is_enough || outcome.wrong.len() > 2) {
            break;
        }
    }
    for (kind, mut took) in took {
        took.sort_unstable();
        let [p50, p99, longest] = [0.5, 0.99, 1.0].map(|q| ms(quantile(&took, q)));
        outcome.figure(
            format!("from the death of {} to who claims next", kind.as_str()),
            format!("p50 {p50}, p99 {p99}, longest {longest} of {}", took.len()),
        );
    }
    Ok(())
}

/// Whether such holders can be had here: not everybody may make namespaces, and not every build has the command.
fn can_be(kind: Kind) -> bool {
    match kind {
        Kind::InNamespace => can_unshare(&UNSHARE),
        Kind::Run => beside("taskhost").is_ok(),
        Kind::Session | Kind::Forked | Kind::Process => true,
    }
}

impl Deaths<'_> {
    fn board(&self) -> String {
        self.scene.place.board().to_string_lossy().into_owned()
    }

    fn worker(&self, who: Option<usize>, arguments: &[&str]) -> Result<Worker> {
        self.command(who, Command::new(program()?).args(arguments))
    }

    fn command(&self, who: Option<usize>, command: &mut Command) -> Result<Worker> {
        let hear = self.hear.clone();
        Ok(Worker::spawn(command, &self.scene.complaints(), move |line| {
            let _ = hear.send((who, line.to_owned()));
        })?)
    }

    /// The next line that somebody says.
    fn next(&self) -> Result<Heard> {
        match self.heard.recv_timeout(NEVER) {
            Ok(heard) => Ok(heard),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                bail!("nobody says anything: {}", last_lines(&self.scene.complaints()))
            }
        }
    }

    fn holder(&self, kind: Kind, task_type: &str) -> Result<Worker> {
        let (board, lease) = (self.board(), LEASE_MS.to_string());
        let hold = ["hold", &board, "holder", task_type];
        let holder = match kind {
            Kind::Session => self.worker(None, &hold)?,
            Kind::Forked => {
                self.worker(None, &[&hold[..], &["--fork", "--lease-ms", &lease]].concat())?
            }
            Kind::Process => {
                self.worker(None, &[&hold[..], &["--by-pid", "--lease-ms", &lease]].concat())?
            }
            Kind::InNamespace => {
                let mut command = Command::new("unshare");
                command.args(UNSHARE);
                command.arg(program()?).args(hold).args(["--lease-ms", &lease]);
                self.command(None, &mut command)?
            }
            Kind::Run => return self.run(task_type),
        };
        match self.next()? {
            (None, line) if line.starts_with("held ") => Ok(holder),
            (_, line) => bail!("a holder was waited for, and there came `{line}`"),
        }
    }

    /// A `taskhost run` whose command ends a moment after it.
    fn run(&self, task_type: &str) -> Result<Worker> {
        const UNTIL_ITS_PARENT_ENDS: &str = "exec tail -s 0.2 --pid=$PPID -f /dev/null";
        let mut command = Command::new(beside("taskhost")?);
        command
            .arg("--board")
            .arg(self.board())
            .args(["run", "--agents", "1", "--type", task_type]);
        command.args(["--", "sh", "-c", UNTIL_ITS_PARENT_ENDS]);
        let run = self.command(None, &mut command)?;
        let deadline = Instant::now() + NEVER;
        loop {
            let seen = self.scene.board.mark()?;
            let query = taskhost::ListQuery {
                statuses: vec![Status::InProgress],
                types: vec![taskhost::Name::new(task_type)?],
                limit: 1,
                ..taskhost::ListQuery::default()
            };
            if self.scene.board.list(&query)?.total > 0 {
                return Ok(run);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("`taskhost run` claims nothing: {}", last_lines(&self.scene.complaints()));
            }
            self.scene.board.wait(seen, left)?;
        }
    }

    /// Kills a holder, and says when somebody else was given what it held.
    fn trial(&mut self, kind: Kind) -> Result<Given> {
        self.trials += 1;
        let task_type = format!("t{}", self.trials);
        let lost = self.scene.add(&task_type)?;
        let mut holder = self.holder(kind, &task_type)?;
        let waiting = 1 + self.dice.index(WAITERS);
        for waiter in &mut self.waiters[..waiting] {
            waiter.tell(&task_type);
        }
        let too_soon = self.until_they_wait(waiting)?;
        // They die at any moment: before the others have really begun to wait, or after.
        std::thread::sleep(Duration::from_micros(self.dice.roll() % 30_000));
        let killed_at = monotonic_ns();
        holder.signal(Signal::KILL);
        let said = too_soon.map_or_else(|| self.expect("got "), Ok)?;
        let mut words = said.split(' ').skip(1);
        let (id, _, at) = (words.next(), words.next(), words.next());
        if id != Some(lost.as_str()) {
            bail!("`{lost}` was waited for, and there came `{said}`");
        }
        let at: u64 = at.context("who got something says when")?.parse()?;
        // Each of the others gets one too, and then listens again.
        for _ in 1..waiting {
            self.scene.add(&task_type)?;
        }
        for _ in 1..waiting {
            self.expect("got ")?;
        }
        holder.kill()?;
        Ok(Given::at(at, killed_at, lost))
    }

    /// Returns once so many wait, with what one says who is given something meanwhile: nobody has died yet.
    fn until_they_wait(&self, waiting: usize) -> Result<Option<String>> {
        let mut too_soon = None;
        let mut ready = 0;
        while ready < waiting {
            let said = self.waiter_says()?;
            if said.starts_with("waiting") {
                ready += 1;
            } else if said.starts_with("got ") && too_soon.is_none() {
                too_soon = Some(said);
            } else {
                bail!("a waiter says `{said}` in place of `waiting`");
            }
        }
        Ok(too_soon)
    }

    /// What a waiter says next, which must begin like this.
    fn expect(&self, beginning: &str) -> Result<String> {
        let said = self.waiter_says()?;
        if said.starts_with(beginning) {
            return Ok(said);
        }
        bail!("a waiter says `{said}` in place of `{beginning}`")
    }

    fn waiter_says(&self) -> Result<String> {
        loop {
            // What others say is such as what `taskhost run` prints.
            if let (Some(_), line) = self.next()? {
                return Ok(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // It once counted as the fastest recovery of all.
    #[test]
    fn task_that_was_given_before_its_holder_was_killed_was_taken_from_a_living_one() -> Result<()>
    {
        let task = TaskId::new("t")?;
        let before = Given::at(70, 100, task.clone());
        assert!(matches!(before, Given::Before { ns: 30, .. }));
        assert!(matches!(Given::at(100, 100, task.clone()), Given::After(0)));
        assert!(matches!(Given::at(170, 100, task), Given::After(70)));
        Ok(())
    }
}
