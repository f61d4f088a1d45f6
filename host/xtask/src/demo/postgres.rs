//! `cargo xtask demo --postgres`: agents share a board in PostgreSQL, and one of them is killed.
//!
//! Everything is done by the command line, and shown as one would type it. What is shown is checked too: the demo fails if a
//! task was done twice or never, or if what the dead agent held didn't come back.

use super::build;
use crate::postgres::prepare;
use crate::workspace;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use taskhost_test_postgres::{Access, Options, Server};

/// How many tasks there are beside the report.
const PAGES: usize = 24;
/// The last one waits for all others.
const REPORT: &str = "report";
/// Those who finish the job.
const AGENTS: [&str; 3] = ["ada", "bob", "eve"];
/// The one that dies over its first task.
const VICTIM: &str = "cat";
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What an agent does for each task.
const WORK: &str = "sleep 0.2";
/// What the victim does: nothing else, for as long as it lives.
const ENDLESS: &str = "while kill -0 $PPID 2>/dev/null; do sleep 0.1; done";

/// How many rows each table of the board has.
const COUNTS: &str = "
    SELECT table_name AS table, (xpath('/row/n/text()', query_to_xml(
        format('SELECT count(*) AS n FROM %I.%I', table_schema, table_name), false, true, '')))[1] AS rows
    FROM information_schema.tables WHERE table_schema = 'taskhost_demo' ORDER BY 1";

pub fn run() -> Result<()> {
    let programs = prepare()?;
    let program = build()?;
    let server = Server::start(Options::default())?;
    let access = server.access().without_password();
    println!("{} runs for this demo only: {}", programs.version()?, access.url());

    let logs = workspace::target_dir().join("demo-postgres");
    fs::create_dir_all(&logs).with_context(|| format!("can't make `{}`", logs.display()))?;
    let board = Board { program, address: access.board("demo"), logs };
    let held = board.work_off()?;
    board.show(&held)?;
    show_tables(&access)?;
    drop(server);
    println!("\nthe server is stopped, and its files are removed");
    Ok(())
}

/// The tables are plain ones.
fn show_tables(access: &Access) -> Result<()> {
    println!("\nthe board's tables, as `psql` shows them:");
    ensure!(!access.psql(COUNTS)?.is_empty(), "the board left no tables in `taskhost_demo`");
    print!("{}", access.psql_for_people(COUNTS)?);
    Ok(())
}

/// The command, the board it is called for, and where agents' output goes.
struct Board {
    program: PathBuf,
    address: String,
    logs: PathBuf,
}

impl Board {
    /// From making the board until all is done. Gives the task that the victim held.
    fn work_off(&self) -> Result<String> {
        println!("\n$ export TASKHOST_BOARD='{}'", self.address);
        self.shown(&["init"])?;
        let plan = self.write_plan()?;
        self.shown(&["add", "--from", &plan.to_string_lossy()])?;

        println!("\n$ taskhost run --agents 1 --name {VICTIM} -- sh -c '{ENDLESS}' &");
        let mut victim = Ended(self.agent(VICTIM, ENDLESS)?);
        let held = self.wait_for_claim_of(VICTIM)?;
        println!("`{VICTIM}` has `{held}`, and works on it for ever");
        let mut agents = Vec::new();
        for name in AGENTS {
            println!("$ taskhost run --agents 1 --name {name} -- sh -c '{WORK}' &");
            agents.push((name, Ended(self.agent(name, WORK)?)));
        }
        self.wait_until("half of the tasks are done", || Ok(self.completed()? >= PAGES / 2))?;
        println!("\nhalf of the tasks are done: `kill -9` for `{VICTIM}`");
        victim.0.kill()?;
        victim.0.wait()?;
        for (name, mut agent) in agents {
            let log = self.log(name);
            self.wait_until(&format!("`{name}` is done"), || Ok(agent.0.try_wait()?.is_some()))?;
            let status = agent.0.wait()?;
            ensure!(
                status.success(),
                "`{name}` ended with {status}: what it printed is in `{}`",
                log.display()
            );
            let said = fs::read_to_string(&log)?;
            let sum = said.lines().rev().find(|line| line.contains(&format!("{name}: ")));
            println!("{}", sum.unwrap_or_default());
        }
        Ok(held)
    }

