//! How things went on a board: who got what, and how long everything waited.
//!
//! - [`Course`]: what is told of a history, and of a replay, in the same terms. [`Decision`]: one task given to one
//!   agent.
//! - `Ledger`: keeps the books while changes come in; `Ledger::close` makes a [`Course`] of them.
//! - `offers`: what is ready, for whom, and since when.

mod offers;

use std::collections::{BTreeMap, HashMap};

use taskhost_board::{Agent, Change, Json, Millis, Name, Status, Task, TaskId};

pub use offers::Standing;
pub(crate) use offers::{Offer, Offers, Wish};

/// One task given to one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which worker asked, by its place among [`crate::history::Workload::workers`].
    pub worker: usize,
    /// When it was answered.
    pub at: Millis,
    /// When it first asked for this task's place in its work; earlier than `at` if the policy held it back.
    pub asked_at: Millis,
    /// Who asked.
    pub agent: Name,
    /// What it got.
    pub task: TaskId,
    /// The task's type.
    pub task_type: Name,
    /// How long the task had been ready, in milliseconds.
    pub waited_ms: u64,
    /// The rank that `readiness` gave it.
    pub rank: i32,
    /// Its priority.
    pub priority: i32,
    /// How it stood among those that were ready for the asker; `None` where one task was asked for by its id.
    pub standing: Option<Standing>,
    /// What the policy wrote to its log meanwhile.
    pub log: Vec<String>,
    /// What it was told when it asked before and got nothing although something was ready for it.
    pub held_back: Option<String>,
}

/// How often a policy refused or failed, and the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What was asked for.
    pub what: String,
    /// What it said.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// The first time.
    pub first_at: Millis,
}

/// How it went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Course {
    /// Every task that was given to somebody, in order.
    pub decisions: Vec<Decision>,
    /// How long tasks were ready before they were claimed, in milliseconds, each time; sorted.
    pub ready_ms: Vec<u64>,
    /// How long tasks had been on the board before they were first claimed, in milliseconds; sorted.
    pub first_claim_ms: Vec<u64>,
    /// How long tasks had been on the board before they were completed, in milliseconds; sorted.
    pub completed_ms: Vec<u64>,
    /// How long each agent held tasks, in milliseconds.
    pub held_ms: BTreeMap<Name, u64>,
    /// How many tasks came onto the board.
    pub arrived: u64,
    /// How many were to come and were refused.
    pub not_added: u64,
    /// How many tasks stood where at the end, those that were archived as they were last.
    pub at_end: BTreeMap<Status, u64>,
    /// How many of the pending ones were ready.
    pub ready_at_end: u64,
    /// How long the one of them that had been ready longest had been, in milliseconds.
    pub ready_at_end_ms: u64,
    /// When something first and last happened.
    pub span: Option<(Millis, Millis)>,
    /// Every instant at which the number of ready tasks changed, and what it was then.
    pub ready: Vec<(Millis, u64)>,
    /// What was refused and what failed, in the order in which it first did.
    pub troubles: Vec<Trouble>,
    /// How many changes by operators came to nothing, because the board stood otherwise.
    pub moot: u64,
    /// Whether it was broken off because it took too many steps.
    pub is_cut: bool,
}

/// What is known of a task.
#[derive(Debug)]
pub(crate) struct Known {
    /// As it stands, without its data and result.
    pub(crate) task: Task,
    /// How often it was claimed.
    pub(crate) claims: u32,
    /// How often it came into each status, and when it last did.
    pub(crate) entered: BTreeMap<Status, (usize, Millis)>,
    held_since: Option<(Name, Millis)>,
}

/// The books of a board.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) tasks: HashMap<TaskId, Known>,
    pub(crate) offers: Offers,
    pub(crate) course: Course,
    archived: BTreeMap<Status, u64>,
}

impl Ledger {
    /// Something happened. Changes of tasks that nothing is known of are passed over.
    pub(crate) fn follow(&mut self, time: Millis, change: &Change) {
        if change.event().is_some_and(|event| event != "renewed") {
            let first = self.course.span.map_or(time, |(first, _)| first);
            self.course.span = Some((first, time));
        }
        if let Change::FellBack { hook, detail, .. } = change {
            self.trouble(
                time,
                &format!("`{hook}` failed, and the standard policy decided"),
                detail.clone(),
            );
        }
        let Some(id) = change.task() else { return };
        if let Change::Added(task) = change {
            self.add(time, task);
        } else if let Some(mut known) = self.tasks.remove(id) {
            let before = known.task.clone();
            change.apply(&mut known.task, time);
            known.forget_data();
            self.count(time, change, &mut known, &before);
            let is_gone = matches!(change, Change::Archived(_));
            let after = (!is_gone).then_some(&known.task);
            self.offers.changed(Some(&before), after, time);
            if is_gone {
                *self.archived.entry(known.task.status).or_default() += 1;
            } else {
                self.tasks.insert(id.clone(), known);
            }
        }
        self.note_ready(time);
    }

