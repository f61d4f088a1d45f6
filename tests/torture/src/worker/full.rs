//! Has others work on a board whose disk it fills, and makes room again, until its time is over; then compares what
//! they were told with the history.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::Signal;
use taskhost::{Board, BoardSettings, InitOptions};
use taskhost_simulated::Harm;

use super::{Common, say};
use crate::dice::Dice;
use crate::histories::bugs;
use crate::kills::ledger::Ledger;
use crate::kills::said::Said;
use crate::kills::{look_at_the_end, read_history};
use crate::program::{Worker, last_lines};

/// How many work.
const WORKERS: usize = 4;
/// What this program ends with when a role of it fails.
const FAILED: i32 = 2;
/// What an error says that comes from a full disk: the system's own words, and those of the store.
const FULL_DISK: [&str; 3] = ["No space left on device", "the disk is full", "could be written"];
/// For how long the disk is full, and how long there is room, at least.
const FULL_FOR: Duration = Duration::from_millis(60);
const ROOM_FOR: Duration = Duration::from_millis(150);
/// Small, so that generations are switched while there is no room.
const COMPACT_BYTES: u64 = 256 << 10;

/// Whether an error names a full disk as its cause.
pub(super) fn names_full_disk(error: &str) -> bool {
    FULL_DISK.iter().any(|words| error.contains(words))
}

struct Filling<'c> {
    common: &'c Common,
    dice: Dice,
    workers: Vec<Worker>,
    /// What each worker complains of, a file each.
    complaints: Vec<PathBuf>,
    started: u64,
    hear: Sender<Said>,
}

/// The name that a worker of this role is given is the time in milliseconds.
pub(super) fn play(common: &Common) -> Result<()> {
    let until = Instant::now() + Duration::from_millis(common.name.parse()?);
    let settings = BoardSettings { compact_bytes: Some(COMPACT_BYTES), ..BoardSettings::default() };
    Board::init(&common.board, &InitOptions { settings, ..InitOptions::default() })?;
    let (hear, heard) = channel();
    let dice = Dice::new(common.seed);
    let mut filling =
        Filling { common, dice, workers: Vec::new(), complaints: Vec::new(), started: 0, hear };
    for _ in 0..WORKERS {
        let (worker, complaints) = filling.start()?;
        filling.workers.push(worker);
        filling.complaints.push(complaints);
    }
    let (mut times, mut kills, mut ended) = (0, 0, 0);
    while Instant::now() < until {
        let filler = filling.fill()?;
        times += 1;
        sleep(filling.dice.about(FULL_FOR));
        if filling.dice.one_in(2) {
            let at = filling.dice.index(WORKERS);
            let status = filling.workers[at].kill()?;
            if status.signal() == Some(Signal::KILL.as_raw()) {
                kills += 1;
            } else {
                ended += filling.judge(at, status)?;
            }
            filling.put_another(at)?;
        }
        drop(filler);
        sleep(filling.dice.about(ROOM_FOR));
        ended += filling.replace()?;
    }
    for at in 0..WORKERS {
        let status = filling.workers[at].kill()?;
        if status.signal() != Some(Signal::KILL.as_raw()) {
            ended += filling.judge(at, status)?;
        }
    }
    drop(filling);
    let refused = compare(&common.board, &heard)?;
    say(&format!("kills {kills}"))?;
    say(&format!("times {times}"))?;
    say(&format!(
        "figure {times} times; {refused} requests failed or came too late, {ended} workers could not open the board"
    ))?;
    say("done")
}

/// What takes up all room, until it is dropped.
struct Filler<'p>(&'p Path);

impl Drop for Filler<'_> {
    fn drop(&mut self) {
        // If it stays, the disk is full to the end, and that is told there.
        let _ = fs::remove_file(self.0.join("filler"));
    }
}

