//! `postgres`: a board in PostgreSQL beside a queue by hand on the same server.
//!
//! Each run has a database of its own, copied from one that was filled once: nobody comes after what another one left behind.

mod bloat;
mod databases;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use taskhost_test_postgres::Programs;

use super::{per_second, percentile, turns};
use crate::bench::{Bench, Size};
use crate::contender::{Contender, LEASE_MS, QUEUE_CLAIM, Queue, Taskhost};
use crate::figure::{Figure, Goal, Series, Unit, count};
use crate::fleet::{self, Load, Run};
use databases::Databases;

const TASKS: Size<&[u64]> = Size { full: &[1_000, 1_000_000], quick: &[300] };
const CONNECTIONS: Size<&[usize]> = Size { full: &[1, 4, 16, 64], quick: &[1, 4] };
/// For how long; a small board is empty before that.
const FOR: Size<Duration> =
    Size { full: Duration::from_secs(4), quick: Duration::from_millis(100) };
/// Of what the queue does.
const OF_QUEUE: Goal = Goal::AtLeast(0.7);
/// Copying a large database takes longer than claiming from it.
const ROUNDS_MAX: usize = 3;

/// Who claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Agents of one process that hosts them: they share a handle.
    Threads,
    /// Agents that are processes of their own.
    Processes,
    /// The queue by hand.
    Queue,
}

const WHO: [Who; 3] = [Who::Threads, Who::Processes, Who::Queue];

pub fn run(bench: &mut Bench) -> Result<()> {
    if let Err(error) = Programs::find() {
        let what = "claims/s to the queue's by hand";
        bench.record(Figure::not_measured(what, format!("{error:#}")).goal(OF_QUEUE));
        return Ok(());
    }
    let mut databases = Databases::start(bench)?;
    for tasks in bench.pick(TASKS) {
        databases.fill(bench, *tasks)?;
        for connections in bench.pick(CONNECTIONS) {
            measure(bench, &mut databases, *tasks, *connections)?;
        }
    }
    bloat::run(bench, &mut databases)
}

fn measure(
    bench: &mut Bench,
    databases: &mut Databases,
    tasks: u64,
    connections: usize,
) -> Result<()> {
    let mut runs: [Vec<Run>; 3] = Default::default();
    let mut pgbench = Vec::new();
    for round in 0..bench.rounds_at_most(ROUNDS_MAX) {
        bench.say(&format!("{tasks} tasks, {connections} connections, round {}", round + 1));
        for place in turns(WHO.len(), round) {
            let database = databases.copy(bench)?;
            runs[place].push(claim(bench, WHO[place], database.board(connections), connections)?);
        }
        let database = databases.copy(bench)?;
        pgbench.push(database.pgbench(&script(), connections, bench.pick(FOR))?);
    }
    judge(bench, tasks, connections, &runs, pgbench);
    Ok(())
}

/// The queue's statement, as `pgbench` has it.
fn script() -> String {
    QUEUE_CLAIM.replace("$1", "'agent-' || :client_id").replace("$2", &LEASE_MS.to_string())
}

fn claim(bench: &Bench, who: Who, board: PathBuf, connections: usize) -> Result<Run> {
    let boards = [board];
    let (contender, processes, threads): (&dyn Contender, _, _) = match who {
        Who::Threads => (&Taskhost::STANDARD, 1, connections),
        Who::Processes => (&Taskhost::STANDARD, connections, 1),
        Who::Queue => (&Queue, 1, connections),
    };
    let load = Load::new(&boards, processes, bench.pick(FOR)).threads(threads);
    fleet::run(contender, &load)
}

fn judge(
    bench: &mut Bench,
    tasks: u64,
    connections: usize,
    [threads, processes, queue]: &[Vec<Run>; 3],
    pgbench: Vec<f64>,
) {
    let peer = per_second("queue by hand", queue);
    let at = |what: &str| format!("claims/s to a queue's by hand, {} tasks, {what}", count(tasks));
    let agents = match connections {
        1 => "1 agent".to_owned(),
        several => format!("{several} agents"),
    };
    bench.record(
        Figure::ratio(
            at(&format!("{agents} of one process")),
            &per_second("taskhost", threads),
            &peer,
        )
        .goal(OF_QUEUE)
        .beside(Series::new("the queue by pgbench", Unit::PerSecond, pgbench))
        .beside(percentile("p50", threads, 0.5))
        .beside(percentile("p99", threads, 0.99))
        .beside(percentile("the queue's p50", queue, 0.5))
        .beside(percentile("the queue's p99", queue, 0.99)),
    );
    if connections > 1 {
        bench.record(
            Figure::ratio(
                at(&format!("{connections} processes")),
                &per_second("taskhost", processes),
                &peer,
            )
            .goal(OF_QUEUE)
            .beside(percentile("p50", processes, 0.5))
            .beside(percentile("p99", processes, 0.99)),
        );
    }
}
