//! `bulk`: adding very many tasks from a file, and what they take up then.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::{MILLION, turns};
use crate::bench::{Bench, remove};
use crate::contender::{DATA, FILE};
use crate::figure::{Figure, Goal, Measured, Series, Unit, count};
use crate::spread::Spread;
use crate::{programs, resident};

/// Each round takes minutes.
const ROUNDS_MAX: usize = 3;
/// How many rows SQLite commits together, as taskhost adds tasks a batch at a time.
const SQLITE_BATCH: &str = "1000";

const TO_SQLITE: Goal = Goal::AtMost(2.0);
const INDEX_BYTES: Goal = Goal::AtMost(600.0);

pub fn run(bench: &mut Bench) -> Result<()> {
    let tasks = bench.pick(MILLION);
    let in_batches =
        format!("adding {} tasks to SQLite's {SQLITE_BATCH} rows at a time", count(tasks));
    let Some(taskhost) = programs::taskhost()? else {
        let why = "`taskhost` isn't beside this program: `cargo build --release -p taskhost-cli` builds it";
        bench.record(Figure::not_measured(in_batches, why).goal(TO_SQLITE));
        return Ok(());
    };
    let at = bench.scratch("bulk")?;
    let (file, board, database) = (at.join("tasks.jsonl"), at.join("board"), at.join("database"));
    write_tasks(&file, tasks)?;
    let this = std::env::current_exe().context("this program's own path isn't known")?;
    let mut seconds: [Vec<f64>; 3] = Default::default();
    for round in 0..bench.rounds_at_most(ROUNDS_MAX) {
        for who in turns(3, round) {
            let name = ["taskhost", "SQLite in batches", "SQLite at once"][who];
            bench.say(&format!("round {}: {name} adds {tasks} tasks", round + 1));
            let mut command = Command::new(if who == 0 { &taskhost } else { &this });
            if who == 0 {
                remove(&board)?;
                let mut init = Command::new(&taskhost);
                run_whole(init.arg("--board").arg(&board).arg("init"))?;
                command.arg("--board").arg(&board).args(["add", "--from"]).arg(&file);
            } else {
                remove(&database)?;
                fs::create_dir(&database)?;
                command.arg("bulk-sqlite");
                if who == 1 {
                    command.args(["--batch", SQLITE_BATCH]);
                }
                command.arg(&file).arg(database.join(FILE));
            }
            bench.settle()?;
            let began = Instant::now();
            run_whole(&mut command)?;
            seconds[who].push(began.elapsed().as_secs_f64());
        }
    }
    let [ours, in_turns, at_once] = seconds;
    let ours = Series::new("`taskhost add --from`", Unit::Seconds, ours);
    let in_turns = Series::new("SQLite", Unit::Seconds, in_turns);
    let at_once = Series::new("SQLite", Unit::Seconds, at_once);
    bench.record(Figure::ratio(in_batches, &ours, &in_turns).goal(TO_SQLITE));
    let all = format!("adding {} tasks to SQLite's all at once", count(tasks));
    bench.record(Figure::ratio(all, &ours, &at_once));
    taken_up(bench, &board, tasks)
}

/// What the board takes up on disk and in memory, and how long its index takes to be made anew.
fn taken_up(bench: &mut Bench, board: &Path, tasks: u64) -> Result<()> {
    let index = board.join("index");
    let index_bytes = allocated(&index)? as f64 / tasks as f64;
    let beside = index_bytes - DATA.len() as f64;
    let mut figure = Figure::amount(
        "bytes of the index for each task, without the task's own data",
        Series::new("the index for each task", Unit::Bytes, vec![index_bytes]),
    );
    figure.measured = Some(Measured { unit: Unit::Bytes, spread: Spread::of(&[beside]) });
    let all = Series::new(
        "the board for each task",
        Unit::Bytes,
        vec![allocated(board)? as f64 / tasks as f64],
    );
    bench.record(
        figure
            .goal(INDEX_BYTES)
            .beside(all)
            .note(format!("a task's data has {} bytes", DATA.len())),
    );

    let mut opened = Vec::new();
    for _ in 0..bench.rounds_at_most(ROUNDS_MAX) {
        bench.say("opening the board without its index");
        remove(&index)?;
        bench.settle()?;
        opened.push(resident::on(board)?.open_s);
    }
    let again = resident::on(board)?;
    bench.record(
        Figure::amount(
            format!("opening a board of {} tasks without its index", count(tasks)),
            Series::new("without its index", Unit::Seconds, opened),
        )
        .beside(Series::new("with it", Unit::Milliseconds, vec![again.open_s * 1e3])),
    );
    let mebibytes = |name: &str, bytes: u64| {
        Series::new(name, Unit::Mebibytes, vec![bytes as f64 / f64::from(1 << 20)])
    };
    bench.record(
        Figure::amount(
            format!(
                "memory of a process that has {} tasks open and has claimed once",
                count(tasks)
            ),
            mebibytes("resident", again.resident_bytes),
        )
        .beside(mebibytes("of which its own", again.own_bytes)),
    );
    Ok(())
}

fn write_tasks(file: &Path, tasks: u64) -> Result<()> {
    let mut file = BufWriter::new(File::create(file)?);
    for number in 0..tasks {
        writeln!(file, r#"{{"id":"work_{number:08x}","type":"work","data":{DATA}}}"#)?;
    }
    Ok(file.flush()?)
}

fn run_whole(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// What a directory takes up on disk, in bytes: files with holes less than their length.
fn allocated(at: &Path) -> Result<u64> {
    /// What `st_blocks` counts in.
    const BLOCK_BYTES: u64 = 512;
    let mut bytes = 0;
    for entry in fs::read_dir(at)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() {
            allocated(&entry.path())?
        } else {
            metadata.blocks() * BLOCK_BYTES
        };
    }
    Ok(bytes)
}