    fn add(&mut self, time: Millis, task: &Task) {
        let mut known = Known {
            task: task.clone(),
            claims: 0,
            entered: BTreeMap::from([(task.status, (1, time))]),
            held_since: task.claim.as_ref().map(|claim| (claim.agent.clone(), time)),
        };
        known.forget_data();
        self.course.arrived += 1;
        self.offers.changed(None, Some(&known.task), time);
        self.tasks.insert(task.id.clone(), known);
    }

    fn count(&mut self, time: Millis, change: &Change, known: &mut Known, before: &Task) {
        let since = |from: Millis| time.0.saturating_sub(from.0);
        if let Change::Claimed { claim, .. } = change {
            if let Some(ready) = self.offers.since(&before.id) {
                self.course.ready_ms.push(since(ready));
            }
            if known.claims == 0 {
                self.course.first_claim_ms.push(since(before.created_at));
            }
            known.claims += 1;
            known.held_since = Some((claim.agent.clone(), time));
        }
        if known.task.claim.is_none()
            && let Some((agent, from)) = known.held_since.take()
        {
            *self.course.held_ms.entry(agent).or_default() += since(from);
        }
        if known.task.status != before.status {
            let entered = known.entered.entry(known.task.status).or_default();
            *entered = (entered.0 + 1, time);
            if known.task.status == Status::Completed {
                self.course.completed_ms.push(since(before.created_at));
            }
        }
    }

    fn note_ready(&mut self, time: Millis) {
        let ready = self.offers.len() as u64;
        match self.course.ready.last_mut() {
            Some((_, last)) if *last == ready => {}
            Some((at, last)) if *at == time => *last = ready,
            _ => self.course.ready.push((time, ready)),
        }
    }

    /// What is to be told of a claim that is about to be made, or was just asked for: to be called while the task is
    /// still ready.
    pub(crate) fn decision(
        &self,
        time: Millis,
        worker: usize,
        asker: &Agent,
        task: &TaskId,
        wish: Option<Wish>,
    ) -> Option<Decision> {
        let known = self.tasks.get(task)?;
        let ready = self.offers.since(task).unwrap_or(time);
        Some(Decision {
            worker,
            at: time,
            asked_at: time,
            agent: asker.name.clone(),
            task: task.clone(),
            task_type: known.task.task_type.clone(),
            waited_ms: time.0.saturating_sub(ready.0),
            rank: known.task.ready_rank().unwrap_or_default(),
            priority: known.task.priority,
            standing: wish.map(|wish| self.offers.standing(task, wish, asker)),
            log: Vec::new(),
            held_back: None,
        })
    }

    /// A policy refused or failed.
    pub(crate) fn trouble(&mut self, time: Millis, what: &str, reason: String) {
        /// Reasons may name what they are about, so that each is another one.
        const KINDS_MAX: usize = 200;
        let troubles = &mut self.course.troubles;
        let same = |trouble: &Trouble| trouble.what == what && trouble.reason == reason;
        let place = troubles.iter().position(same).unwrap_or(troubles.len().min(KINDS_MAX));
        if let Some(trouble) = troubles.get_mut(place) {
            trouble.count += 1;
            return;
        }
        let (what, reason) = match place {
            KINDS_MAX => ("anything else".to_owned(), "for other reasons than these".to_owned()),
            _ => (what.to_owned(), reason),
        };
        troubles.push(Trouble { what, reason, count: 1, first_at: time });
    }

    /// What all of it came to.
    pub(crate) fn close(mut self) -> Course {
        let end = self.course.span.map_or(Millis(0), |(_, last)| last);
        let mut course = self.course;
        course.at_end = std::mem::take(&mut self.archived);
        for (id, known) in &self.tasks {
            *course.at_end.entry(known.task.status).or_default() += 1;
            if let Some((agent, from)) = &known.held_since {
                *course.held_ms.entry(agent.clone()).or_default() += end.0.saturating_sub(from.0);
            }
            if let Some(ready) = self.offers.since(id) {
                course.ready_at_end += 1;
                let waited = end.0.saturating_sub(ready.0);
                course.ready_at_end_ms = course.ready_at_end_ms.max(waited);
            }
        }
        course.ready_ms.sort_unstable();
        course.first_claim_ms.sort_unstable();
        course.completed_ms.sort_unstable();
        course
    }
}

impl Known {
    /// What is large and decides nothing here.
    fn forget_data(&mut self) {
        self.task.data = Json::default();
        self.task.result = None;
    }
}
