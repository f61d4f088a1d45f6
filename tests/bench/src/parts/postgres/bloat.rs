//! What very many claims leave behind, while the server tidies up as it does unless somebody forbids it.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Databases;
use crate::bench::{Bench, Size};
use crate::contender::Taskhost;
use crate::figure::{Figure, Goal, Series, Unit, count};
use crate::fleet::{Fleet, Load};

/// How many tasks are claimed: all that there are.
const TASKS: Size<u64> = Size { full: 1_000_000, quick: 600 };
/// Agents of one process.
const AGENTS: usize = 16;
/// So many processes claim one after another, each its part.
const PARTS: u64 = 10;
/// More than it takes.
const AT_MOST: Duration = Duration::from_secs(3_600);
/// How fast the last part is claimed, beside the first: what is left behind isn't to slow anybody down.
const LAST_TO_FIRST: Goal = Goal::AtLeast(0.7);

/// In bytes: each table with its indexes.
const SIZES: &str = "\
SELECT pg_total_relation_size('taskhost_main.tasks'), pg_total_relation_size('taskhost_main.ready'), \
  pg_total_relation_size('taskhost_main.claims'), pg_total_relation_size('taskhost_main.journal')";
const TABLES: [&str; 4] = ["tasks", "ready", "claims", "journal"];

pub fn run(bench: &mut Bench, databases: &mut Databases) -> Result<()> {
    let tasks = bench.pick(TASKS);
    databases.fill(bench, tasks)?;
    let database = databases.copy(bench)?;
    let sizes = || -> Result<Vec<f64>> {
        let line = database.psql(SIZES)?;
        let bytes = line.split('|').map(|bytes| bytes.parse::<f64>().context("a size in bytes"));
        bytes.map(|bytes| Ok(bytes? / f64::from(1 << 20))).collect()
    };
    let before = sizes()?;
    let boards = [database.board(AGENTS)];
    let each = tasks / PARTS / AGENTS as u64;
    let load = Load::new(&boards, 1, AT_MOST).threads(AGENTS).claims(each);
    let (mut rates, mut claims) = (Vec::new(), 0);
    // They live on until all is measured: what dead ones hold is given out again.
    let mut fleets = Vec::new();
    for part in 0..PARTS {
        bench.say(&format!("claiming {tasks} tasks, part {}", part + 1));
        let mut fleet = Fleet::start(&Taskhost::STANDARD, &load)?;
        let run = fleet.measured()?;
        rates.push(run.per_second);
        claims += run.ns.len() as u64;
        fleets.push(fleet);
    }
    let after = sizes()?;
    drop(fleets);
    let claims = count(claims);
    let added = after.iter().sum::<f64>() - before.iter().sum::<f64>();
    let mut figure = Figure::amount(
        format!("what {claims} claims add to a board in PostgreSQL"),
        Series::new("in all", Unit::Mebibytes, vec![added]),
    );
    for ((table, before), after) in TABLES.iter().zip(before).zip(after) {
        figure = figure
            .beside(Series::new(format!("{table} before"), Unit::Mebibytes, vec![before]))
            .beside(Series::new(format!("{table} after"), Unit::Mebibytes, vec![after]));
    }
    bench.record(figure.note("with autovacuum, as PostgreSQL has it"));

    let one = |name: &str, rate: Option<&f64>| {
        Series::new(name, Unit::PerSecond, rate.copied().into_iter().collect())
    };
    let what = format!("claims/s in the last tenth of {claims} to those in the first");
    let (last, first) = (one("last", rates.last()), one("first", rates.first()));
    bench.record(Figure::ratio(what, &last, &first).goal(LAST_TO_FIRST));
    Ok(())
}
