//! One schedule of one scenario: its world, its processes, and what they were told.
//!
//! - [`Case`]: what a scenario is given. It prepares a board, then starts processes, each of which is a thread with a
//!   handle of its own.
//! - [`Worker`]: what a process works with; [`Worker::act`] remembers when it asked and what it was told.
//! - [`Mishap`]: what happens besides.
//!
//! Invariant: processes share nothing but the world, whose locks are never held while one waits for its turn. So the
//! code under test keeps its own locks, and they are never waited for.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant as Deadline};

use parking_lot::Mutex;
use taskhost_board::{
    BoardSettings, Digest, Engine, Error, InvalidName, Name, PolicyPin, PolicySet, Sequence,
    Store as _, TaskId, Token,
};
use taskhost_board::{InitPlan, plain::PlainPolicies};
use taskhost_store_file::simulation::{Counted, Fault, Process, Testimony, Witnessed, World};
use taskhost_store_file::{FileStore, OpenOptions};

use super::dice::Dice;
use super::order::Turns;
use crate::outcome::{Bug, Harm, Wrong};

/// What happens in a schedule besides what the processes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    /// Nothing.
    None,
    /// One of the processes is stopped at one of its operations.
    Stopped { process: usize, at: u64 },
    /// One of its changes fails in this way.
    Fails { process: usize, at: u64, how: Fault },
    /// None of its changes of an index is taken.
    IndexFails { process: usize },
    /// The power fails at this turn.
    PowerFails { at: u64 },
    /// The power fails so many turns after this line was appended, counted from 0: when there is something to lose.
    PowerFailsAfter { line: u64, turns: u64 },
    /// The power fails as soon as somebody was given this answer, counted from 0: it must hold all the same.
    PowerFailsOn { answer: u64 },
}

/// When somebody asked for something, when they were told, and which entries it made.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) what: String,
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) sequences: Vec<Sequence>,
    /// How far a reader saw.
    pub(super) saw: Option<Sequence>,
}

/// What the processes of a case were told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) spans: Vec<Span>,
    pub(super) testimony: Testimony,
    /// How far readers saw.
    pub(super) seen: Sequence,
    pub(super) claims: u64,
    /// How many processes met what was planned for them.
    pub(super) struck: u64,
    /// How many claims there must have been before somebody was told that there was nothing left for them.
    pub(super) claims_least: u64,
    /// Claims that their holders ended, with the entry that did it and the token that was shown.
    pub(super) ended: Vec<(Sequence, TaskId, Token)>,
    pub(super) wrong: Vec<Wrong>,
}

/// One schedule of one scenario.
pub(super) struct Case {
    pub(super) world: Arc<World>,
    pub(super) turns: Arc<Turns>,
    pub(super) mishap: Mishap,
    /// Which processes, a bit for each, have a number that others have too.
    numbers_taken: u64,
    pub(super) told: Arc<Mutex<Told>>,
    bug: Option<Bug>,
    threads: Mutex<Vec<shuttle::thread::JoinHandle<()>>>,
    is_begun: AtomicBool,
    may_fail: AtomicBool,
}

/// A time that never comes.
pub(super) fn far() -> Deadline {
    Deadline::now() + Duration::from_secs(24 * 60 * 60)
}

/// What scenarios' ids and names are made of is known to be good.
fn known<T>(made: Result<T, InvalidName>) -> T {
    made.unwrap_or_else(|error| panic!("{error}"))
}

/// A task's id.
pub(super) fn id(text: &str) -> TaskId {
    known(TaskId::new(text))
}

/// A name.
pub(super) fn name(text: &str) -> Name {
    known(Name::new(text))
}

const STANDARD: &[u8] = b"the standard policy";

fn plan() -> InitPlan {
    let digest = Digest::of(STANDARD);
    InitPlan {
        policies: PolicySet {
            custom: None,
            standard: PolicyPin { digest, settings: BTreeMap::new() },
        },
        components: BTreeMap::from([(digest, STANDARD.to_vec())]),
        settings: BoardSettings::default(),
    }
}

/// Draws what is to happen besides.
pub(super) fn draw_mishap(dice: &mut Dice) -> Mishap {
    let process = dice.below(3) as usize;
    // Early ones as well as late ones.
    let reach = 1 << (3 + dice.below(6));
    match dice.below(12) {
        0..=2 => Mishap::None,
        3 | 4 => Mishap::Stopped { process, at: dice.below(reach) },
        5..=7 => {
            let at = dice.below(reach.min(64));
            let how = match dice.below(4) {
                0 => Fault::ShortWrite,
                1 => Fault::Fail(io::ErrorKind::StorageFull),
                _ => Fault::LostSync,
            };
            Mishap::Fails { process, at, how }
        }
        8 => Mishap::IndexFails { process },
        9 => Mishap::PowerFails { at: dice.below(reach * 2) },
        10 => Mishap::PowerFailsOn { answer: dice.below(10) },
        _ => Mishap::PowerFailsAfter { line: dice.below(6), turns: dice.below(40) },
    }
}

