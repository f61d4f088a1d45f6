//! A recorded history done again, decided by another policy.
//!
//! [`replay`] makes a board in memory and does there what [`crate::history`] says, through the same
//! [`taskhost_board::Engine`] as on every board. What is assumed, where the history can't tell:
//!
//! - A worker is there from its first recorded request on. It asks, works, is away for as long as it was between the
//!   same two tasks, and asks again. If there is nothing for it, it waits, and asks as soon after there is something
//!   as it did. It leaves when it has been there as long as in the history, and has got as many tasks; but if the history
//!   ends with nothing left for it, it stays, as slow as it must have been not to get what others got after its last.
//! - A task's n-th try takes as long, and ends, as it did in the history, whoever makes it. Of a try that isn't there,
//!   the time is the median of that task's tries, or else of its type's, or else of all, and the end that of the
//!   task's last try (completed or failed). A try that somebody cut short would have been completed.
//! - Whoever lives extends its lease in time; requests name no lease of their own.
//! - A holder whose `complete` is refused fails the task, and if that is refused too hands it back, as `taskhost run`
//!   does.
//! - What operators did comes at its recorded time, and what they did in answer to something as long after that as it
//!   did; where the board stands otherwise and it can't be done, it is left out and counted.
//! - The policy's memory and files are empty at the beginning, and the board's own settings are those of today.
//!
//! Only the order of steps and the workload's times make up the clock: the same workload gives the same course.

mod candidate;
mod heard;
mod queue;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use taskhost_board::memory::MemoryStore;
use taskhost_board::{
    BoardSettings, Change, Command, Engine, Entry, Error, FailureKind, LifeGuard, Millis, Request,
    SessionId, Status, Store as _, TaskId, Token,
};

pub use candidate::Candidate;
use heard::{Lines, heard};
use queue::{NOT_RECORDED, Queue, Step};

use crate::board::{engine, soon};
use crate::course::{Course, Ledger, Wish};
use crate::history::{Fate, OnStep, STEP, Wanted, Workload};
use crate::subject::Runner;

/// How many steps are taken for each entry of the history, and how many in any case, before it is broken off.
const STEPS_PER_ENTRY_MAX: u64 = 200;
const STEPS_MAX: u64 = 100_000;
/// The same for tasks that are given to somebody.
const CLAIMS_PER_CLAIM_MAX: u64 = 10;
const CLAIMS_MAX: u64 = 1_000;
/// How much failing is borne. What takes long weighs more.
const FAILURES_MAX: u64 = 10_000;
const DEADLINE_WEIGHS: u64 = 500;

/// Does the workload again, decided by `candidate`. `settings` are the board's own; `doing` is what `on_step` is told.
///
/// # Errors
///
/// If the policy can't be run at all, or hasn't these settings. What it refuses and where it fails on the way is in
/// the course.
pub fn replay(
    workload: &Workload,
    candidate: &Candidate,
    settings: &BoardSettings,
    runner: &Runner<'_>,
    doing: &'static str,
    on_step: &OnStep<'_>,
) -> Result<Course, Error> {
    let mut replay = Replay::new(workload, candidate, settings, runner)?;
    replay.begin()?;
    replay.run(doing, on_step)?;
    Ok(replay.ledger.close())
}

struct Replay<'w> {
    workload: &'w Workload,
    store: MemoryStore,
    engine: Engine,
    lines: Lines,
    ledger: Ledger,
    queue: Queue,
    now: Millis,
    hands: Vec<Hand>,
    /// Workers for whom there is nothing, by what they wish for.
    waiting: BTreeMap<Wish, BTreeSet<usize>>,
    /// Workers that got nothing although something was ready for them.
    held_back: BTreeSet<usize>,
    holdings: HashMap<TaskId, Holding>,
    living: HashMap<SessionId, Box<dyn LifeGuard>>,
    /// Who asks at the moment, and for what.
    asking: Option<(usize, Option<Wish>)>,
    /// Whether something happened that those who were held back would notice.
    is_stirred: bool,
    /// How many entries there were so far.
    entries: u64,
    failures: u64,
}