    /// Shows what came of it, and checks it.
    fn show(&self, held: &str) -> Result<()> {
        println!("\n`{held}`, which `{VICTIM}` held when it was killed, came back:");
        self.shown(&["history", held])?;
        check_return(&self.history(&[held])?, held)?;
        let events = self.history(&["--limit", "1000000"])?;
        check_all_done_once(&events)?;
        println!(
            "\nproved by its history: each of {} tasks was completed once, `{REPORT}` last",
            PAGES + 1
        );
        println!();
        self.shown(&["status"])?;
        self.asked(&["doctor"]).map(drop)
    }

    /// The tasks, a line for each.
    fn write_plan(&self) -> Result<PathBuf> {
        let pages: Vec<String> = (1..=PAGES).map(|page| format!("page-{page:02}")).collect();
        let path = self.logs.join("plan.jsonl");
        let mut file =
            File::create(&path).with_context(|| format!("can't write `{}`", path.display()))?;
        for page in &pages {
            writeln!(file, "{}", json!({ "id": page, "type": "fetch" }))?;
        }
        writeln!(file, "{}", json!({ "id": REPORT, "type": "report", "after": pages }))?;
        Ok(path)
    }

    fn agent(&self, name: &str, work: &str) -> Result<Child> {
        let log = File::create(self.log(name))?;
        let mut run = self.command(&["run", "--agents", "1", "--name", name, "--"]);
        run.args(["sh", "-c", work]).stdout(log.try_clone()?).stderr(log);
        run.spawn().context("`taskhost` can't be started")
    }

    fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    fn wait_for_claim_of(&self, agent: &str) -> Result<String> {
        let mut held = None;
        self.wait_until(&format!("`{agent}` has a task"), || {
            let tasks = self.asked(&["list", "--status", "in_progress"])?;
            let of_agent = |task: &&Value| task["claim"]["agent"] == agent;
            let task = tasks["tasks"].as_array().into_iter().flatten().find(of_agent);
            held = task.and_then(|task| task["id"].as_str()).map(str::to_owned);
            Ok(held.is_some())
        })?;
        held.context("a claimed task has an id")
    }

    fn completed(&self) -> Result<usize> {
        let answer = self.asked(&["list", "--status", "completed", "--limit", "1"])?;
        let total = answer["total"].as_u64().context("`taskhost list` has no total")?;
        Ok(usize::try_from(total)?)
    }

    fn history(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let answer = self.asked(&[&["history"], arguments].concat())?;
        answer["events"].as_array().cloned().context("`taskhost history` has no events")
    }

    fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so()? {
            ensure!(
                Instant::now() < deadline,
                "not within {} s: {what}; what the agents printed is in `{}`",
                PATIENCE.as_secs(),
                self.logs.display()
            );
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Runs it as people do, and shows what was typed and what it said.
    fn shown(&self, arguments: &[&str]) -> Result<()> {
        let words: Vec<&str> = arguments.iter().map(|word| relative(word)).collect();
        println!("$ taskhost {}", words.join(" "));
        let output = self.command(arguments).output().context("`taskhost` can't be started")?;
        print!("{}", String::from_utf8_lossy(&output.stdout));
        done(arguments, &output)
    }

    /// What it answers to programs.
    fn asked(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.command(&[&["--json"], arguments].concat()).output()?;
        done(arguments, &output)?;
        serde_json::from_slice(&output.stdout).context("`taskhost --json` didn't print JSON")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--board").arg(&self.address).args(arguments).stdin(Stdio::null());
        command
    }
}

/// A path as one would type it at the workspace's root.
fn relative(word: &str) -> &str {
    let path = Path::new(word).strip_prefix(workspace::root()).ok();
    path.and_then(Path::to_str).unwrap_or(word)
}

fn done(arguments: &[&str], output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let why = answer["error"]["message"].as_str().unwrap_or(said.trim());
    bail!("`taskhost {}` ended with {}: {why}", arguments.join(" "), output.status)
}

/// A process that ends with the demo, however that ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// That the task was claimed by the victim, taken from it because it was dead, claimed by somebody else, and completed by
/// them.
fn check_return(events: &[Value], task: &str) -> Result<()> {
    let story: Vec<(&str, Option<&str>)> = events
        .iter()
        .filter_map(|event| Some((event["event"].as_str()?, event["agent"].as_str())))
        .filter(|(event, _)| ["claimed", "recovered", "completed"].contains(event))
        .collect();
    match story[..] {
        [("claimed", Some(VICTIM)), ("recovered", _), ("claimed", second), ("completed", last)]
            if second == last && second != Some(VICTIM) =>
        {
            Ok(())
        }
        _ => bail!("`{task}` should have been claimed twice and completed once: {story:?}"),
    }
}

/// That each task was completed once, and the report last.
fn check_all_done_once(events: &[Value]) -> Result<()> {
    let completed = events.iter().filter(|event| event["event"] == "completed");
    let tasks: Vec<&str> = completed.filter_map(|event| event["task"].as_str()).collect();
    let mut different = tasks.clone();
    different.sort_unstable();
    different.dedup();
    ensure!(
        tasks.len() == PAGES + 1 && different.len() == tasks.len(),
        "each of {} tasks should have been completed once: {tasks:?}",
        PAGES + 1
    );
    ensure!(tasks.last() == Some(&REPORT), "`{REPORT}` should have been completed last: {tasks:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(story: &[(&str, &str, &str)]) -> Vec<Value> {
        let event = |&(event, agent, task)| json!({ "event": event, "agent": agent, "task": task });
        story.iter().map(event).collect()
    }

    #[test]
    fn a_task_that_came_back_was_claimed_again_and_completed_by_whoever_claimed_it() {
        let told = |end: &[(&'static str, &'static str)]| {
            let whole = [&[("added", "-"), ("claimed", "cat"), ("recovered", "-")], end].concat();
            let whole: Vec<_> = whole.iter().map(|&(what, who)| (what, who, "t")).collect();
            check_return(&events(&whole), "t")
        };
        told(&[("claimed", "ada"), ("completed", "ada")]).expect("it came back");
        for wrong in [
            &[("claimed", "cat"), ("completed", "cat")][..],
            &[("claimed", "ada"), ("completed", "cat")],
            &[("claimed", "ada"), ("completed", "ada"), ("completed", "bob")],
            &[("claimed", "ada")],
        ] {
            told(wrong).expect_err("not as it should be");
        }
    }

    #[test]
    fn a_task_that_was_done_twice_or_never_or_too_early_is_found() {
        let mut all: Vec<String> = (1..=PAGES).map(|page| format!("page-{page:02}")).collect();
        all.push(REPORT.to_owned());
        let check = |tasks: &[String]| {
            let story: Vec<_> =
                tasks.iter().map(|task| ("completed", "ada", task.as_str())).collect();
            check_all_done_once(&events(&story))
        };
        check(&all).expect("each once");
        check(&all[1..]).expect_err("one never");
        check(&[&all[..], &all[..1]].concat()).expect_err("one twice");
        check(&[&all[..1], &all[..1], &all[2..]].concat()).expect_err("one instead of another");
        all.reverse();
        check(&all).expect_err("the report first");
    }

    #[test]
    fn the_tables_of_a_board_are_counted() {
        let server = Server::start(Options::default()).expect("a server starts");
        let make = "CREATE SCHEMA taskhost_demo; CREATE TABLE taskhost_demo.tasks (n int);
            INSERT INTO taskhost_demo.tasks VALUES (1), (2); CREATE TABLE taskhost_demo.\"an other\" ()";
        server.access().psql(make).expect("it's empty");
        let counted = server.access().psql(COUNTS).expect("it's there");
        assert_eq!(counted, "an other|0\ntasks|2");
    }
}
