//! [`Fleet`]: the workers, and what is done to them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::Signal;
use taskhost_simulated::{Bug, Count, Outcome};

use super::said::Said;
use crate::dice::Dice;
use crate::histories::bugs;
use crate::place::Place;
use crate::program::{Worker, last_lines};

/// How many claim and complete; one more tends the board.
const WORKERS: usize = 16;
/// They share so many names: whoever has a holder's name isn't the holder.
const NAMES: usize = 4;
/// One of them ends so often.
const KILL_EVERY: Duration = Duration::from_millis(50);
/// Another one is stopped so often, and goes on after a while.
const STOP_EVERY: Duration = Duration::from_millis(230);
const STOP_FOR: Duration = Duration::from_millis(40);
/// Some are stopped for longer than the shortest leases.
const LONG_STOP_FOR: Duration = Duration::from_millis(400);
/// The index is thrown away so often.
const REMOVE_INDEX_EVERY: Duration = Duration::from_secs(4);
/// A machine may be very busy.
const END_WITHIN: Duration = Duration::from_secs(60);
/// How long a moment is between looking at all that is due.
const MOMENT: Duration = Duration::from_millis(2);

/// What all choices come from, and how workers behave.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) bug: Option<Bug>,
}

/// What was done to them.
#[derive(Debug, Default)]
pub(super) struct Counts {
    kills: u64,
    other_ends: u64,
    stops: u64,
    indexes: u64,
}

impl Counts {
    pub(super) fn report(&self, outcome: &mut Outcome) {
        outcome.count(Count::Kills, self.kills);
        outcome.count(Count::Stops, self.stops);
        outcome.figure("processes ended by other signals", self.other_ends.to_string());
        outcome.figure("indexes thrown away", self.indexes.to_string());
    }
}

/// One worker in its place, which another one takes when it has ended.
struct Post {
    worker: Worker,
    /// The key of the claim that it asked for last: the next one here asks for it again.
    last_key: Arc<Mutex<Option<String>>>,
    session: Arc<Mutex<Known>>,
    stopped_until: Option<Instant>,
}

/// What is known of a worker's session. Whoever hears it and whoever ends the worker take turns by a lock, so that it
/// is said to be ending before it is ended, and never to live after that.
#[derive(Debug, Default)]
struct Known {
    session: Option<String>,
    is_ending: bool,
}

/// All workers on a board.
pub(super) struct Fleet {
    plan: Plan,
    board: PathBuf,
    complaints: PathBuf,
    posts: Vec<Post>,
    dice: Dice,
    hear: Option<Sender<Said>>,
    started: u64,
    pub(super) counts: Counts,
}

impl Fleet {
    pub(super) fn new(place: &Place, plan: Plan, hear: Sender<Said>) -> io::Result<Self> {
        let mut fleet = Self {
            plan,
            board: place.board(),
            complaints: place.path().join("complaints"),
            posts: Vec::new(),
            dice: Dice::new(plan.seed ^ 2),
            hear: Some(hear),
            started: 0,
            counts: Counts::default(),
        };
        for at in 0..=WORKERS {
            let post = fleet.start(at, None)?;
            fleet.posts.push(post);
        }
        Ok(fleet)
    }

    /// Starts the worker at a post; the last post is the tender's.
    fn start(&mut self, at: usize, again: Option<String>) -> io::Result<Post> {
        self.started += 1;
        let role = if at == WORKERS { "tend" } else { "kill" };
        let board = self.board.to_string_lossy().into_owned();
        let mut arguments = vec![role.to_owned(), board, format!("w{}", at % NAMES)];
        if at < WORKERS {
            arguments.push(format!("p{}", self.started));
        }
        arguments.extend(["--seed".to_owned(), self.dice.roll().to_string()]);
        if let Some(bug) = self.plan.bug {
            arguments.extend(["--bug".to_owned(), bugs::name(bug)]);
        }
        arguments.extend(again.into_iter().flat_map(|key| ["--again".to_owned(), key]));
        let last_key = Arc::new(Mutex::new(None));
        let session = Arc::new(Mutex::new(Known::default()));
        let (hear, asked, known) = (self.hear.clone(), last_key.clone(), session.clone());
        let worker = Worker::start(&arguments, &self.complaints, move |line| {
            let Some(said) = Said::parse(line) else { return };
            match said {
                Said::Asking { key } => {
                    *asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
                }
                Said::Began { session } => {
                    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                    known.session = Some(session.clone());
                    let is_ending = known.is_ending;
                    let said =
                        if is_ending { Said::Ending { session } } else { Said::Began { session } };
                    let _ = hear.as_ref().map(|hear| hear.send(said));
                }
                said => {
                    let _ = hear.as_ref().map(|hear| hear.send(said));
                }
            }
        })?;
        Ok(Post { worker, last_key, session, stopped_until: None })
    }

