//! A board's history as work that can be done again: what came when, who asked, how long it took and how it ended.
//!
//! [`Workload::of`] reads a board's entries once, or twice where the older ones aren't kept. What it makes of them:
//!
//! - tasks come at their recorded times, as they were added; so do reservations, updates, cancellations, tasks parked
//!   or taken back by an operator, archiving, and the workflow's metadata (`told`);
//! - what an operator did in answer to something that a task came to (a review, an unblocking, a retry) comes as long
//!   after that as it did;
//! - each agent is one worker for every claim that it held at a time ([`Worker`]);
//! - how long work takes and how it ends belongs to the task's n-th try, whoever makes it ([`Attempts`]).
//!
//! What it leaves out: heartbeats (whoever lives keeps its lease), request keys, the policies that led, and the
//! board's settings as they were; large values and the policies' own files aren't in a history at all. Requests that
//! were answered with nothing aren't either, so that what a worker did between two tasks is an estimate.

mod attempt;
mod opening;
mod told;
mod worker;

use std::collections::{BTreeMap, HashMap};

use taskhost_board::{
    Action, Agent, BootId, Cause, Change, Command, Entry, Finish, Instant, Json, Millis, Name,
    Proof, ReadError, Sequence, Status, Store, Task, TaskId, Verb,
};

pub use attempt::{Attempt, Attempts, Ending};
pub(crate) use attempt::{Fate, median};
pub(crate) use told::{Answer, Told};
pub(crate) use worker::Wanted;
pub use worker::{Asked, Worker};

use crate::course::{Course, Ledger};
use opening::Opening;
use worker::Lines;

/// Told how many entries were read, or replayed, of what; called often.
pub type OnStep<'a> = dyn Fn(&'static str, u64) + 'a;

/// How many entries go by between two calls of [`OnStep`].
pub(crate) const STEP: u64 = 256;

/// Work that can be done again.
#[derive(Debug)]
pub struct Workload {
    /// What it was made from.
    pub basis: Basis,
    /// Who worked.
    pub workers: Vec<Worker>,
    /// How long work took, and how it ended.
    pub attempts: Attempts,
    /// How it went.
    pub recorded: Course,
    pub(crate) opening: Vec<Task>,
    pub(crate) metas: Vec<(TaskId, Json)>,
    pub(crate) events: Vec<(Millis, u64, Told)>,
    pub(crate) answers: Answers,
}

/// What a workload was made from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Basis {
    /// How many entries.
    pub entries: u64,
    /// The first of them; 1 unless older ones aren't kept.
    pub first: u64,
    /// When the first and the last was written.
    pub span: Option<(Millis, Millis)>,
    /// How many tasks stood on the board before the first of them.
    pub tasks_before: u64,
    /// How often the board's policies or their settings were set meanwhile.
    pub policies_set: u64,
}

/// Answers to the n-th time that a task came into a status.
pub(crate) type Answers = HashMap<TaskId, BTreeMap<(Status, usize), Answer>>;

impl Workload {
    /// Reads everything that `store` keeps of its history.
    ///
    /// # Errors
    ///
    /// If it can't be read.
    pub fn of(store: &dyn Store, on_step: &OnStep<'_>) -> Result<Self, ReadError> {
        let mut first = None;
        store.history(Sequence(0), &mut |sequence, entry| {
            first = Some((sequence, entry.time));
            false
        })?;
        let (mut tasks, mut metas) = (Vec::new(), Vec::new());
        if let Some((sequence, time)) = first
            && sequence > Sequence(1)
        {
            let mut opening = Opening::default();
            store.history(Sequence(0), &mut |_, entry| {
                opening.look(&entry);
                true
            })?;
            let (view, _) = store.snapshot()?;
            let start = Instant { wall: time, boot: BootId(String::new()), boot_ms: 0 };
            (tasks, metas) = (opening.tasks(&*view, &start)?, view.metas()?);
        }
        let mut reader = Reader::new(tasks, metas, first.map(|(_, time)| time));
        let mut entries = 0;
        store.history(Sequence(0), &mut |sequence, entry| {
            entries += 1;
            if u64::is_multiple_of(entries, STEP) {
                on_step("reading the history", entries);
            }
            reader.read(sequence, &entry);
            true
        })?;
        Ok(reader.close())
    }
}

