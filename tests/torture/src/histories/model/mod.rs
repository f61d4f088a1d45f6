//! A small board that says which answers are possible, and what the board is then. Written from the documentation,
//! not from the board's code.
//!
//! - [`State`]: a board. [`State::outcomes`]: all that a request may lead to.
//! - [`Outcome`]: an answer, still without the tasks in it, and the state after it. [`Outcome::accept`] compares it
//!   with an answer that was given.
//! - [`When`]: between which moments the request was carried out, and who was dead by then.
//!
//! Most requests have one outcome. A claim first takes back what is due, and when exactly it looked is known only
//! as far as its own beginning and end: whatever may have been due by then makes an outcome of its own.

mod changes;
mod claims;
mod due;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::words::{
    Agent, Answer, Ask, Closed, Id, Key, New, No, Op, ParentRule, Session, Settings, Span, Status,
    Task, Verb, Whole, Why,
};

/// A board. Copies share what they have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    settings: Settings,
    /// In the order of creation.
    tasks: Vec<Arc<Task>>,
    token: u64,
    adds: Arc<BTreeMap<Key, (New, Id)>>,
    claims: Arc<BTreeMap<Key, (Ask, Id, u64)>>,
}

/// When a request was carried out, in milliseconds of the boot clock.
#[derive(Debug, Clone, Copy)]
pub struct When<'a> {
    /// Not before.
    pub from_ms: u64,
    /// Not after.
    pub to_ms: u64,
    /// From when on sessions may be dead.
    pub deaths: &'a BTreeMap<Session, u64>,
}

/// One thing that a request may lead to.
#[derive(Debug, Clone)]
pub struct Outcome {
    reply: Reply,
    /// The board after it, if it isn't the same as before.
    pub after: Option<State>,
}

/// An answer whose tasks are those of the state after it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reply {
    Task(Id, bool),
    Nothing(Why),
    Changed(Vec<bool>),
    Done,
    Whole,
    No(No),
}

type Result<T> = std::result::Result<T, No>;

impl State {
    /// The board that looks like this, and has no request keys.
    pub fn new(whole: &Whole) -> Self {
        Self {
            settings: whole.settings,
            tasks: whole.tasks.iter().cloned().map(Arc::new).collect(),
            token: whole.token,
            adds: Arc::default(),
            claims: Arc::default(),
        }
    }

    /// What everybody can see of it.
    pub fn whole(&self) -> Whole {
        Whole {
            token: self.token,
            settings: self.settings,
            tasks: self.tasks.iter().map(|task| (**task).clone()).collect(),
        }
    }

    /// All that `op` may lead to at that time.
    pub fn outcomes(&self, op: &Op, when: &When<'_>) -> Vec<Outcome> {
        match op {
            Op::Show(id) => {
                let shown = self.task(*id).map(|task| Reply::Task(task.id, false));
                vec![Outcome::same(shown.unwrap_or_else(Reply::No))]
            }
            Op::Look => vec![Outcome::same(Reply::Whole)],
            Op::Claim(ask) => self.claim(ask, when),
            _ => {
                let mut after = self.clone();
                let replied = match op {
                    Op::Add(new) => after.add(new),
                    Op::Heartbeat { id, proof, lease_ms } => {
                        after.heartbeat(*id, proof, *lease_ms, when)
                    }
                    Op::Finish { id, proof, how } => after.finish(*id, proof, *how),
                    Op::Change { ids, action } => after.change(ids, action),
                    Op::Set(settings) => {
                        after.settings = *settings;
                        Ok(Reply::Done)
                    }
                    Op::Show(_) | Op::Look | Op::Claim(_) => Ok(Reply::Done),
                };
                vec![match replied {
                    Ok(reply) if after == *self => Outcome::same(reply),
                    Ok(reply) => Outcome { reply, after: Some(after) },
                    Err(no) => Outcome::same(Reply::No(no)),
                }]
            }
        }
    }

    fn task(&self, id: Id) -> Result<&Arc<Task>> {
        self.tasks.iter().find(|task| task.id == id).ok_or(No::Missing)
    }

    fn task_mut(&mut self, id: Id) -> Result<&mut Task> {
        self.tasks.iter_mut().find(|task| task.id == id).map(Arc::make_mut).ok_or(No::Missing)
    }

    fn children(&self, id: Id) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.iter().filter(move |task| task.parent == Some(id))
    }

    /// Nobody waits for what was archived.
    fn is_completed(&self, id: Id) -> bool {
        self.task(id).map_or(true, |task| task.status == Status::Completed)
    }

    /// What a pending task waits for: all that must be completed before it and isn't.
    fn waits<'a>(&'a self, task: &'a Task) -> impl Iterator<Item = Id> + 'a {
        let rule = self.settings.parent;
        let parent = task.parent.filter(|_| rule == ParentRule::ParentFirst);
        let children = (rule == ParentRule::ChildrenFirst).then(|| self.children(task.id));
        let above = task.after.iter().copied().chain(parent).filter(|id| !self.is_completed(*id));
        let below = children.into_iter().flatten();
        above.chain(below.filter(|task| task.status != Status::Completed).map(|task| task.id))
    }

    fn is_ready(&self, task: &Task) -> bool {
        task.status == Status::Pending && self.waits(task).next().is_none()
    }

    /// Ends a task, or sets it back.
    fn set(&mut self, id: Id, status: Status) -> Result<()> {
        let task = self.task_mut(id)?;
        task.status = status;
        task.reason = None;
        task.claim = None;
        Ok(())
    }

    /// Ends a claim as its holder asks.
    fn close(&mut self, id: Id, verb: Verb, status: Status) -> Result<()> {
        let task = self.task_mut(id)?;
        if let Some(claim) = &task.claim {
            task.closed = Some(Closed { token: claim.token, agent: claim.agent, verb });
        }
        self.set(id, status)
    }

    /// Takes a task from its holder, if it has one.
    fn take(&mut self, id: Id, status: Status) -> Result<()> {
        let task = self.task_mut(id)?;
        if task.claim.is_some() {
            task.closed = None;
        }
        self.set(id, status)
    }

    /// What follows by itself: where that is set, what waits for something lost is lost too.
    fn settle(&mut self) {
        if !self.settings.cascade {
            return;
        }
        let is_lost = |id| self.task(id).is_ok_and(|task| task.status.is_lost());
        let pending = |task: &&Arc<Task>| task.status == Status::Pending;
        let mut waiting = self.tasks.iter().filter(pending);
        let next = waiting.find(|task| self.waits(task).any(is_lost)).map(|task| task.id);
        if let Some(id) = next {
            let _ = self.set(id, Status::Cancelled);
            self.settle();
        }
    }
}

