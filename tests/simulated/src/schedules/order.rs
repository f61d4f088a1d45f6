//! Who goes on when.
//!
//! - [`Whim`]: chooses the thread that goes on at each step, from one number and nothing else, so that each schedule
//!   can be gone through again by itself.
//! - [`Turns`]: lets the processes of a world ask for their turn, cuts the power at a chosen step, and keeps a record of
//!   what was done in which order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use shuttle::scheduler::{Schedule, Scheduler as Choose, Task, TaskId};
use shuttle::sync::atomic::AtomicUsize as Point;
use shuttle::sync::{Condvar, Mutex as Gate};
use taskhost_store_file::simulation::{Deed, Process, Scheduler};

use super::case::Mishap;
use super::dice::Dice;

/// In which way a schedule is chosen.
#[derive(Debug, Clone, Copy)]
enum Mood {
    /// Anybody, at each step.
    Even,
    /// The same one as long as this is not 0 in so many.
    Sticky(u64),
    /// Each thread has a rank; the first one that can goes on, and in one of so many steps it becomes the last.
    Ranks(u64),
}

/// Chooses by whim, the same with the same number.
pub(super) struct Whim {
    /// Gives the number of the next schedule, or none.
    next: Box<dyn FnMut() -> Option<u64>>,
    dice: Dice,
    mood: Mood,
    ranks: BTreeMap<usize, u64>,
    last: u64,
}

impl Whim {
    pub(super) fn new(next: Box<dyn FnMut() -> Option<u64>>) -> Self {
        Self { next, dice: Dice::new(0), mood: Mood::Even, ranks: BTreeMap::new(), last: 0 }
    }

    fn rank(&mut self, task: usize) -> u64 {
        let dice = &mut self.dice;
        // The upper half, so that those who were put back are behind all others.
        *self.ranks.entry(task).or_insert_with(|| dice.below(1 << 32) + (1 << 32))
    }
}

impl Choose for Whim {
    fn new_execution(&mut self) -> Option<Schedule> {
        let number = (self.next)()?;
        self.dice = Dice::new(number);
        self.mood = match self.dice.below(7) {
            0 => Mood::Even,
            1 => Mood::Sticky(3),
            2 => Mood::Sticky(12),
            3 => Mood::Sticky(50),
            4 => Mood::Ranks(15),
            5 => Mood::Ranks(60),
            _ => Mood::Ranks(200),
        };
        self.ranks.clear();
        self.last = 1 << 32;
        Some(Schedule::new(number))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let mut able: Vec<usize> = runnable.iter().map(|task| usize::from(task.id())).collect();
        let current = current.map(usize::from).filter(|current| able.contains(current));
        if let (true, Some(current)) = (is_yielding && able.len() > 1, current) {
            able.retain(|task| *task != current);
        }
        let any = able[self.dice.below(able.len() as u64) as usize];
        let chosen = match (self.mood, current) {
            (Mood::Sticky(one_in), Some(current)) if able.contains(&current) => {
                if self.dice.below(one_in) == 0 { any } else { current }
            }
            (Mood::Ranks(one_in), _) => {
                if let Some(current) = current
                    && (is_yielding || self.dice.below(one_in) == 0)
                {
                    self.last -= 1;
                    self.ranks.insert(current, self.last);
                }
                // The highest goes on; those who were put back are the lowest, the latest of them last.
                able.iter().copied().max_by_key(|task| self.rank(*task)).unwrap_or(any)
            }
            _ => any,
        };
        Some(TaskId::from(chosen))
    }

    fn next_u64(&mut self) -> u64 {
        self.dice.next()
    }
}

/// Something that was done, and by which process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) process: u64,
    pub(super) what: What,
}

/// As [`Deed`], for keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Made(String),
    Appended(String),
    Locked(String),
    Refused(String),
    Unlocked(String),
}

/// The turns of the processes of one world.
pub(super) struct Turns {
    point: Point,
    gate: Gate<()>,
    released: Condvar,
    waiting: AtomicUsize,
    /// Counts turns and whatever else is to be told apart in time.
    clock: AtomicU64,
    /// At which turn the power fails.
    power_fails_at: AtomicU64,
    /// After which line, and so many turns, it does.
    power_fails_after: Option<(u64, u64)>,
    lines: AtomicU64,
    /// On which answer it does.
    power_fails_on: Option<u64>,
    answers: AtomicU64,
    power_failed: AtomicBool,
    turns: AtomicU64,
    /// Whether nothing is scheduled any more.
    is_over: AtomicBool,
    processes: Mutex<Vec<Weak<Process>>>,
    done: Mutex<Vec<Done>>,
}