impl<'c> Filling<'c> {
    fn disk(&self) -> &'c Path {
        self.common.board.parent().unwrap_or(Path::new("."))
    }

    /// Starts a worker; what it complains of goes to a file of its own, so that one end isn't taken for another.
    fn start(&mut self) -> Result<(Worker, PathBuf)> {
        self.started += 1;
        let board = self.common.board.to_string_lossy().into_owned();
        let mut arguments =
            vec!["kill".to_owned(), board, "w".into(), format!("p{}", self.started)];
        arguments.extend(["--seed".into(), self.dice.roll().to_string(), "--full-disk".into()]);
        if let Some(bug) = self.common.bug {
            arguments.extend(["--bug".to_owned(), bugs::name(bug)]);
        }
        let hear = self.hear.clone();
        // Beside the disk that is full.
        let complaints = self.disk().with_file_name(format!("complaints-{}", self.started));
        let worker = Worker::start(&arguments, &complaints, move |line| {
            let _ = Said::parse(line).map(|said| hear.send(said));
        })?;
        Ok((worker, complaints))
    }

    fn put_another(&mut self, at: usize) -> Result<()> {
        let (worker, complaints) = self.start()?;
        self.workers[at] = worker;
        self.complaints[at] = complaints;
        Ok(())
    }

    /// Looks at one that ended by itself, and says what is wrong with that; gives 1 if it ended since the disk is full.
    fn judge(&self, at: usize, status: ExitStatus) -> Result<u64> {
        let complaint = last_lines(&self.complaints[at]);
        if is_end_by_full_disk(status.code(), &complaint) {
            return Ok(1);
        }
        say(&format!("broken a worker ended by itself with {status}: {complaint}"))?;
        Ok(0)
    }

    /// Takes up all room.
    fn fill(&mut self) -> Result<Filler<'c>> {
        let disk = self.disk();
        let filler = Filler(disk);
        let mut file = File::create(disk.join("filler"))?;
        let mut piece = vec![0; 1 << 20];
        while !piece.is_empty() {
            match file.write_all(&piece) {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    piece.truncate(piece.len() / 2);
                }
                written => written?,
            }
        }
        Ok(filler)
    }

    /// Replaces those who could not even begin. Nobody may end otherwise: memory that is mapped from a full disk
    /// would end whoever touches it by `SIGBUS`.
    fn replace(&mut self) -> Result<u64> {
        let mut ended = 0;
        for at in 0..self.workers.len() {
            if self.workers[at].has_ended().is_none() {
                continue;
            }
            let status = self.workers[at].ended()?;
            ended += self.judge(at, status)?;
            self.put_another(at)?;
        }
        Ok(ended)
    }
}

/// Whether a worker that ended with this code and this complaint did so because the disk was full.
fn is_end_by_full_disk(code: Option<i32>, complaint: &str) -> bool {
    code == Some(FAILED) && names_full_disk(complaint)
}

/// Compares, and says what is wrong; gives how many requests were refused.
fn compare(board: &Path, heard: &Receiver<Said>) -> Result<u64> {
    let mut ledger = Ledger::default();
    read_history(board, &mut ledger)?;
    for said in heard.try_iter() {
        ledger.said(&said);
    }
    if let Err(error) = look_at_the_end(board, &mut ledger) {
        say(&format!("broken {error:#}").replace('\n', " "))?;
    }
    for wrong in &ledger.wrong {
        let word = match wrong.harm {
            Harm::Lost => "lost",
            Harm::Doubled => "doubled",
            Harm::Silent => "silent",
            Harm::Broken => "broken",
        };
        say(&format!("{word} {}", wrong.what))?;
    }
    say(&format!("claims {}", ledger.claims_said))?;
    Ok(ledger.refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Every error of a read or a commit once passed for a full disk, and every end but a panic.
    #[test]
    fn only_an_error_that_names_a_full_disk_excuses_the_end_of_a_worker() {
        let full = "error: nothing was changed: No space left on device (os error 28)";
        assert!(is_end_by_full_disk(Some(FAILED), full));
        assert!(is_end_by_full_disk(Some(FAILED), "error: the index failed: the disk is full"));
        let changed = "error: nothing was changed: the file was changed while the board was locked";
        assert!(!is_end_by_full_disk(Some(FAILED), changed));
        assert!(!is_end_by_full_disk(Some(101), full), "a panic is never excused");
        assert!(!is_end_by_full_disk(None, full), "nor is a signal");
    }
}