struct Reader {
    basis: Basis,
    ledger: Ledger,
    lines: Lines,
    attempts: HashMap<TaskId, Vec<Attempt>>,
    types: Vec<(TaskId, Name)>,
    events: Vec<(Millis, u64, Told)>,
    answers: Answers,
    opening: Vec<Task>,
    metas: Vec<(TaskId, Json)>,
    now: Millis,
}

impl Reader {
    fn new(opening: Vec<Task>, metas: Vec<(TaskId, Json)>, start: Option<Millis>) -> Self {
        let now = start.unwrap_or(Millis(0));
        let mut ledger = Ledger::default();
        for task in &opening {
            ledger.follow(now, &Change::Added(Box::new(task.clone())));
        }
        let types = opening.iter().map(|task| (task.id.clone(), task.task_type.clone())).collect();
        let basis = Basis { tasks_before: opening.len() as u64, ..Basis::default() };
        Self {
            basis,
            ledger,
            lines: Lines::default(),
            attempts: HashMap::new(),
            types,
            events: Vec::new(),
            answers: Answers::new(),
            opening,
            metas,
            now,
        }
    }

    fn read(&mut self, sequence: Sequence, entry: &Entry) {
        // The wall clock may have been set back: nothing happened before what stands before it.
        self.now = self.now.max(entry.time);
        self.basis.entries += 1;
        if self.basis.first == 0 {
            self.basis.first = sequence.0;
        }
        let from = self.basis.span.map_or(self.now, |(from, _)| from);
        self.basis.span = Some((from, self.now));
        self.read_told(sequence, entry);
        for change in &entry.changes {
            match change {
                Change::Added(task) => self.types.push((task.id.clone(), task.task_type.clone())),
                Change::PoliciesSet(_) => self.basis.policies_set += 1,
                _ => {}
            }
            self.read_claim(sequence, entry, change);
            self.read_ending(sequence, entry, change);
            self.ledger.follow(self.now, change);
        }
    }

    fn read_told(&mut self, sequence: Sequence, entry: &Entry) {
        let known = &self.ledger.tasks;
        let status = |id: &TaskId| known.get(id).map(|known| known.task.status);
        let (events, answers) = told::told(entry, status);
        for (id, status, action) in answers {
            let entered = known.get(&id).and_then(|known| known.entered.get(&status));
            let Some((times, since)) = entered.copied() else { continue };
            let answer = Answer {
                delay_ms: self.now.0.saturating_sub(since.0),
                sequence: sequence.0,
                action,
                by: entry.request.agent.clone(),
            };
            self.answers.entry(id).or_default().insert((status, times), answer);
        }
        self.events.extend(events.into_iter().map(|told| (self.now, sequence.0, told)));
    }

    fn read_claim(&mut self, sequence: Sequence, entry: &Entry, change: &Change) {
        let Change::Claimed { id, claim } = change else { return };
        if entry.request.command == Command::Add {
            // It was claimed elsewhere, and came so.
            return;
        }
        let filter = entry.request.filter.clone().unwrap_or_default();
        let asker = Agent {
            name: claim.agent.clone(),
            kind: claim.kind,
            session: claim.session.clone(),
            hostname: claim.hostname.clone(),
            capabilities: filter.capabilities.clone(),
            living: claim.living,
            process: None,
        };
        let wish = filter.only.is_none().then(|| self.ledger.offers.wish(&filter));
        let offer = wish.and_then(|wish| self.ledger.offers.offer(wish, &asker));
        let at = (self.now, sequence.0);
        let worker = self.lines.claimed(at, id, claim, &filter, offer);
        let decision = self.ledger.decision(self.now, worker, &asker, id, wish);
        self.ledger.course.decisions.extend(decision);
    }