    /// Kills, stops and replaces until it `is_enough`.
    pub(super) fn work(&mut self, is_enough: impl Fn() -> bool) -> Result<()> {
        let now = Instant::now();
        let (mut kill_at, mut stop_at) = (now + KILL_EVERY, now + STOP_EVERY);
        let mut remove_at = now + REMOVE_INDEX_EVERY / 4;
        while !is_enough() {
            let now = Instant::now();
            self.resume(now);
            if now >= kill_at {
                kill_at += KILL_EVERY;
                // A machine that is busy catches up with nothing.
                kill_at = kill_at.max(now);
                self.end_one()?;
            }
            if now >= stop_at {
                stop_at = now + self.dice.about(STOP_EVERY / 2);
                self.stop_one(now);
            }
            if now >= remove_at {
                remove_at = now + self.dice.about(REMOVE_INDEX_EVERY / 2);
                remove_index(&self.board);
                self.counts.indexes += 1;
            }
            std::thread::sleep(MOMENT);
        }
        Ok(())
    }

    fn resume(&mut self, now: Instant) {
        for post in &mut self.posts {
            if post.stopped_until.is_some_and(|until| until <= now) {
                post.stopped_until = None;
                post.worker.signal(Signal::CONT);
            }
        }
    }

    fn stop_one(&mut self, now: Instant) {
        let at = self.dice.index(self.posts.len());
        let least = if self.dice.one_in(4) { LONG_STOP_FOR } else { STOP_FOR };
        let until = now + self.dice.about(least);
        self.posts[at].worker.signal(Signal::STOP);
        self.posts[at].stopped_until = Some(until);
        self.counts.stops += 1;
    }

    /// Ends one in one of the ways in which processes end, and puts another one in its place.
    fn end_one(&mut self) -> Result<()> {
        let at = self.dice.index(self.posts.len());
        let signals = [Signal::TERM, Signal::INT, Signal::HUP, Signal::SEGV, Signal::ABORT];
        let signal = if self.dice.one_in(6) { self.dice.among(signals) } else { Signal::KILL };
        let post = &mut self.posts[at];
        if let Some(status) = post.worker.has_ended() {
            let said = last_lines(&self.complaints);
            bail!("a worker ended by itself, with {status}: {said}");
        }
        say_ending(post, self.hear.as_ref());
        end(&mut post.worker, signal)?;
        match signal {
            Signal::KILL => self.counts.kills += 1,
            _ => self.counts.other_ends += 1,
        }
        let key = post.last_key.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.posts[at] = self.start(at, key)?;
        Ok(())
    }

    /// Ends all of them. Whoever hears them hears the end.
    pub(super) fn stop(&mut self) -> Result<()> {
        for mut post in self.posts.drain(..) {
            let ended_before = post.worker.has_ended();
            say_ending(&post, self.hear.as_ref());
            post.worker.kill()?;
            if let Some(status) = ended_before {
                let said = last_lines(&self.complaints);
                bail!("a worker had ended by itself, with {status}: {said}");
            }
        }
        self.hear = None;
        Ok(())
    }
}

/// Says that the worker at this post is about to be ended.
fn say_ending(post: &Post, hear: Option<&Sender<Said>>) {
    let mut known = post.session.lock().unwrap_or_else(PoisonError::into_inner);
    known.is_ending = true;
    if let (Some(session), Some(hear)) = (known.session.clone(), hear) {
        let _ = hear.send(Said::Ending { session });
    }
}

/// Ends a worker by this signal.
fn end(worker: &mut Worker, signal: Signal) -> Result<()> {
    let deadline = Instant::now() + END_WITHIN;
    while worker.has_ended().is_none() {
        if Instant::now() > deadline {
            bail!("worker {} was sent {signal:?} again and again, and lives", worker.pid());
        }
        // A fault that isn't one any more when the program goes on is let pass by its runtime, once.
        worker.signal(signal);
        // One that is stopped hears nothing but `kill -9`.
        worker.signal(Signal::CONT);
        std::thread::sleep(MOMENT / 4);
    }
    worker.ended()?;
    Ok(())
}

/// Removes the index under everybody's feet. Others may be making it anew meanwhile, so what is left is left.
fn remove_index(board: &Path) {
    let _ = std::fs::remove_dir_all(board.join("index"));
}
