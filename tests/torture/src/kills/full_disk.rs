//! A board on a disk that is full now and then, with room made again each time: requests fail meanwhile, and nothing
//! that was acknowledged is lost.
//!
//! The disk is a small one in memory, in a namespace of mounts of its own: there a process in the role `full` makes
//! the board and has others work on it, and says what it counted and found.

use std::process::Command;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use taskhost_simulated::{Bug, Count, Effort, Harm, Outcome, Part};

use crate::histories::bugs;
use crate::place::{place, program};
use crate::program::{Worker, last_lines};
use crate::unlooked::{NO_NAMESPACES, not_looked_at};

const FIGURE: &str = "full";

/// What makes a namespace of mounts that ends with the one who made it.
const UNSHARE: [&str; 4] = ["-Urm", "--fork", "--kill-child", "--"];
/// How long the full programme looks: the history grows, and the disk is small.
const TIME_MAX: Duration = Duration::from_secs(15);
/// The least that is enough for the disk to be full a few times.
const TIME_MIN: Duration = Duration::from_secs(3);
/// A process that takes so much longer than it was told says nothing any more.
const SILENCE: Duration = Duration::from_secs(180);

/// Real processes on a disk that is full now and then.
pub(crate) fn part() -> Part {
    Part {
        name: "full-disk",
        does: "has real processes work on a disk that is full now and then, where such a one can be made",
        share: 1,
        run,
    }
}

/// Fills the disk under working processes, where this user may make one.
fn run(effort: &Effort, bug: Option<Bug>) -> Outcome {
    let mut outcome = Outcome::default();
    let probe = Command::new("unshare")
        .args(UNSHARE)
        .args(["sh", "-c", MOUNT, "sh", "/mnt", "true"])
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        not_looked_at(&mut outcome, "full-disk", NO_NAMESPACES);
        return outcome;
    }
    if let Err(error) = fill(effort, bug, &mut outcome) {
        outcome.wrong(Harm::Broken, format!("it could not go on: {error:#}"));
    }
    for wrong in &mut outcome.wrong {
        wrong.what = format!("seed {}: on a full disk: {}", effort.seed, wrong.what);
    }
    outcome
}

/// Mounts a disk where the first argument says, and becomes what the others say.
const MOUNT: &str = "mount -t tmpfs -o size=128m none \"$1\" && shift && exec \"$@\"";

fn fill(effort: &Effort, bug: Option<Bug>, outcome: &mut Outcome) -> Result<()> {
    let place = place()?;
    let disk = place.path().join("disk");
    std::fs::create_dir(&disk)?;
    let left = effort.until.saturating_duration_since(Instant::now());
    let time = left.clamp(TIME_MIN, TIME_MAX);
    let mut command = Command::new("unshare");
    command.args(UNSHARE).args(["sh", "-c", MOUNT, "sh"]).arg(&disk).arg(program()?);
    command.arg("full").arg(disk.join("board")).arg(time.as_millis().to_string());
    command.args(["--seed", &effort.seed.to_string()]);
    command.args(bug.into_iter().flat_map(|bug| ["--bug".to_owned(), bugs::name(bug)]));
    let (hear, heard) = channel();
    let complaints = place.path().join("complaints");
    let mut worker = Worker::spawn(&mut command, &complaints, move |line| {
        let _ = hear.send(line.to_owned());
    })?;
    let mut times: u64 = 0;
    loop {
        let line = heard.recv_timeout(time + SILENCE);
        let line = line.with_context(|| last_lines(&complaints))?;
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "lost" => outcome.wrong(Harm::Lost, rest),
            "doubled" => outcome.wrong(Harm::Doubled, rest),
            "silent" => outcome.wrong(Harm::Silent, rest),
            "broken" => outcome.wrong(Harm::Broken, rest),
            "claims" => outcome.count(Count::Claims, rest.parse()?),
            "kills" => outcome.count(Count::Kills, rest.parse()?),
            "times" => times = rest.parse()?,
            "figure" => outcome.figure(FIGURE, rest),
            "done" => break,
            _ => {}
        }
    }
    let status = worker.ended()?;
    ensure!(status.success(), "it ended with {status}: {}", last_lines(&complaints));
    // Nothing is found, too, where nothing was done.
    let claims = outcome.counted(Count::Claims);
    ensure!(claims > 0 && times > 0, "nothing was tried: {claims} claims, {times} times full");
    Ok(())
}
