//! Real processes that work on one board, killed, stopped and resumed at any moment, while its generations are
//! switched, its policy's settings change and its index is thrown away: nothing that was acknowledged is lost, and
//! nothing is done twice.
//!
//! - [`part`]: what it is and does. The main thread kills and replaces; a thread beside it reads the board's own
//!   history and what was acknowledged into a [`Ledger`].
//! - `full_disk`: a part of its own: the same on a disk that is full now and then.
//! - `said`: what workers say. `ledger`: what is compared. The workers are `worker::kill` and `worker::tend`.

mod fleet;
pub(crate) mod full_disk;
pub(crate) mod ledger;
pub(crate) mod said;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use taskhost::{Board, BoardSettings, InitOptions, Json, ListQuery, Task, TaskId};
use taskhost_simulated::{Bug, Count, Effort, Harm, Outcome, Part};

use self::fleet::{Fleet, Plan};
use self::ledger::Ledger;
use self::said::Said;
use crate::place::{Place, place};

/// How many claims the full programme waits for.
const FULL_CLAIMS: u64 = 1_000_000;
/// How often what was acknowledged is compared with the history.
const READ_EVERY: Duration = Duration::from_millis(700);
/// Small, so that generations are switched often.
const COMPACT_BYTES: u64 = 4 << 20;
/// Much longer than it takes to ask again with a key, and so short that the board doesn't grow.
const KEYS_KEPT_MS: u64 = 60_000;

/// Real processes that are killed while they work.
pub(crate) fn part() -> Part {
    Part {
        name: "kills",
        does: "kills and stops real processes that work on one board, and compares what was acknowledged with its history",
        share: 6,
        run,
    }
}

/// Kills workers until the time is over, or, in the full programme, until a million claims were acknowledged.
fn run(effort: &Effort, bug: Option<Bug>) -> Outcome {
    let mut outcome = Outcome::default();
    let place = match place() {
        Ok(place) => place,
        Err(error) => {
            outcome.wrong(Harm::Broken, format!("there is no place for a board: {error}"));
            return outcome;
        }
    };
    if let Err(error) = torture(effort, bug, &place, &mut outcome) {
        outcome.wrong(Harm::Broken, format!("it could not go on: {error:#}"));
    }
    for wrong in &mut outcome.wrong {
        wrong.what = format!("seed {}: {}", effort.seed, wrong.what);
    }
    // With a planted bug there is nothing to look at.
    place.keep_if(!outcome.wrong.is_empty() && bug.is_none());
    outcome
}

/// What the two threads tell each other.
#[derive(Default)]
struct Progress {
    claims: AtomicU64,
    is_wrong: AtomicBool,
    is_over: AtomicBool,
}

fn torture(effort: &Effort, bug: Option<Bug>, place: &Place, outcome: &mut Outcome) -> Result<()> {
    let settings = BoardSettings {
        compact_bytes: Some(COMPACT_BYTES),
        keys_kept_ms: Some(KEYS_KEPT_MS),
        ..BoardSettings::default()
    };
    Board::init(place.board(), &InitOptions { settings, ..InitOptions::default() })?;
    let progress = Progress::default();
    let (hear, heard) = channel();
    let mut fleet = Fleet::new(place, Plan { seed: effort.seed, bug }, hear)?;
    let started = Instant::now();
    let (ledger, worked) = thread::scope(|scope| {
        let (board, progress) = (place.board(), &progress);
        let reader = scope.spawn(move || read(&board, &heard, progress));
        let worked = fleet.work(|| {
            let claims = progress.claims.load(Ordering::Relaxed);
            let is_wrong = progress.is_wrong.load(Ordering::Relaxed);
            let is_enough = if effort.is_full { claims >= FULL_CLAIMS } else { effort.is_over() };
            is_enough || is_wrong
        });
        let stopped = fleet.stop();
        progress.is_over.store(true, Ordering::Release);
        (reader.join(), worked.and(stopped))
    });
    let took = started.elapsed();
    let mut ledger = ledger.map_err(|_| anyhow::anyhow!("whoever reads the history gave up"))?;
    if let Err(error) = worked {
        outcome.wrong(Harm::Broken, format!("{error:#}"));
    }
    if let Err(error) = look_at_the_end(&place.board(), &mut ledger) {
        outcome.wrong(Harm::Broken, format!("{error:#}"));
    }
    fleet.counts.report(outcome);
    outcome.count(Count::Claims, ledger.claims_said);
    outcome.figure(
        "claims per second, 16 processes",
        format!("{:.0}", ledger.claims_said as f64 / took.as_secs_f64()),
    );
    if let Some(slowest) = ledger.slowest() {
        outcome.figure("claims in the slowest ten seconds", slowest.to_string());
    }
    outcome.figure("claims taken from who was stopped or dead", ledger.recovered.to_string());
    outcome.figure("requests that came too late and were refused", ledger.refused.to_string());
    outcome.wrong.append(&mut ledger.wrong);
    Ok(())
}