impl Turns {
    /// Only within a schedule.
    pub(super) fn new(mishap: Mishap) -> Arc<Self> {
        let power_fails_at = match mishap {
            Mishap::PowerFails { at } => at,
            _ => u64::MAX,
        };
        let power_fails_after = match mishap {
            Mishap::PowerFailsAfter { line, turns } => Some((line, turns)),
            _ => None,
        };
        let power_fails_on = match mishap {
            Mishap::PowerFailsOn { answer } => Some(answer),
            _ => None,
        };
        Arc::new(Self {
            point: Point::new(0),
            gate: Gate::new(()),
            released: Condvar::new(),
            waiting: AtomicUsize::new(0),
            clock: AtomicU64::new(0),
            power_fails_at: AtomicU64::new(power_fails_at),
            power_fails_after,
            lines: AtomicU64::new(0),
            power_fails_on,
            answers: AtomicU64::new(0),
            power_failed: AtomicBool::new(false),
            turns: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            processes: Mutex::default(),
            done: Mutex::default(),
        })
    }

    /// Has the power fail for this process too.
    pub(super) fn add(&self, process: &Arc<Process>) {
        self.processes.lock().push(Arc::downgrade(process));
    }

    /// From here on nobody waits for a turn.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    pub(super) fn power_failed(&self) -> bool {
        self.power_failed.load(Ordering::SeqCst)
    }

    /// A moment that is later than all before it.
    pub(super) fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// How many turns there were.
    #[cfg(test)]
    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::SeqCst)
    }

    /// What was done, in order.
    pub(super) fn done(&self) -> Vec<Done> {
        self.done.lock().clone()
    }

    /// A step that is no operation: others may go on.
    pub(super) fn step(&self) {
        if !self.is_idle() {
            self.point.load(Ordering::SeqCst);
        }
    }

    /// Somebody was given an answer.
    pub(super) fn answered(&self) {
        let answer = self.answers.fetch_add(1, Ordering::SeqCst);
        if self.power_fails_on == Some(answer) {
            self.cut_power();
        }
    }

    fn cut_power(&self) {
        self.power_failed.store(true, Ordering::SeqCst);
        let all = self.processes.lock().clone();
        for process in all.iter().filter_map(Weak::upgrade) {
            process.kill();
        }
    }

    /// A line of the board was appended.
    fn appended(&self) {
        let line = self.lines.fetch_add(1, Ordering::SeqCst);
        if let Some((after, turns)) = self.power_fails_after
            && line == after
        {
            let now = self.turns.load(Ordering::SeqCst);
            self.power_fails_at.store(now + turns, Ordering::SeqCst);
        }
    }

    fn is_idle(&self) -> bool {
        self.is_over.load(Ordering::SeqCst) || std::thread::panicking()
    }
}

impl Scheduler for Turns {
    fn turn(&self, _process: &Process) {
        if self.is_idle() {
            return;
        }
        self.point.load(Ordering::SeqCst);
        self.tick();
        let power_fails_at = self.power_fails_at.load(Ordering::SeqCst);
        if self.turns.fetch_add(1, Ordering::SeqCst) == power_fails_at {
            self.cut_power();
        }
    }

    fn wait(&self, is_over: &mut dyn FnMut() -> bool) {
        if self.is_idle() {
            is_over();
            return;
        }
        let Ok(mut gate) = self.gate.lock() else { return };
        self.waiting.fetch_add(1, Ordering::SeqCst);
        while !is_over() {
            match self.released.wait(gate) {
                Ok(held) => gate = held,
                Err(_) => return,
            }
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    fn released(&self) {
        if self.is_idle() || self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        // Nobody is between looking and waiting.
        drop(self.gate.lock());
        self.released.notify_all();
    }

    fn pause(&self) {
        if !self.is_idle() {
            shuttle::thread::yield_now();
        }
    }

    fn did(&self, process: u64, deed: Deed<'_>) {
        if self.is_over.load(Ordering::SeqCst) {
            return;
        }
        let what = match deed {
            Deed::Made(path) => What::Made(path.to_owned()),
            Deed::Appended(path) => {
                if path.starts_with("journal-") {
                    self.appended();
                }
                What::Appended(path.to_owned())
            }
            Deed::Locked(path) => What::Locked(path.to_owned()),
            Deed::Refused(path) => What::Refused(path.to_owned()),
            Deed::Unlocked(path) => What::Unlocked(path.to_owned()),
        };
        self.done.lock().push(Done { process, what });
    }
}
