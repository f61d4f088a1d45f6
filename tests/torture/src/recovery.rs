//! How long it takes to open a board after its processes were killed, by how much its journal has since the last
//! compaction: with the index as it was, with none, as after a restart of the machine, and after a sync that failed.
//!
//! Figures only: how fast a disk is promises nothing.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use taskhost::{Board, BoardSettings, InitOptions, Name, NewTask, Task};
use taskhost_board::{Change, Claim, Command, Entry, Request, Token};
use taskhost_simulated::{Bug, Count, Effort, Harm, Outcome, Part};
use taskhost_store_file::PlantedBug;

use crate::clock::ms;
use crate::place::{Place, place};
use crate::program::{Worker, last_lines};
use crate::worker::open_board;

/// How many entries the journals have; the last one in the full programme only.
const SIZES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// How many tasks are on the board.
const TASKS: usize = 1_000;
/// A worker that says nothing for so long never will.
const SILENCE: Duration = Duration::from_secs(600);
/// How many lines a worker says before it is killed.
const LINES: usize = 20;
const LEASE_MS: u64 = 1_800_000;

/// Boards that are opened after a kill.
pub(crate) fn part() -> Part {
    Part {
        name: "recovery",
        does: "measures how long opening takes after a kill, by the length of the journal",
        share: 2,
        run,
    }
}

/// Measures how long opening takes.
fn run(effort: &Effort, _bug: Option<Bug>) -> Outcome {
    let mut outcome = Outcome::default();
    for size in SIZES {
        let is_for_all = size != SIZES[3];
        if !effort.is_full && (!is_for_all || effort.is_over()) {
            break;
        }
        let done = place().map_err(Into::into).and_then(|place| {
            let done = measure(&place, size, effort.seed, &mut outcome);
            place.keep_if(done.is_err());
            done
        });
        if let Err(error) = done {
            let what = format!("seed {}: with {size} entries: {error:#}", effort.seed);
            outcome.wrong(Harm::Broken, what);
        }
    }
    outcome
}

fn measure(place: &Place, size: u64, seed: u64, outcome: &mut Outcome) -> Result<()> {
    fill(place, size)?;
    kill_a_worker(place, seed)?;
    outcome.count(Count::Kills, 1);
    let intact = open(place)?;
    let index = place.board().join("index");
    std::fs::remove_dir_all(&index)?;
    let none = open(place)?;
    // As one leaves it whose sync has failed, and whose machine was started anew.
    std::fs::remove_dir_all(&index)?;
    let mark = poisoned_mark(place)?;
    std::fs::write(&mark, "")?;
    let failed = open(place)?;
    ensure!(poisoned_mark(place)? != mark, "a generation whose sync failed is used on");
    let report = open_board(&place.board(), None)?.doctor();
    ensure!(report.is_clean(), "in the end the doctor finds: {:?}", report.findings);
    let per_second = none.1 as f64 / (none.0 as f64 / 1e9);
    let [intact, none, failed] = [intact, none, failed].map(|(took_ns, _)| ms(took_ns));
    outcome.figure(
        format!("opening it with {size} entries in the journal"),
        format!("{intact}; with no index {none} ({per_second:.0} entries/s); after a failed sync {failed}"),
    );
    Ok(())
}

/// The file that says that a sync of the current journal has failed.
fn poisoned_mark(place: &Place) -> Result<std::path::PathBuf> {
    for entry in std::fs::read_dir(place.board())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("journal-") && name.ends_with(".jsonl") {
            return Ok(path.with_extension("poisoned"));
        }
    }
    anyhow::bail!("the board has no journal")
}

/// Makes a board whose journal has so many entries: tasks that are claimed and handed back. They are written without
/// a sync each, and without asking the policy, since only reading them is measured.
fn fill(place: &Place, size: u64) -> Result<()> {
    let settings = BoardSettings { compact_bytes: Some(0), ..BoardSettings::default() };
    let board = Board::init(place.board(), &InitOptions { settings, ..InitOptions::default() })?;
    let new = NewTask::new(Name::new("work")?);
    let tasks: Vec<Task> =
        board.add(&vec![new; TASKS])?.into_iter().map(|added| added.task).collect();
    let session = board.agent("filler")?;
    let agent = session.agent().clone();
    board.compact()?;
    drop(board);
    let board = open_board(&place.board(), Some(Bug::Store(PlantedBug::SyncLeftOut)))?;
    let first_token = board.head()?.token.0 + 1;
    for n in 0..size {
        let opened = board.store().begin(Instant::now() + SILENCE)?;
        let now = opened.now();
        let task = &tasks[(n / 2) as usize % TASKS];
        let id = task.id.clone();
        let (command, changes) = if n % 2 == 0 {
            let claim = Claim::new(&agent, Token(first_token + n / 2), &now, LEASE_MS);
            (Command::Claim, vec![Change::Claimed { id, claim: Box::new(claim) }])
        } else {
            let readiness = task.readiness.clone();
            let released = Change::Released { id: id.clone(), reason: None };
            (Command::Release, vec![released, Change::Answered { id, readiness }])
        };
        let request = Request::of(command);
        opened.commit(Entry { time: now.wall, request, seed: n, changes })?;
    }
    Ok(())
}

/// A worker claims and completes, and is killed.
fn kill_a_worker(place: &Place, seed: u64) -> Result<()> {
    let complaints = place.path().join("complaints");
    let board = place.board().to_string_lossy().into_owned();
    let (hear, heard) = channel();
    let seed = seed.to_string();
    let arguments = ["kill", &board, "killed", "k", "--seed", &seed];
    let mut worker = Worker::start(&arguments, &complaints, move |_| {
        let _ = hear.send(());
    })?;
    for _ in 0..LINES {
        let silent = || format!("a worker said nothing: {}", last_lines(&complaints));
        heard.recv_timeout(SILENCE).with_context(silent)?;
    }
    worker.kill()?;
    Ok(())
}

/// How long another process takes to open the board and read how it stands, in nanoseconds; and its last entry.
fn open(place: &Place) -> Result<(u64, u64)> {
    let complaints = place.path().join("complaints");
    let board = place.board().to_string_lossy().into_owned();
    let (hear, heard) = channel();
    let _worker = Worker::start(&["open", &board, "opener"], &complaints, move |line| {
        let _ = hear.send(line.to_owned());
    })?;
    let silent = || format!("a worker said nothing: {}", last_lines(&complaints));
    let line = heard.recv_timeout(SILENCE).with_context(silent)?;
    let mut words = line.split(' ').skip(1).map(str::parse);
    match (words.next(), words.next()) {
        (Some(Ok(took_ns)), Some(Ok(entries))) => Ok((took_ns, entries)),
        _ => anyhow::bail!("a worker said `{line}`"),
    }
}
