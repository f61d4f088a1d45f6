//! One attempt at a task: its directory, the command in it, and how long it may run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use taskhost::wire::WireTask;
use taskhost::{Agent, Claim, Claimed, Json, Task};

use super::Run;
use super::child::Child;
use super::ending;
use super::lease::{Hold, Lease};
use super::place::Place;
use super::shown::Shown;

/// How long a command has at most when its task belongs to somebody else already.
const LOST_GRACE: Duration = Duration::from_secs(1);
/// How often the worker looks whether the run is stopped.
const LOOK: Duration = Duration::from_millis(100);

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The command exited with 0 and left this.
    Done(Json),
    /// It failed, or could not even be called with what the task has.
    Failed(String),
    /// It was stopped, or not even made, for this reason, which is no fault of the task's.
    Stopped(String),
    /// The claim was taken away meanwhile.
    Lost(String),
    /// The command ended the claim itself.
    Settled,
}

/// An attempt, and where it can be looked up.
pub struct Attempt {
    pub ended: Ended,
    /// The directory of what the command printed, in the run's; absent if it never ran.
    pub output: Option<PathBuf>,
    /// What people see of that.
    pub shown: Option<Shown>,
}

impl Attempt {
    /// One in which the command didn't run.
    pub fn without_command(ended: Ended) -> Self {
        Self { ended, output: None, shown: None }
    }
}

/// Runs the command for the task. An error means that no attempt was made, through no fault of the task's.
pub fn run(run: &Run, agent: &Agent, claimed: &Claimed, claim: &Claim) -> Result<Attempt> {
    let task = claimed.task();
    let failed = |why| Ok(Attempt::without_command(Ended::Failed(why)));
    let mut command = match run.template.fill(task) {
        Ok(command) => command,
        Err(why) => return failed(why),
    };
    let place = Place::make(&run.output_dir, task, claim)
        .context("the directory for the command's output can't be made")?;
    prepare(&mut command, run, agent, claim, task, &place)
        .context("the command's files can't be made")?;
    let shown = Shown::begin(run, agent, [place.file("stdout"), place.file("stderr")]);
    let mut child = match Child::spawn(command) {
        Ok(child) => child,
        // What passes is no task's fault; nor is a program that is the same for all of them, unless told so.
        Err(error)
            if super::passes_in_time(&error)
                || (run.template.program_is_fixed() && !run.keep_going) =>
        {
            return Err(error).context("the command can't be started");
        }
        Err(error) => return failed(format!("the command can't be started: {error}")),
    };
    let mut lease = Lease::new(run, claimed, claim);
    let watched = watch(run, &mut lease, &child);
    let ended = conclude(run, watched, lease, &mut child, &place)?;
    let output = place.dir.strip_prefix(&run.output_dir).ok().map(Path::to_owned);
    Ok(Attempt { ended, output, shown: Some(shown) })
}

/// Gives the command its environment, its input, and files for its output.
fn prepare(
    command: &mut Command,
    run: &Run,
    agent: &Agent,
    claim: &Claim,
    task: &Task,
    place: &Place,
) -> Result<()> {
    let input = serde_json::to_string(&WireTask::from(task))? + "\n";
    command
        .stdin(place.input("task.json", &input)?)
        .stdout(place.output("stdout")?)
        .stderr(place.output("stderr")?)
        .env("TASKHOST_BOARD", run.address.as_os_str())
        .env("TASKHOST_TASK", task.id.as_str())
        .env("TASKHOST_TYPE", task.task_type.as_str())
        .env("TASKHOST_TOKEN", claim.token.to_string())
        .env("TASKHOST_AGENT", agent.name.as_str())
        .env("TASKHOST_SESSION", agent.session.as_str())
        .env("TASKHOST_ATTEMPT", task.attempts.to_string())
        .env("TASKHOST_OUTPUT", &place.dir)
        .env("TASKHOST_RESULT", place.file("result.json"));
    Ok(())
}

enum Watched {
    Exited,
    Stopped,
    Lost,
    /// It has run longer than it may; the text says how long that is.
    Overtime(String),
}

/// Keeps the claim until the command exits or is to be stopped.
fn watch(run: &Run, lease: &mut Lease<'_>, child: &Child) -> Watched {
    let began = Instant::now();
    loop {
        let left = run
            .task_timeout
            .as_ref()
            .map_or(LOOK, |limit| limit.length.saturating_sub(began.elapsed()).min(LOOK));
        if child.exits_within(lease.wait(left)) {
            return Watched::Exited;
        }
        if run.stop.signal().is_some() {
            return Watched::Stopped;
        }
        if let Some(limit) = run.task_timeout.as_ref().filter(|it| began.elapsed() >= it.length) {
            return Watched::Overtime(limit.typed.clone());
        }
        if matches!(lease.tend(), Hold::Lost(_)) {
            return Watched::Lost;
        }
    }
}

/// Ends the command, if it hasn't by itself, and says how the attempt ended.
fn conclude(
    run: &Run,
    watched: Watched,
    mut lease: Lease<'_>,
    child: &mut Child,
    place: &Place,
) -> Result<Ended> {
    let grace = match watched {
        Watched::Exited => None,
        Watched::Stopped | Watched::Overtime(_) => Some(run.grace),
        Watched::Lost => Some(run.grace.min(LOST_GRACE)),
    };
    let status = match grace {
        None => Some(child.status().context("how the command exited can't be found out")?),
        Some(grace) => {
            // The grace may be longer than the lease, which is kept meanwhile.
            let was_held = *lease.hold() == Hold::Held;
            let hurry = || {
                let lost = matches!(lease.tend(), Hold::Lost(_));
                run.stop.hurries() || (was_held && lost)
            };
            child.end(grace, hurry).context("the command can't be stopped")?;
            None
        }
    };
    Ok(match (lease.hold(), watched, status) {
        (Hold::Settled, ..) => Ended::Settled,
        (Hold::Lost(why), ..) => Ended::Lost(why.clone()),
        (Hold::Held, Watched::Overtime(limit), _) => {
            Ended::Failed(format!("it ran longer than `--task-timeout` ({limit})"))
        }
        (Hold::Held, _, Some(status)) => {
            match ending::of(status, &place.file("result.json"), &place.file("stderr")) {
                Ok(result) => Ended::Done(result),
                Err(why) => Ended::Failed(why),
            }
        }
        (Hold::Held, _, None) => Ended::Stopped("the run was stopped".into()),
    })
}
