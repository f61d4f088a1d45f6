//! Whether every process gets its share, and how long one waits at most, when 1, 4, 16 and 64 of them do nothing but
//! claim and complete.
//!
//! Nothing promises that the shares are equal. A process starves if it gets less than a quarter of what each gets on
//! average, or if one claim takes longer than [`longest_allowed`]: each of that is a broken promise.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use taskhost::{Board, BoardSettings, InitOptions, Name, NewTask};
use taskhost_board::{Distribution, Measure};
use taskhost_simulated::{Bug, Count, Effort, Harm, Outcome, Part};

use crate::clock::ms;
use crate::histories::bugs;
use crate::place::{Place, place};
use crate::program::{Worker, last_lines};

/// How many processes work at once.
const PROCESSES: [usize; 4] = [1, 4, 16, 64];
/// For how long they do in the full programme, each time.
const FULL_TIME: Duration = Duration::from_secs(20);
/// The least that is enough to tell anything.
const LEAST_TIME: Duration = Duration::from_secs(1);
/// How many tasks are added for each second: more than can be claimed.
const TASKS_PER_SECOND: usize = 4_000;
/// How many of them are added at once.
const BATCH: usize = 10_000;
/// Whoever gets less than one in so many of the mean share starves.
const LEAST_SHARE: f64 = 4.0;
/// A machine that is busy with other things takes a process off it now and then.
const BUSY_MACHINE: Duration = Duration::from_secs(5);
/// A worker that says nothing for so long never will.
const SILENCE: Duration = Duration::from_secs(120);

/// What one process could do.
#[derive(Debug, Clone, Copy)]
struct Share {
    claims: u64,
    p99_ns: u64,
    longest_ns: u64,
}

/// What all of them could do.
struct Measured {
    shares: Vec<Share>,
    time: Duration,
    /// How long they waited for the board's lock, and how long they held it.
    waits: Distribution,
    holds: Distribution,
}

/// Real processes that want the same.
pub(crate) fn part() -> Part {
    Part {
        name: "fairness",
        does: "measures each process's share and its longest wait, with 1, 4, 16 and 64 of them",
        share: 3,
        run,
    }
}

/// Measures the shares of real processes.
fn run(effort: &Effort, bug: Option<Bug>) -> Outcome {
    let mut outcome = Outcome::default();
    let left = effort.until.saturating_duration_since(std::time::Instant::now());
    // Starting them takes about as long again.
    let time = if effort.is_full { FULL_TIME } else { left / (2 * PROCESSES.len() as u32) };
    for count in PROCESSES {
        let time = time.max(LEAST_TIME);
        let look = |time| {
            place()
                .map_err(Into::into)
                .and_then(|place| measure(&place, count, time, effort.seed, bug))
        };
        // On a busy machine one may be out of luck for a moment; whoever starves does so again.
        let measured = look(time).and_then(|measured| match measured.starved().is_empty() {
            true => Ok(measured),
            false => look(time * 2),
        });
        match measured {
            Ok(measured) => measured.report(&mut outcome),
            Err(error) => {
                outcome.wrong(Harm::Broken, format!("with {count} processes: {error:#}"));
            }
        }
        if effort.first_only && !outcome.wrong.is_empty() {
            break;
        }
    }
    for wrong in &mut outcome.wrong {
        wrong.what = format!("seed {}: {}", effort.seed, wrong.what);
    }
    outcome
}

fn measure(
    place: &Place,
    count: usize,
    time: Duration,
    seed: u64,
    bug: Option<Bug>,
) -> Result<Measured> {
    // What has ended stays on this board, so it is never compacted meanwhile.
    let settings = BoardSettings { compact_bytes: Some(0), ..BoardSettings::default() };
    let board = Board::init(place.board(), &InitOptions { settings, ..InitOptions::default() })?;
    let tasks = TASKS_PER_SECOND * usize::try_from(time.as_secs() + 1)? + count;
    let task = NewTask::new(Name::new("work")?);
    for added in (0..tasks).step_by(BATCH) {
        board.add(&vec![task.clone(); BATCH.min(tasks - added)])?;
    }
    drop(board);
    // What adding so much took is none of what is measured.
    std::fs::remove_file(place.board().join("index/stats"))?;
    let complaints = place.path().join("complaints");
    let mut workers = Vec::new();
    for n in 0..count {
        let mut arguments = vec!["fair".to_owned(), place.board().to_string_lossy().into_owned()];
        arguments.extend([format!("w{n}"), "--seed".into(), seed.to_string()]);
        if let Some(bug) = bug {
            arguments.extend(["--bug".into(), bugs::name(bug)]);
        }
        let (hear, heard) = channel();
        let worker = Worker::start(&arguments, &complaints, move |line| {
            let _ = hear.send(line.to_owned());
        })?;
        workers.push((worker, heard));
    }
    let silent = || format!("a worker said nothing: {}", last_lines(&complaints));
    for (_, heard) in &workers {
        ensure!(heard.recv_timeout(SILENCE).with_context(silent)? == "ready");
    }
    for (worker, _) in &mut workers {
        worker.tell(&time.as_millis().to_string());
    }
    let shares = workers.iter().map(|(_, heard)| share(heard).with_context(silent));
    let shares = shares.collect::<Result<_>>()?;
    let times = Board::open(place.board())?.figures()?.all.times;
    let of = |measure| times.get(&measure).cloned().unwrap_or_default();
    Ok(Measured { shares, time, waits: of(Measure::LockWait), holds: of(Measure::LockHold) })
}