impl Outcome {
    fn same(reply: Reply) -> Self {
        Self { reply, after: None }
    }

    /// The board after this answer, if this is a way to come to it: `None` inside if it is the same as before.
    pub fn accept(self, before: &State, answer: &Answer) -> Option<Option<State>> {
        let Self { reply, after } = self;
        match (answer, &reply) {
            (Answer::Task(seen, repeated), Reply::Task(id, again)) => {
                if repeated != again || seen.id != *id {
                    return None;
                }
                narrowed(before, after, std::slice::from_ref(seen))
            }
            (Answer::Whole(whole), Reply::Whole) => {
                let (mine, same) = (&before.tasks, before.settings == whole.settings);
                if !same || before.token != whole.token || mine.len() != whole.tasks.len() {
                    return None;
                }
                if mine.iter().zip(&whole.tasks).any(|(mine, seen)| mine.id != seen.id) {
                    return None;
                }
                narrowed(before, after, &whole.tasks)
            }
            (Answer::Nothing(why), Reply::Nothing(other)) => (why == other).then_some(after),
            (Answer::Changed(done), Reply::Changed(other)) => (done == other).then_some(after),
            (Answer::No(no), Reply::No(other)) => (no == other).then_some(after),
            (Answer::Done, Reply::Done) => Some(after),
            _ => None,
        }
    }

    /// The answer that a board would give so.
    pub fn answer(&self, before: &State) -> Answer {
        let state = self.after.as_ref().unwrap_or(before);
        match &self.reply {
            Reply::Task(id, repeated) => match state.task(*id) {
                Ok(task) => Answer::Task(Box::new((**task).clone()), *repeated),
                Err(no) => Answer::No(no),
            },
            Reply::Nothing(why) => Answer::Nothing(*why),
            Reply::Changed(done) => Answer::Changed(done.clone()),
            Reply::Done => Answer::Done,
            Reply::Whole => Answer::Whole(Box::new(state.whole())),
            Reply::No(no) => Answer::No(*no),
        }
    }
}

/// The state in which these tasks were seen, if they can be: what was known only roughly is known exactly then.
fn narrowed(before: &State, after: Option<State>, seen: &[Task]) -> Option<Option<State>> {
    let mut after = after;
    for seen in seen {
        let mine = after.as_ref().unwrap_or(before).task(seen.id).ok()?;
        if !fits(mine, seen) {
            return None;
        }
        let ends = |task: &Task| task.claim.as_ref().map(|claim| claim.ends);
        if let (Some(rough), Some(exact)) = (ends(mine), ends(seen))
            && rough != exact
        {
            let state = after.get_or_insert_with(|| before.clone());
            if let Some(claim) = &mut state.task_mut(seen.id).ok()?.claim {
                claim.ends = exact;
            }
        }
    }
    Some(after)
}

/// Whether what was seen of a task may be what the model says of it.
fn fits(mine: &Task, seen: &Task) -> bool {
    let reason = mine.reason.is_none() || mine.reason == seen.reason;
    let claim = match (&mine.claim, &seen.claim) {
        (Some(mine), Some(seen)) => {
            mine.ends.has(seen.ends)
                && (mine.agent, mine.session, mine.living)
                    == (seen.agent, seen.session, seen.living)
                && (mine.token, mine.lease_ms) == (seen.token, seen.lease_ms)
        }
        (None, None) => mine.closed == seen.closed,
        _ => false,
    };
    reason
        && claim
        && (mine.id, mine.kind, mine.status) == (seen.id, seen.kind, seen.status)
        && (mine.parent, &mine.after, mine.priority) == (seen.parent, &seen.after, seen.priority)
        && (mine.labels, mine.needs, mine.assignee) == (seen.labels, seen.needs, seen.assignee)
        && (mine.data, mine.key) == (seen.data, seen.key)
        && (mine.attempts, mine.failures) == (seen.attempts, seen.failures)
        && (mine.result, mine.error) == (seen.result, seen.error)
}

/// The end of a lease that was given at that time.
fn lease_end(when: &When<'_>, lease_ms: u64) -> Span {
    Span {
        from_ms: when.from_ms.saturating_add(lease_ms),
        to_ms: when.to_ms.saturating_add(lease_ms),
    }
}

/// Whether a task is reserved for somebody else.
fn is_for_others(task: &Task, agent: Agent) -> bool {
    task.assignee.is_some_and(|assignee| assignee != agent)
}