/// Draws which of the processes, a bit for each, have a number that others have too.
pub(super) fn draw_numbers(dice: &mut Dice) -> u64 {
    match dice.below(4) {
        0 => dice.below(1 << 4),
        _ => 0,
    }
}

impl Case {
    pub(super) fn new(
        world: Arc<World>,
        mishap: Mishap,
        numbers_taken: u64,
        bug: Option<Bug>,
        told: Arc<Mutex<Told>>,
    ) -> Arc<Self> {
        let turns = Turns::new(mishap);
        Arc::new(Self {
            world,
            turns,
            mishap,
            // One whose index takes nothing can't follow those who write beside it.
            numbers_taken: match mishap {
                Mishap::IndexFails { .. } => 0,
                _ => numbers_taken,
            },
            told,
            bug,
            threads: Mutex::default(),
            is_begun: AtomicBool::new(false),
            may_fail: AtomicBool::new(false),
        })
    }

    /// How processes of this case open the board.
    pub(super) fn options(&self) -> OpenOptions {
        OpenOptions {
            lock_wait: Duration::from_secs(24 * 60 * 60),
            planted: Bug::in_store(self.bug),
            ..OpenOptions::default()
        }
    }

    /// Makes the board, and prepares it with one process, before anything is scheduled.
    pub(super) fn prepare(&self, prepare: impl FnOnce(&Engine) -> Result<(), Error>) {
        // A bug that is planted shows itself later.
        let options = OpenOptions { planted: None, ..self.options() };
        match self.world.process().init(&plan(), options) {
            Ok(store) => self.prepare_on(store, prepare),
            Err(error) => self.wrong(Harm::Broken, format!("the board was not made: {error}")),
        }
    }

    /// Takes the entries of a board that is there for good ones.
    pub(super) fn vouch_for_what_is_there(&self) {
        let options = OpenOptions { planted: None, ..self.options() };
        let mut attempted = Vec::new();
        let read = self.world.process().open(options).map_err(|error| error.to_string());
        let read = read.and_then(|store| {
            let each = &mut |_, entry| {
                attempted.push(entry);
                true
            };
            store.history(Sequence(0), each).map_err(|error| error.to_string())
        });
        if let Err(error) = read {
            self.wrong(Harm::Broken, format!("the board can't be read: {error}"));
        }
        self.told.lock().testimony.attempted.extend(attempted);
    }

    /// One that tries something at which this fault happens, and dies, before anything is scheduled.
    pub(super) fn unlucky(
        &self,
        at: u64,
        fault: Fault,
        act: impl FnOnce(&Engine) -> Result<(), Error>,
    ) {
        let process = self.world.process();
        let Ok(store) = process.open(self.options()) else { return };
        let testimony = Arc::default();
        let engine = self.engine(Witnessed::new(store, &self.world, &testimony), 1 << 16);
        process.plan(Counted::Changes, at, fault);
        if act(&engine).is_ok() {
            self.wrong(Harm::Broken, "what must fail was done");
        }
        process.kill();
        let attempted = std::mem::take(&mut testimony.lock().attempted);
        self.told.lock().testimony.attempted.extend(attempted);
    }

    /// Says that some of what is asked may fail in this scenario, whatever happens besides.
    pub(super) fn expect_failures(&self) {
        self.may_fail.store(true, Ordering::SeqCst);
    }

    fn prepare_on(&self, store: FileStore, prepare: impl FnOnce(&Engine) -> Result<(), Error>) {
        let testimony = Arc::default();
        let engine = self.engine(Witnessed::new(store, &self.world, &testimony), 0);
        if let Err(error) = prepare(&engine) {
            self.wrong(Harm::Broken, format!("the board was not prepared: {error}"));
        }
        drop(engine);
        self.told.lock().testimony = std::mem::take(&mut *testimony.lock());
    }

    fn engine(&self, store: Witnessed, number: u64) -> Engine {
        let counter = AtomicU64::new(number << 32);
        let entropy = move || counter.fetch_add(1, Ordering::Relaxed);
        Engine::new(Arc::new(store), Arc::new(PlainPolicies::default()), Arc::new(entropy))
            .with_planted(Bug::in_board(self.bug))
    }

    /// Whether nothing happens besides, so that everything that is asked must be done.
    pub(super) fn is_calm(&self) -> bool {
        self.mishap == Mishap::None && !self.may_fail.load(Ordering::SeqCst)
    }

