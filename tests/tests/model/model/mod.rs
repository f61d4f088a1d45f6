//! A small model of a board, written from the documentation alone. It is naive on purpose: nothing is indexed, nothing
//! is remembered that can be found by looking at all tasks, and every command works on a copy.
//!
//! - here: what a board holds, which task is ready, and what follows by itself after every command.
//! - `claims`: who gets what, and what a holder does about it. `changes`: what everybody else does.

mod adding;
mod changes;
mod claims;

use std::collections::{BTreeMap, BTreeSet};

use crate::words::{
    Answer, Ask, Command, Id, New, No, Obstacle, Proof, Seen, Status, WORKERS, Whole, session,
};

/// What the standard policy is set to, in its own words.
#[derive(Debug, Clone)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    fn word(&self, name: &str, default: &'static str) -> &str {
        self.0.get(name).map_or(default, String::as_str)
    }

    fn number(&self, name: &str, default: i64) -> i64 {
        self.0.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// In milliseconds; only seconds are ever set.
    fn length(&self, name: &str, default: u64) -> u64 {
        let seconds = |text: &String| text.trim_end_matches('s').parse::<u64>().ok();
        self.0.get(name).and_then(seconds).map_or(default, |seconds| seconds * 1_000)
    }

    /// Zero and less stand for no limit.
    fn limit(&self, name: &str, default: i64) -> Option<u32> {
        u32::try_from(self.number(name, default)).ok().filter(|limit| *limit > 0)
    }
}

/// How the model is wrong on purpose, to show that a difference is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    ReleaseKeepsAttempt,
    PriorityIgnored,
    TokensNotCompared,
    NeedsIgnored,
    ReservationsIgnored,
    LeasesNeverEnd,
    ParentsForgotten,
    BackoffForgotten,
    CascadeForgotten,
    KeysForgotten,
}

/// How the last claim of a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Closed {
    token: u64,
    agent: String,
    verb: &'static str,
}

#[derive(Debug, Clone)]
struct Task {
    seen: Seen,
    /// Its place in the order of creation.
    born: u64,
    /// How long its claim holds from each heartbeat.
    lease: u64,
    living: bool,
    closed: Option<Closed>,
}

/// A board.
#[derive(Debug, Clone)]
pub struct Model {
    pub now: u64,
    pub settings: Settings,
    tasks: BTreeMap<Id, Task>,
    born: u64,
    token: u64,
    adds: BTreeMap<String, (New, Id, u64)>,
    claims: BTreeMap<String, (Ask, Id, u64, u64)>,
    /// This board once what was due was done, which stays whatever becomes of the command.
    upkept: Option<Box<Model>>,
    meta: BTreeMap<String, String>,
    lives: [u32; WORKERS.len()],
    flaw: Option<Flaw>,
}

type Result<T> = std::result::Result<T, No>;

const DAY: u64 = 24 * 60 * 60 * 1_000;
/// How long request keys are kept.
const KEYS_KEPT: u64 = 7 * DAY;
const LEASE_MAX: u64 = 30 * DAY;

impl Model {
    pub fn new(now: u64, settings: BTreeMap<String, String>, flaw: Option<Flaw>) -> Self {
        Self {
            now,
            settings: Settings(settings),
            tasks: BTreeMap::new(),
            born: 0,
            token: 0,
            adds: BTreeMap::new(),
            claims: BTreeMap::new(),
            upkept: None,
            meta: BTreeMap::new(),
            lives: [0; WORKERS.len()],
            flaw,
        }
    }

    /// What the board should answer. A command that is refused changes nothing but what
    /// was due anyway. `made` are the ids that the board
    /// made for tasks that were added without one.
    pub fn apply(&mut self, command: &Command, made: &[Id]) -> Answer {
        let before = self.clone();
        self.upkept = None;
        match self.try_apply(command, made) {
            Ok(answer) => answer,
            Err(no) => {
                *self = self.upkept.take().map_or(before, |upkept| *upkept);
                Answer::No(no)
            }
        }
    }

