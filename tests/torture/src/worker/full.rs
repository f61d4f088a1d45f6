//! Has others work on a board whose disk it fills, and makes room again, until its time is over; then compares what
//! they were told with the history.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use taskhost::{Board, BoardSettings, InitOptions};
use taskhost_simulated::Harm;

use super::{Common, say};
use crate::dice::Dice;
use crate::histories::bugs;
use crate::kills::ledger::Ledger;
use crate::kills::said::Said;
use crate::kills::{look_at_the_end, read_history};
use crate::program::Worker;

/// How many work.
const WORKERS: usize = 4;
/// What a program that panicked ends with.
const PANICKED: i32 = 101;
/// For how long the disk is full, and how long there is room, at least.
const FULL_FOR: Duration = Duration::from_millis(60);
const ROOM_FOR: Duration = Duration::from_millis(150);
/// Small, so that generations are switched while there is no room.
const COMPACT_BYTES: u64 = 256 << 10;

struct Filling<'c> {
    common: &'c Common,
    dice: Dice,
    workers: Vec<Worker>,
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
    let mut filling = Filling { common, dice, workers: Vec::new(), started: 0, hear };
    for _ in 0..WORKERS {
        let worker = filling.start()?;
        filling.workers.push(worker);
    }
    let (mut times, mut kills, mut ended) = (0, 0, 0);
    while Instant::now() < until {
        let filler = filling.fill()?;
        times += 1;
        sleep(filling.dice.about(FULL_FOR));
        if filling.dice.one_in(2) {
            let at = filling.dice.index(WORKERS);
            filling.workers[at].kill()?;
            kills += 1;
            filling.workers[at] = filling.start()?;
        }
        drop(filler);
        sleep(filling.dice.about(ROOM_FOR));
        ended += filling.replace()?;
    }
    for worker in &mut filling.workers {
        worker.kill()?;
    }
    drop(filling);
    let refused = compare(&common.board, &heard)?;
    say(&format!("kills {kills}"))?;
    say(&format!("figure {times}; {refused}; {ended}"))?;
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

    fn start(&mut self) -> Result<Worker> {
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
        let complaints = self.disk().with_file_name("complaints-of-workers");
        Ok(Worker::start(&arguments, &complaints, move |line| {
            let _ = Said::parse(line).map(|said| hear.send(said));
        })?)
    }

    /// Takes up all room.
    fn fill(&mut self) -> Result<Filler<'c>> {
        let disk = self.disk();
        let filler = Filler(disk);
        let mut file = File::create(disk.join("filler"))?;
        let mut piece = vec![0; 1 << 20];
        while !piece.is_empty() {
            if file.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
        Ok(filler)
    }

    /// Replaces those who could not even begin. Nobody may end otherwise: memory that is mapped from a full disk
    /// would end whoever touches it by `SIGBUS`.
    fn replace(&mut self) -> Result<u64> {
        let mut ended = 0;
        for at in 0..self.workers.len() {
            let Some(status) = self.workers[at].has_ended() else { continue };
            self.workers[at].ended()?;
            match status.code() {
                Some(code) if code != PANICKED => ended += 1,
                _ => say(&format!("broken a worker ended by itself with {status}"))?,
            }
            self.workers[at] = self.start()?;
        }
        Ok(ended)
    }
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