    fn read_ending(&mut self, sequence: Sequence, entry: &Entry, change: &Change) {
        let Some(id) = change.task() else { return };
        let Some(ended) = self.ended(entry, id, change) else { return };
        let is_lost = matches!(ended, Some(Ending::Died | Ending::Silent));
        if let Some(open) = self.lines.ended(id, self.now, is_lost) {
            self.attempts.entry(id.clone()).or_default().push(Attempt {
                ms: self.now.0.saturating_sub(open.since.0),
                ending: ended,
                sequence: sequence.0,
            });
        } else if let Some(told) = self.end_of_opening(id, ended) {
            self.events.push((self.now, sequence.0, told));
        }
    }

    /// How a claim on this task ended by `change`, if it did; the inner `None` if it wasn't the holder's doing.
    fn ended(&self, entry: &Entry, id: &TaskId, change: &Change) -> Option<Option<Ending>> {
        let claim = self.ledger.tasks.get(id)?.task.claim.as_ref()?;
        Some(match change {
            Change::Released { reason, .. } => Some(Ending::Released(reason.clone())),
            Change::Retried { error, .. } => Some(Ending::Failed(error.clone())),
            Change::Finished { verb: Some(Verb::Complete), result, .. } => {
                Some(Ending::Completed(result.clone()))
            }
            Change::Finished { verb: Some(_), error, .. } => Some(Ending::Failed(error.clone())),
            Change::Finished { verb: None, .. } => {
                // `recovery` may let a task fail whose holder is lost.
                let asked = matches!(entry.request.command, Command::Claim | Command::Upkeep);
                match () {
                    () if asked && self.now >= claim.lease.until => Some(Ending::Silent),
                    () if asked && claim.vitals().next().is_some() => Some(Ending::Died),
                    () => None,
                }
            }
            Change::Blocked { verb: Some(_), reason, .. } => Some(Ending::Parked(reason.clone())),
            Change::Blocked { verb: None, .. } => None,
            Change::Recovered { cause, .. } => match cause {
                Cause::LeaseOver => Some(Ending::Silent),
                Cause::HolderDead => Some(Ending::Died),
                Cause::Policy | Cause::Operator => None,
            },
            _ => return None,
        })
    }

    /// What ends a claim that was made before the history begins.
    fn end_of_opening(&self, id: &TaskId, ended: Option<Ending>) -> Option<Told> {
        let claim = self.ledger.tasks.get(id)?.task.claim.as_ref()?;
        let proof = Proof { agent: claim.agent.clone(), token: Some(claim.token) };
        let how = match ended? {
            Ending::Completed(result) => Finish::Complete(result),
            Ending::Failed(error) => Finish::Fail(error),
            Ending::Released(reason) => Finish::Release(reason),
            Ending::Parked(reason) => {
                let action = Action::Block { reason, proof: Some(proof), force: false };
                return Some(Told::Change(vec![id.clone()], Box::new(action), None));
            }
            Ending::Died | Ending::Silent => {
                let action = Action::Release { reason: None };
                return Some(Told::Change(vec![id.clone()], Box::new(action), None));
            }
        };
        Some(Told::End(id.clone(), proof, how))
    }

    fn close(mut self) -> Workload {
        let mut open: Vec<TaskId> = self.lines.open.keys().cloned().collect();
        open.sort_unstable();
        for id in open {
            let Some(open) = self.lines.ended(&id, self.now, false) else { continue };
            let ms = self.now.0.saturating_sub(open.since.0);
            let cut = Attempt { ms, ending: None, sequence: u64::MAX };
            self.attempts.entry(id).or_default().push(cut);
        }
        // Whether something was left is known only where all of it is.
        if self.basis.tasks_before == 0 {
            self.lines.close(&mut self.ledger.offers);
        }
        Workload {
            basis: self.basis,
            workers: self.lines.workers,
            attempts: Attempts::new(self.attempts, &self.types),
            recorded: self.ledger.close(),
            opening: self.opening,
            metas: self.metas,
            events: self.events,
            answers: self.answers,
        }
    }
}