    fn try_apply(&mut self, command: &Command, made: &[Id]) -> Result<Answer> {
        match command {
            Command::Add(news) => self.add(news, made),
            Command::Claim(ask) => self.claim(ask),
            Command::Heartbeat { id, proof, lease } => self.heartbeat(id, proof, *lease),
            Command::Finish { id, proof, how } => self.finish(id, proof, how),
            Command::Change { ids, action, together, dry_run } => {
                self.change(ids, action, *together, *dry_run)
            }
            Command::Meta { key, value, expected } => {
                let now = self.meta.get(key).map_or("null", String::as_str);
                if expected.as_ref().is_some_and(|expected| expected != now) {
                    return Err(No::Invalid);
                }
                match value {
                    Some(value) => self.meta.insert(key.clone(), value.clone()),
                    None => self.meta.remove(key),
                };
                Ok(Answer::Done)
            }
            Command::Settings(changed) => {
                self.settings.0.extend(changed.clone());
                self.take_due();
                Ok(Answer::Done)
            }
            Command::Advance(ms) => {
                self.now += ms;
                Ok(Answer::Done)
            }
            Command::Die(worker) => {
                self.lives[*worker] += 1;
                Ok(Answer::Done)
            }
            Command::Reopen | Command::Compact => Ok(Answer::Done),
            Command::Check(ask) => {
                self.take_due();
                Ok(Answer::Whole(Box::new(self.whole(ask))))
            }
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn task(&self, id: &str) -> Result<&Task> {
        self.tasks.get(id).ok_or(No::Missing)
    }

    fn task_mut(&mut self, id: &str) -> Result<&mut Task> {
        self.tasks.get_mut(id).ok_or(No::Missing)
    }

    fn children<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Task> {
        self.tasks.values().filter(move |task| task.seen.parent.as_deref() == Some(id))
    }

    fn is_completed(&self, id: &str) -> bool {
        self.tasks.get(id).is_none_or(|task| task.seen.status == Status::Completed)
    }

    fn parent_rule(&self) -> &str {
        if self.has(Flaw::ParentsForgotten) {
            return "independent";
        }
        self.settings.word("parent", "parent-first")
    }

    /// What a task waits for: all that must be completed before it and isn't.
    fn waits(&self, task: &Task) -> BTreeSet<Id> {
        let mut on: BTreeSet<Id> =
            task.seen.after.iter().filter(|id| !self.is_completed(id)).cloned().collect();
        match self.parent_rule() {
            "parent-first" => {
                on.extend(task.seen.parent.iter().filter(|id| !self.is_completed(id)).cloned());
            }
            "children-first" => {
                let open = |child: &&Task| child.seen.status != Status::Completed;
                on.extend(self.children(&task.seen.id).filter(open).map(|c| c.seen.id.clone()));
            }
            _ => {}
        }
        on
    }

    fn obstacle(&self, task: &Task) -> Option<Obstacle> {
        match task.seen.status {
            Status::Completed | Status::Failed | Status::Cancelled => Some(Obstacle::Finished),
            Status::InProgress => Some(Obstacle::Held),
            Status::InReview => Some(Obstacle::InReview),
            Status::Blocked => Some(Obstacle::Blocked),
            Status::Pending => {
                let on = self.waits(task);
                if !on.is_empty() {
                    return Some(Obstacle::Waiting(on));
                }
                task.seen.not_before.filter(|at| *at > self.now).map(Obstacle::Until)
            }
        }
    }

    fn is_ready(&self, task: &Task) -> bool {
        self.obstacle(task).is_none()
    }

    /// Ends a task, or sets it back.
    fn set(&mut self, id: &str, status: Status) -> Result<()> {
        let now = self.now;
        let task = self.task_mut(id)?;
        task.seen.status = status;
        task.seen.reason = None;
        task.seen.claim = None;
        task.seen.updated_at = now;
        task.seen.completed_at = status.is_finished().then_some(now);
        Ok(())
    }

    /// What follows by itself: with `cascade=cancel`, what waits for something lost is lost too.
    fn settle(&mut self) {
        if self.settings.word("cascade", "block") != "cancel" || self.has(Flaw::CascadeForgotten) {
            return;
        }
        let lost = |model: &Self, id: &Id| {
            model.tasks.get(id).is_some_and(|task| task.seen.status.is_lost())
        };
        while let Some(id) = self
            .tasks
            .values()
            .filter(|task| task.seen.status == Status::Pending)
            .find(|task| self.waits(task).iter().any(|on| lost(self, on)))
            .map(|task| task.seen.id.clone())
        {
            let _ = self.set(&id, Status::Cancelled);
        }
    }

    /// All that can be seen, in the order of creation.
    fn whole(&self, ask: &Ask) -> Whole {
        let mut tasks: Vec<&Task> = self.tasks.values().collect();
        tasks.sort_by_key(|task| task.born);
        let mut counts = BTreeMap::new();
        let mut held = BTreeMap::new();
        for task in &tasks {
            *counts.entry(task.seen.status).or_default() += 1;
            if let Some(claim) = &task.seen.claim {
                *held.entry(claim.agent.clone()).or_default() += 1;
            }
        }
        let ready = tasks.iter().filter(|task| self.is_ready(task));
        let obstacle = |task: &&Task| (task.seen.id.clone(), self.obstacle(task));
        Whole {
            ready: ready.map(|task| task.seen.id.clone()).collect(),
            obstacles: tasks.iter().map(obstacle).collect(),
            tasks: tasks.iter().map(|task| task.seen.clone()).collect(),
            counts,
            held,
            meta: self.meta.clone(),
            next: self.choose(ask).ok(),
        }
    }

    fn session(&self, worker: usize) -> String {
        session(worker, self.lives[worker])
    }
}

/// What whoever makes up commands may know, to make up some that matter.
impl Model {
    pub fn ids(&self) -> Vec<Id> {
        self.tasks.keys().cloned().collect()
    }

    pub fn count(&self) -> usize {
        self.tasks.len()
    }

    pub fn ids_of(&self, statuses: &[Status]) -> Vec<Id> {
        let of = |task: &&Task| statuses.contains(&task.seen.status);
        self.tasks.values().filter(of).map(|task| task.seen.id.clone()).collect()
    }

    pub fn ready_ids(&self) -> Vec<Id> {
        let ready = self.tasks.values().filter(|task| self.is_ready(task));
        ready.map(|task| task.seen.id.clone()).collect()
    }

    /// A task with its present proof, and one with its last.
    pub fn proofs(&self) -> [Vec<(Id, Proof)>; 2] {
        let proof = |agent: &String, token| Proof { agent: agent.clone(), token: Some(token) };
        let now = self.tasks.values().filter_map(|task| {
            let claim = task.seen.claim.as_ref()?;
            Some((task.seen.id.clone(), proof(&claim.agent, claim.token)))
        });
        let last = self.tasks.values().filter_map(|task| {
            let closed = task.closed.as_ref()?;
            Some((task.seen.id.clone(), proof(&closed.agent, closed.token)))
        });
        [now.collect(), last.collect()]
    }

    pub fn used_keys(&self) -> (Vec<New>, Vec<Ask>) {
        let adds = self.adds.values().map(|(new, ..)| new.clone());
        (adds.collect(), self.claims.values().map(|(ask, ..)| ask.clone()).collect())
    }

    /// Keyed asks whose claim still holds.
    pub fn held_by_key(&self) -> Vec<Ask> {
        let holds = |(_, id, token, _): &&(Ask, Id, u64, u64)| {
            let claim = self.tasks.get(id).and_then(|task| task.seen.claim.as_ref());
            claim.is_some_and(|claim| claim.token == *token)
        };
        self.claims.values().filter(holds).map(|(ask, ..)| ask.clone()).collect()
    }

    pub fn meta_of(&self, key: &str) -> Option<&String> {
        self.meta.get(key)
    }
}