fn share(heard: &Receiver<String>) -> Result<Share> {
    let line = heard.recv_timeout(SILENCE)?;
    let numbers: Vec<u64> = line.split(' ').skip(1).map(str::parse).collect::<Result<_, _>>()?;
    let [claims, p99_ns, longest_ns] = numbers[..] else { anyhow::bail!("a worker said `{line}`") };
    Ok(Share { claims, p99_ns, longest_ns })
}

impl Measured {
    fn starved(&self) -> Vec<String> {
        let hold = Duration::from_nanos((self.holds.mean * 1000.0) as u64);
        starved(&self.shares, longest_allowed(hold, self.shares.len()))
    }

    fn report(&self, outcome: &mut Outcome) {
        let Self { shares, time, waits, holds } = self;
        let count = shares.len();
        for what in self.starved() {
            outcome.wrong(Harm::Broken, format!("with {count} processes {what}"));
        }
        let all: u64 = shares.iter().map(|share| share.claims).sum();
        let mean = (all as f64 / count as f64).max(1.0);
        let of_mean = |claims: Option<u64>| claims.unwrap_or_default() as f64 / mean;
        let least = of_mean(shares.iter().map(|share| share.claims).min());
        let most = of_mean(shares.iter().map(|share| share.claims).max());
        let longest = shares.iter().map(|share| share.longest_ns).max().unwrap_or_default();
        let p99 = shares.iter().map(|share| share.p99_ns).max().unwrap_or_default();
        let per_second = all as f64 / time.as_secs_f64();
        let of_claims = format!(
            "{per_second:.0} claims/s, shares {least:.2} to {most:.2} of the mean; a claim: worst p99 {}, longest {}",
            ms(p99),
            ms(longest)
        );
        let of_the_lock = format!(
            "the wait for the lock: p99 {}, longest {}; it is held for {:.3} ms on average",
            ms(waits.p99 * 1000),
            ms(waits.max * 1000),
            holds.mean / 1e3
        );
        let plural = if count == 1 { "" } else { "es" };
        outcome.figure(format!("{count} process{plural}"), format!("{of_claims}; {of_the_lock}"));
        outcome.count(Count::Claims, all);
    }
}

/// Longer than this nobody should wait for one claim: a hundred times as long as if all the others came first, and
/// never less than what a busy machine may cost.
fn longest_allowed(hold: Duration, processes: usize) -> Duration {
    (hold * 100 * processes as u32).max(BUSY_MACHINE)
}

/// Who got too little, or waited too long.
fn starved(shares: &[Share], allowed: Duration) -> Vec<String> {
    let all: u64 = shares.iter().map(|share| share.claims).sum();
    let mean = all as f64 / shares.len().max(1) as f64;
    let mut starved = Vec::new();
    for share in shares {
        let (claims, longest) = (share.claims, Duration::from_nanos(share.longest_ns));
        // Of next to nothing there is no fair share.
        if mean >= LEAST_SHARE && (claims as f64) < mean / LEAST_SHARE {
            starved.push(format!("one made {claims} claims, and each {mean:.0} on average"));
        }
        if longest > allowed {
            starved.push(format!("one claim took {longest:.1?}, longer than {allowed:.1?}"));
        }
    }
    starved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(claims: u64, longest_ms: u64) -> Share {
        Share { claims, p99_ns: 0, longest_ns: longest_ms * 1_000_000 }
    }

    #[test]
    fn who_gets_nothing_or_waits_too_long_starves() {
        let allowed = longest_allowed(Duration::from_millis(1), 4);
        assert_eq!(allowed, BUSY_MACHINE);
        assert_eq!(longest_allowed(Duration::from_millis(10), 64), Duration::from_secs(64));
        let fair = [share(100, 20), share(90, 30), share(50, 900), share(120, 4_999)];
        assert!(starved(&fair, allowed).is_empty());
        assert_eq!(starved(&[share(100, 20), share(0, 20)], allowed).len(), 1);
        assert_eq!(starved(&[share(100, 20), share(12, 20)], allowed).len(), 1);
        assert_eq!(starved(&[share(100, 20), share(90, 5_001)], allowed).len(), 1);
    }
}