/// Reads the history and what was acknowledged, until all is over.
fn read(board: &Path, heard: &Receiver<Said>, progress: &Progress) -> Ledger {
    let mut ledger = Ledger::default();
    let mut last = false;
    let mut later: Vec<Said> = Vec::new();
    while !last {
        // What is acknowledged before the history is read must be in it.
        last = progress.is_over.load(Ordering::Acquire);
        let mut said = std::mem::take(&mut later);
        said.extend(heard.try_iter());
        if let Err(error) = read_history(board, &mut ledger) {
            let what = format!("the history can't be read: {error:#}");
            ledger.wrong.push(taskhost_simulated::Wrong { harm: Harm::Broken, what });
        }
        for said in &said {
            ledger.said(said);
        }
        // Whoever was proved dead in the history was about to be ended before; that was said by now.
        later = heard.try_iter().collect();
        for said in later.iter().filter(|said| matches!(said, Said::Ending { .. })) {
            ledger.said(said);
        }
        ledger.judge_deaths();
        progress.claims.store(ledger.claims_said, Ordering::Relaxed);
        if !ledger.wrong.is_empty() {
            progress.is_wrong.store(true, Ordering::Relaxed);
        }
        if !last {
            thread::sleep(READ_EVERY);
        }
    }
    ledger
}

/// Takes in what the history has by now beyond what was read.
pub(crate) fn read_history(board: &Path, ledger: &mut Ledger) -> Result<()> {
    // By a fresh handle: one that stays open would have to notice nothing by itself.
    let board = crate::worker::open_board(board, None)?;
    let past = ledger.read_through();
    board.history(past, |sequence, entry| {
        ledger.entry(sequence, &entry);
        true
    })?;
    Ok(())
}

/// Nobody works any more: the board must be whole, and the same without its index.
pub(crate) fn look_at_the_end(path: &Path, ledger: &mut Ledger) -> Result<()> {
    let board = crate::worker::open_board(path, None)?;
    // One who was killed in the middle of a change may have left a line that nobody was told of: whoever only reads
    // doesn't see it, and the next change takes it in.
    board.set_meta(&TaskId::new("end")?, Some(&Json::parse("true")?), None, None)?;
    read_history(path, ledger)?;
    let report = board.doctor();
    anyhow::ensure!(report.is_clean(), "in the end the doctor finds: {:?}", report.findings);
    let (tasks, head) = (all_tasks(&board)?, board.head()?);
    ledger.finish(&tasks);
    anyhow::ensure!(
        head.sequence == ledger.read_through(),
        "the board ends with entry {}, and its history with {}",
        head.sequence,
        ledger.read_through()
    );
    drop(board);
    std::fs::remove_dir_all(path.join("index")).context("the index could not be removed")?;
    let again = crate::worker::open_board(path, None)?;
    let (tasks_again, head_again) = (all_tasks(&again)?, again.head()?);
    anyhow::ensure!(
        tasks_again == tasks && head_again == head,
        "without its index the board is another one: {} tasks after {head_again:?}, and with it {} after {head:?}",
        tasks_again.len(),
        tasks.len()
    );
    Ok(())
}

fn all_tasks(board: &Board) -> Result<Vec<Task>> {
    Ok(board.list(&ListQuery { limit: usize::MAX, ..ListQuery::default() })?.tasks)
}
