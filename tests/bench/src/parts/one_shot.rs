//! `one-shot`: one claim by a command of its own, as shell scripts and agents do it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::MILLION;
use crate::bench::{Bench, Size};
use crate::contender::{CLAIM, Contender as _, FILE, Sqlite, connect};
use crate::figure::{Figure, Goal, Series, Unit, count};
use crate::programs;
use crate::spread::Spread;

/// How often each command is started in a round.
const CALLS: Size<usize> = Size { full: 40, quick: 3 };
const SMALL: Size<u64> = Size { full: 1_000, quick: 300 };
const MIDDLE: Size<u64> = Size { full: 100_000, quick: 1_000 };

const LARGE_TO_SMALL: Goal = Goal::AtMost(1.5);
const TO_SQLITE: Goal = Goal::AtMost(1.0);

pub fn run(bench: &mut Bench) -> Result<()> {
    let sizes = [bench.pick(SMALL), bench.pick(MIDDLE), bench.pick(MILLION)];
    let [small, middle, large] = sizes;
    let by_size = format!("a claim at {} tasks to one at {}", count(large), count(small));
    let to_sqlite = format!("a claim at {} tasks to one by `sqlite3`", count(middle));
    let Some(taskhost) = programs::taskhost()? else {
        let why = "`taskhost` isn't beside this program: `cargo build --release -p taskhost-cli` builds it";
        bench.record(Figure::not_measured(by_size, why).goal(LARGE_TO_SMALL));
        bench.record(Figure::not_measured(to_sqlite, why).goal(TO_SQLITE));
        return Ok(());
    };
    let mut commands = Vec::new();
    for tasks in sizes {
        let board = bench.plain_board(tasks)?;
        commands.push((format!("{} tasks", count(tasks)), claim(&taskhost, &board)));
    }
    commands.push(("`true`".to_owned(), Command::new("true")));
    let database = bench.scratch("one-shot-sqlite")?;
    Sqlite.prepare(&database, middle)?;
    // Somebody else works with the database too, as where several agents share it: else each command would be the last
    // one out, and would have to put the whole log back into the database.
    let others = connect(&database.join(FILE))?;
    others.query_row("SELECT count(*) FROM head", [], |_| Ok(()))?;
    let alone = bench.scratch("one-shot-sqlite-alone")?;
    Sqlite.prepare(&alone, middle)?;
    let has_sqlite = programs::version("sqlite3").is_some();
    if has_sqlite {
        commands.push(("`sqlite3`".to_owned(), sqlite(&database)));
        commands.push(("`sqlite3`".to_owned(), sqlite(&alone)));
    }
    let series = time(bench, commands)?;
    let [on_small, on_middle, on_large, nothing, peers @ ..] = &series[..] else {
        anyhow::bail!("a command is missing");
    };
    bench.record(
        Figure::ratio(by_size, on_large, on_small).goal(LARGE_TO_SMALL).beside(nothing.clone()),
    );
    let cases =
        ["another connection to the database stays open", "nobody else has the database open"];
    for (case, peer) in cases.into_iter().zip(peers) {
        let figure = Figure::ratio(format!("{to_sqlite}; {case}"), on_middle, peer);
        bench.record(figure.goal(TO_SQLITE));
    }
    if peers.is_empty() {
        bench.record(Figure::not_measured(to_sqlite, "`sqlite3` isn't installed").goal(TO_SQLITE));
    }
    Ok(())
}

/// How long each command takes, in milliseconds: in each round the middle of many calls, which take turns.
fn time(bench: &Bench, mut commands: Vec<(String, Command)>) -> Result<Vec<Series>> {
    // The small board has to last.
    let calls = bench.pick(CALLS).min((bench.pick(SMALL) as usize - 1) / (bench.rounds() + 1));
    ensure!(calls > 0, "there are too many rounds for the small board");
    for (name, command) in &mut commands {
        // What is read for the first time is read from the disk.
        call(command).with_context(|| name.clone())?;
    }
    bench.settle()?;
    let mut rounds: Vec<Vec<f64>> = vec![Vec::new(); commands.len()];
    for _ in 0..bench.rounds() {
        let mut ms: Vec<Vec<f64>> = vec![Vec::new(); commands.len()];
        for _ in 0..calls {
            for ((name, command), ms) in commands.iter_mut().zip(&mut ms) {
                ms.push(call(command).with_context(|| name.clone())?);
            }
        }
        for (rounds, ms) in rounds.iter_mut().zip(&ms) {
            rounds.push(Spread::of(ms).median);
        }
    }
    let series = commands.into_iter().zip(rounds);
    Ok(series.map(|((name, _), ms)| Series::new(name, Unit::Milliseconds, ms)).collect())
}

/// From start to exit, in milliseconds.
fn call(command: &mut Command) -> Result<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status()?;
    let ms = began.elapsed().as_secs_f64() * 1e3;
    ensure!(status.success(), "it ended with {status}");
    Ok(ms)
}

fn claim(taskhost: &Path, board: &Path) -> Command {
    let mut command = Command::new(taskhost);
    command.arg("--board").arg(board).args(["claim", "--agent", "a", "--json"]);
    command
}

/// The same statements as those of the library's claims, with what is bound there written out.
fn sqlite(database: &Path) -> Command {
    let claim = CLAIM
        .replace("?1", "'a'")
        .replace("?2", "(SELECT token FROM head)")
        .replace("?3", "CAST(unixepoch('subsec') * 1000 AS INTEGER)")
        .replace("?4", "CAST(unixepoch('subsec') * 1000 AS INTEGER) + 1800000");
    let script = format!(
        "PRAGMA synchronous = FULL; BEGIN IMMEDIATE; UPDATE head SET token = token + 1; {claim}; COMMIT;"
    );
    let mut command = Command::new("sqlite3");
    command.args(["-bail", "-cmd", ".timeout 60000"]).arg(database.join(FILE)).arg(script);
    command
}