/// A worker in the replay.
#[derive(Debug)]
struct Hand {
    /// What its requests wish for.
    wanted: Vec<Wanted>,
    /// Which request comes next.
    next: usize,
    /// It asks for nothing before this.
    away_until: Millis,
    /// When it first asked for its next task.
    asked_at: Option<Millis>,
    /// What it was told when it got nothing.
    told: Option<String>,
    is_working: bool,
    /// When it asks again although nothing has happened, if it was held back: one such time is enough.
    asks_again_at: Millis,
    /// How often in a row it did so after the history ends.
    in_vain: u32,
    /// How long it is away, and how long it takes to ask, where the history has no more requests.
    usual_ms: (u64, u64),
}

/// A claim in the replay.
#[derive(Debug)]
struct Holding {
    worker: usize,
    session: SessionId,
    token: Token,
    fate: Fate,
    ends_at: Millis,
}

impl<'w> Replay<'w> {
    fn new(
        workload: &'w Workload,
        candidate: &Candidate,
        settings: &BoardSettings,
        runner: &Runner<'_>,
    ) -> Result<Self, Error> {
        // A directory that boards share isn't to be seen from here.
        let settings = BoardSettings { shared_files: None, ..settings.clone() };
        let store = MemoryStore::new(candidate.set(), candidate.components().clone(), &settings)?;
        let policies = runner(store.powers())?;
        let lines = Lines::default();
        let heard = heard(policies.clone(), lines.clone());
        let engine = engine(&store, heard);
        candidate.check(&*policies, &engine.policy_limits(&settings.policy_limits))?;
        let mut ledger = Ledger::default();
        let hands = workload.workers.iter().map(|worker| Hand::new(worker, &mut ledger.offers));
        let hands = hands.collect();
        Ok(Self {
            workload,
            store,
            engine,
            lines,
            ledger,
            queue: Queue::default(),
            now: workload.basis.span.map_or(Millis(0), |(from, _)| from),
            hands,
            waiting: BTreeMap::new(),
            held_back: BTreeSet::new(),
            holdings: HashMap::new(),
            living: HashMap::new(),
            asking: None,
            is_stirred: false,
            entries: 0,
            failures: 0,
        })
    }

    /// Puts what was there before on the board, and all that comes by itself into the queue.
    fn begin(&mut self) -> Result<(), Error> {
        self.store.set_wall(self.now);
        let workload = self.workload;
        let tasks = workload.opening.iter().map(|task| Change::Added(Box::new(task.clone())));
        let metas = workload
            .metas
            .iter()
            .map(|(key, value)| Change::MetaSet { key: key.clone(), value: Some(value.clone()) });
        let changes: Vec<Change> = tasks.chain(metas).collect();
        if !changes.is_empty() {
            let request = Request::of(Command::Add);
            let entry = Entry { time: self.now, request, seed: 0, changes };
            self.store.begin(soon())?.commit(entry)?;
            self.follow();
            while self.has_backlog()? && self.keep_up()? {}
        }
        for (index, (at, sequence, _)) in workload.events.iter().enumerate() {
            self.queue.push(*at, *sequence, Step::Told(index));
        }
        for (index, worker) in workload.workers.iter().enumerate() {
            if let Some(first) = worker.asked.first() {
                self.queue.push(first.at, first.sequence, Step::Ask(index));
            }
        }
        Ok(())
    }

    fn run(&mut self, doing: &'static str, on_step: &OnStep<'_>) -> Result<(), Error> {
        let basis = &self.workload.basis;
        let steps_max = STEPS_MAX + STEPS_PER_ENTRY_MAX * basis.entries;
        let recorded = self.workload.recorded.decisions.len() as u64;
        let claims_max = CLAIMS_MAX + CLAIMS_PER_CLAIM_MAX * recorded;
        let mut steps = 0;
        while self.step()? {
            steps += 1;
            if u64::is_multiple_of(steps, STEP) {
                on_step(doing, self.entries);
            }
            let claims = self.ledger.course.decisions.len() as u64;
            if steps > steps_max || claims > claims_max || self.failures > FAILURES_MAX {
                self.ledger.course.is_cut = true;
                break;
            }
        }
        Ok(())
    }

