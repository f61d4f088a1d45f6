//! `blocked`: claims on large boards of which hardly anything is ready, or asked for.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use taskhost::{
    Board, ClaimOptions, ClaimOutcome, Filter, InitOptions, Name, NewTask, SessionOptions, TaskId,
};

use super::{MILLION, percentile, turns};
use crate::bench::{Bench, Size, remove};
use crate::contender::{BATCH, Contender, LABEL, Taskhost, new_task};
use crate::figure::{Figure, Goal, count};
use crate::fleet::{self, Load, Run};

/// How many tasks are ready where the others wait.
const READY: u64 = 10;
/// One in so many has the label that is asked for.
const RARE: Size<u64> = Size { full: 100_000, quick: 1_000 };
/// Of how many types tasks are, where they are of many.
const TYPES: u64 = 100;
/// Claims in each run. What was claimed is handed back, since a few tasks wouldn't last.
const CLAIMS: Size<u64> = Size { full: 1_000, quick: 20 };
/// No run is ended before it has made its claims.
const AT_MOST: Duration = Duration::from_secs(600);
/// A lease that outlasts every run.
const LEASE: Duration = Duration::from_secs(20 * 24 * 60 * 60);

const GOAL: Goal = Goal::AtMost(1.5);

pub fn run(bench: &mut Bench) -> Result<()> {
    let (tasks, rare) = (bench.pick(MILLION), bench.pick(RARE));
    let plain = bench.plain_board(tasks)?;
    let waiting = board(bench, "blocked-waiting", tasks, &waits)?;
    hold_gate(&waiting)?;
    let labelled = board(bench, "blocked-labelled", tasks, &|number| {
        let mut task = new_task(number)?;
        if number % rare == rare / 2 {
            task.labels = vec![Name::new(LABEL)?];
        }
        Ok(task)
    })?;
    let typed = board(bench, "blocked-typed", tasks, &|number| {
        let task_type = Name::new(format!("type-{}", number % TYPES))?;
        Ok(NewTask { task_type, ..new_task(number)? })
    })?;
    let boards: [(&dyn Contender, PathBuf, String); 4] = [
        (&Taskhost::STANDARD, plain, "all ready".into()),
        (&Taskhost::STANDARD, waiting, format!("{READY} ready, the others waiting")),
        (&Taskhost::LABELLED, labelled, format!("a label that 1 in {} has", count(rare))),
        (&Taskhost::STANDARD, typed, format!("{TYPES} types")),
    ];
    let mut runs: [Vec<Run>; 4] = Default::default();
    for round in 0..bench.rounds() {
        bench.say(&format!("round {}", round + 1));
        for which in turns(boards.len(), round) {
            let (contender, board, _) = &boards[which];
            bench.settle()?;
            let load = Load::new(std::slice::from_ref(board), 1, AT_MOST);
            let load = load.claims(bench.pick(CLAIMS)).giving_back();
            runs[which].push(fleet::run(*contender, &load)?);
        }
    }
    let usual = percentile("all ready", &runs[0], 0.5);
    for ((_, at, what), runs) in boards.iter().zip(&runs).skip(1) {
        let series = percentile("p50", runs, 0.5);
        bench.record(
            Figure::ratio(
                format!("a claim at {} tasks, {what}, to one with all ready", count(tasks)),
                &series,
                &usual,
            )
            .goal(GOAL)
            .beside(percentile("p99", runs, 0.99)),
        );
        remove(at)?;
    }
    Ok(())
}

/// The task that all but a few wait for.
const GATE: &str = "gate";

/// The gate, tasks after it, and a few at the end that are after nothing.
fn waits(number: u64) -> Result<NewTask> {
    Ok(NewTask { after: vec![TaskId::new(GATE)?], ..new_task(number)? })
}

/// Makes a board of tasks that differ.
fn board(
    bench: &Bench,
    name: &str,
    tasks: u64,
    task: &dyn Fn(u64) -> Result<NewTask>,
) -> Result<PathBuf> {
    bench.say(&format!("making a board of {tasks} tasks: {name}"));
    let at = bench.scratch(name)?;
    let board = Board::init(&at, &InitOptions::default())?;
    let is_gated = !task(0)?.after.is_empty();
    let mut new = Vec::new();
    if is_gated {
        new.push(NewTask { id: Some(TaskId::new(GATE)?), ..new_task(tasks)? });
    }
    let rest = tasks - new.len() as u64;
    for number in 0..rest {
        let is_ready = is_gated && number + READY >= rest;
        new.push(if is_ready { new_task(number)? } else { task(number)? });
    }
    for batch in new.chunks(BATCH) {
        board.engine().add(batch, Instant::now() + AT_MOST)?;
    }
    board.compact()?;
    Ok(at)
}

/// Claims the gate, for somebody who lives on in nothing but the lease.
fn hold_gate(at: &Path) -> Result<()> {
    let board = crate::contender::open(at)?;
    let options = SessionOptions { living: false, ..SessionOptions::new("holder") };
    let filter = Filter { only: Some(TaskId::new(GATE)?), ..Filter::default() };
    let options_of_claim = ClaimOptions { filter, lease: Some(LEASE), ..ClaimOptions::default() };
    let claimed = board.session(&options)?.claim_with(&options_of_claim)?;
    ensure!(matches!(claimed, ClaimOutcome::Claimed { .. }), "the gate can't be claimed");
    Ok(())
}
