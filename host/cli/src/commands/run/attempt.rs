//! One attempt at a task: its directory, the command in it, and the lease while it runs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use taskhost::domain::Error as BoardError;
use taskhost::wire::WireTask;
use taskhost::{Agent, Claim, Claimed, Json, Task};

use super::Run;
use super::child::Child;
use super::ending;
use super::progress::Repeats;

/// How long a command has to end by itself when the run is stopped.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How long it has when its task belongs to somebody else already.
const LOST_GRACE: Duration = Duration::from_secs(1);
/// How often the worker looks whether the run is stopped.
const LOOK: Duration = Duration::from_millis(100);
/// After a heartbeat that didn't get through, the next comes no later than this.
const BEAT_AGAIN: Duration = Duration::from_secs(1);
/// How long a heartbeat waits for the board's lock: meanwhile the worker hears no signal.
const BEAT_WAITS: Duration = Duration::from_secs(1);

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The command exited with 0 and left this.
    Done(Json),
    /// It failed, or could not even be called with what the task has.
    Failed(String),
    /// The run was stopped.
    Stopped,
    /// The claim was taken away meanwhile.
    Lost(String),
    /// The command ended the claim itself.
    Settled,
}

/// Where an attempt keeps what belongs to it.
struct Place {
    dir: PathBuf,
}

/// Runs the command for the task. An error means that no attempt was made, through no fault of the task's.
pub fn run(run: &Run, agent: &Agent, claimed: &Claimed, claim: &Claim) -> Result<Ended> {
    let task = claimed.task();
    let mut command = match run.template.fill(task) {
        Ok(command) => command,
        Err(why) => return Ok(Ended::Failed(why)),
    };
    let place = Place::make(&run.board_dir, task, claim)
        .context("the directory for the command's output can't be made")?;
    prepare(&mut command, run, agent, claim, task, &place)
        .context("the command's files can't be made")?;
    let mut child = match Child::spawn(command) {
        Ok(child) => child,
        Err(error) if run.template.program_is_fixed() => {
            return Err(error).context("the command can't be started");
        }
        Err(error) => return Ok(Ended::Failed(format!("the command can't be started: {error}"))),
    };
    match watch(run, claimed, claim, &child) {
        Watched::Exited { settled } => {
            let status = child.status().context("how the command exited can't be found out")?;
            if settled {
                return Ok(Ended::Settled);
            }
            Ok(match ending::of(status, &place.file("result.json"), &place.file("stderr")) {
                Ok(result) => Ended::Done(result),
                Err(why) => Ended::Failed(why),
            })
        }
        Watched::Stopped => {
            child.end(STOP_GRACE, || run.stop.hurries()).context("the command can't be stopped")?;
            Ok(Ended::Stopped)
        }
        Watched::Lost(why) => {
            child.end(LOST_GRACE, || run.stop.hurries()).context("the command can't be stopped")?;
            Ok(Ended::Lost(why))
        }
    }
}

impl Place {
    /// `output/TASK/ATTEMPT` of the board. A release gives its attempt back, so the number can come again: then
    /// the token, which never does, is added.
    fn make(board_dir: &Path, task: &Task, claim: &Claim) -> io::Result<Self> {
        let of_task = board_dir.join("output").join(task.id.as_str());
        fs::create_dir_all(&of_task)?;
        let dir = of_task.join(task.attempts.to_string());
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(Self { dir }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let dir = of_task.join(format!("{}-token-{}", task.attempts, claim.token));
        fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
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
    // A file, not a pipe: a command that doesn't read it can't hold anybody up.
    let input = place.file("task.json");
    fs::write(&input, serde_json::to_string(&WireTask::from(task))? + "\n")?;
    command
        .stdin(File::open(&input)?)
        .stdout(Stdio::from(File::create(place.file("stdout"))?))
        .stderr(Stdio::from(File::create(place.file("stderr"))?))
        .env("TASKHOST_BOARD", &run.board_dir)
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
    Exited { settled: bool },
    Stopped,
    Lost(String),
}

/// What a heartbeat found out.
enum Beat {
    Extended,
    /// It didn't get through; that may change.
    Missed(String),
    /// The claim has ended, by its own holder.
    Settled,
    Lost(String),
}

/// Extends the lease, three times in its length, until the command exits or is to be stopped.
fn watch(run: &Run, claimed: &Claimed, claim: &Claim, child: &Child) -> Watched {
    let interval = Duration::from_millis((claim.lease_ms / 3).max(1));
    let mut next_beat = Some(Instant::now() + interval);
    let mut missed: Option<Repeats> = None;
    loop {
        let left = next_beat.map_or(LOOK, |at| at.saturating_duration_since(Instant::now()));
        if child.exits_within(left.min(LOOK)) {
            return Watched::Exited { settled: next_beat.is_none() };
        }
        if run.stop.signal().is_some() {
            return Watched::Stopped;
        }
        if next_beat.is_none_or(|at| Instant::now() < at) {
            continue;
        }
        next_beat = match beat(run, claimed) {
            Beat::Extended => {
                missed = None;
                Some(Instant::now() + interval)
            }
            Beat::Missed(why) => {
                if missed.get_or_insert_default().is_due() {
                    let id = claimed.id();
                    run.progress.say(&format!("a heartbeat for `{id}` didn't get through: {why}"));
                }
                Some(Instant::now() + interval.min(BEAT_AGAIN))
            }
            Beat::Settled => None,
            Beat::Lost(why) => return Watched::Lost(why),
        };
    }
}

fn beat(run: &Run, claimed: &Claimed) -> Beat {
    let deadline = Instant::now() + BEAT_WAITS;
    match run.board.engine().heartbeat(claimed.id(), &claimed.proof(), None, deadline) {
        Ok(_) => Beat::Extended,
        Err(BoardError::Transition { .. }) => Beat::Settled,
        Err(error) if is_lost(&error) => Beat::Lost(error.to_string()),
        Err(error) => Beat::Missed(error.to_string()),
    }
}

/// Whether the error says that the task is somebody else's, or nobody's, by now.
pub fn is_lost(error: &BoardError) -> bool {
    matches!(error, BoardError::Stale { .. } | BoardError::Held { .. } | BoardError::NoSuchTask(_))
}