    /// Does what comes next; `false` if nothing does.
    fn step(&mut self) -> Result<bool, Error> {
        let next_at = self.queue.next_at();
        if let Some(due) = self.due()?
            && next_at.is_none_or(|at| due < at)
        {
            self.go_on(due);
            if self.keep_up()? {
                return Ok(true);
            }
        }
        let Some((at, step)) = self.queue.pop() else { return Ok(false) };
        self.go_on(at);
        match step {
            Step::Told(index) => self.told(index)?,
            Step::Answer(id, status, times) => self.answer(&id, status, times)?,
            Step::Ask(worker) => self.ask(worker)?,
            Step::End(id, token) => self.end(&id, token)?,
            Step::Beat(id, token) => self.beat(&id, token)?,
            Step::Due => {
                self.keep_up()?;
            }
        }
        Ok(true)
    }

    fn go_on(&mut self, to: Millis) {
        if to > self.now {
            self.now = to;
            self.store.set_wall(to);
        }
    }

    /// When those who wait would take what is due: nobody else does it. `None` if there is nothing to take.
    fn due(&self) -> Result<Option<Millis>, Error> {
        let anybody_waits =
            !self.held_back.is_empty() || self.waiting.values().any(|workers| !workers.is_empty());
        if !anybody_waits {
            return Ok(None);
        }
        let (view, now) = self.store.snapshot()?;
        if !view.unasked(1)?.is_empty() || !view.wakes(1)?.is_empty() {
            return Ok(Some(self.now));
        }
        Ok(view.next_due(&now)?.map(|at| at.max(self.now)))
    }

    fn has_backlog(&self) -> Result<bool, Error> {
        let (view, _) = self.store.snapshot()?;
        Ok(!view.unasked(1)?.is_empty())
    }

    /// Takes what is due; `false` if nothing came of it.
    fn keep_up(&mut self) -> Result<bool, Error> {
        if let Err(error) = self.engine.upkeep(soon()) {
            self.went_wrong("what was due", error)?;
        }
        let before = self.entries;
        self.follow();
        Ok(self.entries > before)
    }

    /// Follows what was committed: the books, the holders, the answers of operators, those who wait.
    fn follow(&mut self) {
        for entry in self.store.take_entries() {
            self.entries += 1;
            for change in &entry.changes {
                self.follow_change(change);
            }
        }
        self.wake();
    }

    fn follow_change(&mut self, change: &Change) {
        let id = change.task();
        let status = |ledger: &Ledger, id| ledger.tasks.get(id).map(|known| known.task.status);
        let before = id.and_then(|id| status(&self.ledger, id));
        if let (Change::Claimed { id, .. }, Some((worker, wish))) = (change, self.asking) {
            self.decided(id, worker, wish);
        }
        self.ledger.follow(self.now, change);
        self.is_stirred |= matches!(change, Change::Answered { .. })
            || (change.event().is_some() && !matches!(change, Change::Renewed { .. }));
        if let Change::Kept { lease, .. } = change {
            self.queue.push(lease.until.max(self.now), NOT_RECORDED, Step::Due);
        }
        let Some(id) = id else { return };
        let known = self.ledger.tasks.get(id);
        let is_held = known.is_some_and(|known| known.task.claim.is_some());
        if !is_held && let Some(holding) = self.holdings.remove(id) {
            self.free(holding.worker);
        }
        let Some(known) = self.ledger.tasks.get(id) else { return };
        let status = known.task.status;
        if before != Some(status)
            && let Some((times, _)) = known.entered.get(&status)
        {
            self.expect_answer(id, status, *times);
        }
    }

    fn expect_answer(&mut self, id: &TaskId, status: Status, times: usize) {
        let answers = self.workload.answers.get(id);
        if let Some(answer) = answers.and_then(|answers| answers.get(&(status, times))) {
            let at = self.now.plus(answer.delay_ms);
            self.queue.push(at, answer.sequence, Step::Answer(id.clone(), status, times));
        }
    }

    /// Something was refused, or failed. An error means that the board itself can't be used.
    fn went_wrong(&mut self, what: &str, error: Error) -> Result<(), Error> {
        let (what, reason) = match error {
            Error::Refused(why) => (format!("{what}: refused"), why),
            Error::Policy(failure) => {
                let weighs = match failure.kind {
                    FailureKind::Deadline => DEADLINE_WEIGHS,
                    _ => 1,
                };
                self.failures += weighs;
                (format!("{what}: failed in `{}`", failure.hook), failure.detail)
            }
            Error::Read(_) | Error::Begin(_) | Error::Commit(_) => return Err(error),
            other => (format!("{what}: not possible"), other.to_string()),
        };
        self.ledger.trouble(self.now, &what, reason);
        Ok(())
    }
}