    /// How many faults there were: not those that were to come when everything was over.
    pub(super) fn faults(&self) -> u64 {
        self.told.lock().struck + u64::from(self.turns.power_failed())
    }

    pub(super) fn wrong(&self, harm: Harm, what: impl Into<String>) {
        self.told.lock().wrong.push(Wrong { harm, what: what.into() });
    }

    /// Starts a process that opens the board and works on it.
    pub(super) fn process(self: &Arc<Self>, work: impl FnOnce(&Worker) + Send + 'static) {
        if !self.is_begun.swap(true, Ordering::SeqCst) {
            self.world.schedule_by(self.turns.clone());
        }
        let process = self.world.process();
        self.turns.add(&process);
        let number = self.threads.lock().len();
        process.take_number(self.numbers_taken >> number & 1 == 1);
        match self.mishap {
            Mishap::Stopped { process: which, at } if which == number => {
                process.plan(Counted::All, at, Fault::Stop);
            }
            Mishap::Fails { process: which, at, how } if which == number => {
                process.plan(Counted::Changes, at, how);
            }
            Mishap::IndexFails { process: which } if which == number => process.fail_index(true),
            _ => {}
        }
        let case = self.clone();
        let thread = shuttle::thread::spawn(move || {
            case.run(&process, number, work);
            case.told.lock().struck += u64::from(process.struck().is_some());
        });
        self.threads.lock().push(thread);
    }

    fn run(self: &Arc<Self>, process: &Arc<Process>, number: usize, work: impl FnOnce(&Worker)) {
        let store = match process.open(self.options()) {
            Ok(store) => store,
            Err(error) => {
                if self.is_calm() {
                    self.wrong(Harm::Broken, format!("process {number} could not open: {error}"));
                }
                return;
            }
        };
        let testimony = Arc::default();
        let witnessed = Witnessed::new(store.clone(), &self.world, &testimony);
        let engine = self.engine(witnessed, number as u64 + 1);
        let worker = Worker {
            case: self.clone(),
            process: process.clone(),
            number,
            store,
            engine,
            testimony,
        };
        work(&worker);
        let testimony = std::mem::take(&mut *worker.testimony.lock());
        let mut told = self.told.lock();
        told.testimony.attempted.extend(testimony.attempted);
        told.testimony.acknowledged.extend(testimony.acknowledged);
        told.testimony.switched.extend(testimony.switched);
        told.testimony.switching.extend(testimony.switching);
    }

    /// Waits for all processes.
    pub(super) fn join(&self) {
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // One that panicked has failed the whole schedule.
            let _ = thread.join();
        }
        self.turns.end();
    }
}

/// A process at work.
pub(super) struct Worker {
    pub(super) case: Arc<Case>,
    pub(super) process: Arc<Process>,
    pub(super) number: usize,
    pub(super) store: FileStore,
    pub(super) engine: Engine,
    testimony: Arc<Mutex<Testimony>>,
}

impl Worker {
    /// Does something, and remembers when, and what it was told. `None` if it was refused, which the scenario takes
    /// for an answer, or if it failed, which may happen only where something else went wrong.
    pub(super) fn act<T>(
        &self,
        what: &str,
        run: impl FnOnce(&Engine) -> Result<T, Error>,
    ) -> Option<T> {
        let so_far =
            |testimony: &Testimony| (testimony.acknowledged.len(), testimony.switched.len());
        let before = so_far(&self.testimony.lock());
        let began = self.case.turns.tick();
        let result = run(&self.engine);
        let ended = self.case.turns.tick();
        let testimony = self.testimony.lock();
        let mut sequences: Vec<Sequence> =
            testimony.acknowledged[before.0..].iter().map(|(sequence, _)| *sequence).collect();
        sequences.extend(testimony.switched[before.1..].iter().map(|(sequence, _)| *sequence));
        drop(testimony);
        let what = format!("process {}: {what}", self.number);
        let failed = match &result {
            Err(error) if is_failure(error) => Some(error.to_string()),
            _ => None,
        };
        if let (Some(error), true) = (failed, self.case.is_calm()) {
            self.case.wrong(Harm::Broken, format!("{what} failed: {error}"));
        }
        self.case.told.lock().spans.push(Span { what, began, ended, sequences, saw: None });
        if result.is_ok() {
            self.case.turns.answered();
        }
        result.ok()
    }

    /// Whether the process was stopped.
    pub(super) fn is_stopped(&self) -> bool {
        self.process.is_stopped()
    }
}

/// Whether it isn't an answer to what was asked.
fn is_failure(error: &Error) -> bool {
    matches!(
        error,
        Error::Begin(_) | Error::Commit(_) | Error::Read(_) | Error::Policy(_) | Error::Switch(_)
    )
}
