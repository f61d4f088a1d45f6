//! One run of the whole: where it works, how much of everything it does, and what it has found so far.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::contender::{Contender, Taskhost};
use crate::figure::{Figure, Series, Unit};
use crate::report::Plots;
use crate::spread::Spread;

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// As much as figures need.
    Full,
    /// As little as shows that everything works; the figures mean nothing.
    Quick,
}

/// A size, in full and where only is tried whether everything works.
#[derive(Debug, Clone, Copy)]
pub struct Size<T> {
    /// As figures need it.
    pub full: T,
    /// As small as makes sense.
    pub quick: T,
}

/// A run.
pub struct Bench {
    /// Where boards are made.
    dir: PathBuf,
    scale: Scale,
    rounds: usize,
    began: Instant,
    part: &'static str,
    /// The rows of the table so far.
    pub figures: Vec<Figure>,
    /// What is drawn.
    pub plots: Plots,
    /// How long the disk's own syncs took before each part and after the last one, in microseconds.
    syncs: Vec<f64>,
    /// Boards that several parts use, by their number of tasks.
    plain: RefCell<Vec<u64>>,
}

impl Bench {
    pub fn new(dir: PathBuf, scale: Scale, rounds: usize) -> Self {
        let (figures, plots, plain) = (Vec::new(), Plots::default(), RefCell::default());
        let (began, syncs) = (Instant::now(), Vec::new());
        Self { dir, scale, rounds, began, part: "", figures, plots, syncs, plain }
    }

    /// What is recorded from now on was measured by this part.
    pub fn begin(&mut self, part: &'static str) -> Result<()> {
        self.part = part;
        self.syncs.push(self.sync_us()?);
        Ok(())
    }

    /// How long a sync takes, whoever asks for it, before each part and after the last one: on some machines ten times as
    /// long at one time as at another, and where it takes very long, it hides everything else.
    pub fn syncs(&mut self) -> Result<Series> {
        self.syncs.push(self.sync_us()?);
        Ok(Series::new("a sync by itself", Unit::Microseconds, self.syncs.clone()))
    }

    /// The middle of many syncs of a few bytes each, in microseconds.
    fn sync_us(&self) -> Result<f64> {
        const TIMES: usize = 50;
        const BYTES: [u8; 512] = [b'.'; 512];
        self.settle()?;
        let path = self.dir.join("sync");
        let mut file = File::create(&path)?;
        let mut us = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let began = Instant::now();
            file.write_all(&BYTES)?;
            file.sync_data()?;
            us.push(began.elapsed().as_secs_f64() * 1e6);
        }
        fs::remove_file(path)?;
        Ok(Spread::of(&us).median)
    }

    /// How many rounds there are.
    pub fn rounds(&self) -> usize {
        self.rounds
    }

    /// No more rounds than this, for what takes minutes each.
    pub fn rounds_at_most(&self, most: usize) -> usize {
        self.rounds.min(most)
    }

    pub fn is_quick(&self) -> bool {
        self.scale == Scale::Quick
    }

    pub fn pick<T>(&self, size: Size<T>) -> T {
        match self.scale {
            Scale::Full => size.full,
            Scale::Quick => size.quick,
        }
    }

    /// Tells whoever waits how far it has come.
    pub fn say(&self, text: &str) {
        eprintln!("{:>6.0}s  {:<9} {text}", self.began.elapsed().as_secs_f64(), self.part);
    }

    /// Adds a row to the table.
    pub fn record(&mut self, figure: Figure) {
        let figure = Figure { part: self.part, ..figure };
        let measured =
            figure.measured.map_or("not measured".to_owned(), |measured| match measured.unit {
                Unit::Ratio => format!("{:.2}", measured.spread.median),
                unit => unit.show(measured.spread.median),
            });
        self.say(&format!("{}: {measured} {}", figure.what, figure.verdict().word()));
        self.figures.push(figure);
    }

    /// An empty directory of this name. What was in it before is gone.
    pub fn scratch(&self, name: &str) -> Result<PathBuf> {
        let at = self.dir.join(name);
        remove(&at)?;
        fs::create_dir_all(&at).with_context(|| format!("`{}`", at.display()))?;
        Ok(at)
    }

    /// A board of so many ready tasks that lasts for the whole run. Whoever claims from it leaves most of it, and whoever
    /// sets its policy puts that back.
    pub fn plain_board(&self, tasks: u64) -> Result<PathBuf> {
        let at = self.dir.join(format!("plain-{tasks}"));
        if !self.plain.borrow().contains(&tasks) {
            self.make(&Taskhost::STANDARD, &at, tasks)?;
            self.plain.borrow_mut().push(tasks);
        }
        Ok(at)
    }

    /// Prepares a board, and says so if that takes long.
    pub fn make(&self, contender: &dyn Contender, at: &Path, tasks: u64) -> Result<()> {
        /// From which size on somebody would wonder what is going on.
        const LARGE: u64 = 200_000;
        if tasks >= LARGE {
            self.say(&format!("making a board of {tasks} tasks for {}", contender.name()));
        }
        remove(at)?;
        fs::create_dir_all(at)?;
        contender.prepare(at, tasks)
    }

    /// Waits until what was written so far is on the disk, so that nobody's syncs have to carry it.
    pub fn settle(&self) -> Result<()> {
        Ok(rustix::fs::syncfs(File::open(&self.dir)?)?)
    }
}

/// Removes a directory, if it is there.
pub fn remove(at: &Path) -> Result<()> {
    match fs::remove_dir_all(at) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("`{}` can't be removed", at.display()))
        }
        _ => Ok(()),
    }
}

/// For how long a fleet claims in one run: long enough for thousands of syncs, short enough for many rounds.
pub const RUN: Size<Duration> =
    Size { full: Duration::from_secs(2), quick: Duration::from_millis(60) };
