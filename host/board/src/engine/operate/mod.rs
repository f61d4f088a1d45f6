//! What people, and agents that are told to, do with tasks that they don't hold: reserve, change, stop, reopen, park,
//! accept and archive them.
//!
//! - [`ChangeRequest`]: one [`Action`] on some tasks; [`Changed`]: what became of each, and of all that it touched.
//! - `details`: reserving and updating. `course`: cancelling, retrying, parking, releasing, reviewing. `family`: what
//!   waits for a task or belongs to it. `archive`: taking finished families off the board.
//!
//! Each task is changed in a transaction of its own, or all of them in one. A dry run does the same on a snapshot,
//! policy included, and commits nothing.

mod archive;
mod course;
mod details;
mod family;

use std::collections::BTreeMap;
use std::time::Instant as Deadline;

use super::hold::{REASON_BYTES_MAX, check_text};
use super::{Engine, Error, Proof, Work};
use crate::{Aim, Assignee, Change, Command, Name, Request, Task, TaskId, TaskUpdate};

/// How many tasks one request names at most.
const IDS_MAX: usize = 10_000;

/// What to do with a task.
#[derive(Debug, Clone)]
pub enum Action {
    /// Reserve it.
    Assign(Assignee),
    /// Reserve it for nobody any more; with a name, only if it is reserved for them.
    Unassign(Option<Name>),
    /// Change what it is.
    Update(Box<TaskUpdate>),
    /// It isn't wanted any more.
    Cancel {
        /// What waits for it, comes after it or is below it isn't either.
        cascade: bool,
        /// Why.
        reason: Option<String>,
    },
    /// It failed or was cancelled and is to be done after all, its attempts counted anew.
    Retry {
        /// So is what failed or was cancelled after it and below it.
        cascade: bool,
        /// Why.
        reason: Option<String>,
    },
    /// Park it.
    Block {
        /// Why, or what is to be answered first.
        reason: Option<String>,
        /// What shows that its holder asks; without it, only a task that nobody holds is parked.
        proof: Option<Proof>,
        /// Park it even though somebody else holds it.
        force: bool,
    },
    /// Park it no longer.
    Unblock {
        /// Why, or the answer.
        reason: Option<String>,
    },
    /// Take it from its holder.
    Release {
        /// Why.
        reason: Option<String>,
    },
    /// Accept what was completed, or send it back.
    Review {
        /// Whether it is accepted.
        accept: bool,
        /// What is to be said about it.
        reason: Option<String>,
    },
    /// Take it and everything below it off the board; the history keeps them.
    Archive,
}

impl Action {
    fn reason(&self) -> Option<&str> {
        match self {
            Self::Cancel { reason, .. }
            | Self::Retry { reason, .. }
            | Self::Block { reason, .. }
            | Self::Unblock { reason }
            | Self::Release { reason }
            | Self::Review { reason, .. } => reason.as_deref(),
            Self::Assign(_) | Self::Unassign(_) | Self::Update(_) | Self::Archive => None,
        }
    }

    /// The command that the history shows.
    pub fn command(&self) -> Command {
        match self {
            Self::Assign(_) => Command::Assign,
            Self::Unassign(_) => Command::Unassign,
            Self::Update(_) => Command::Update,
            Self::Cancel { .. } => Command::Cancel,
            Self::Retry { .. } => Command::Retry,
            Self::Block { .. } => Command::Block,
            Self::Unblock { .. } => Command::Unblock,
            Self::Release { .. } => Command::Release,
            Self::Review { .. } => Command::Review,
            Self::Archive => Command::Archive,
        }
    }
}

/// Something to be done with some tasks.
#[derive(Debug, Clone)]
pub struct ChangeRequest {
    /// Which tasks; given twice is given once.
    pub ids: Vec<TaskId>,
    /// What to do with each.
    pub action: Action,
    /// Who asks.
    pub by: Option<Name>,
    /// All of them in one transaction, or none.
    pub together: bool,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What became of a task that was named.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was so already.
    Already,
    /// It wasn't done.
    Failed(Error),
}

/// A task that was changed, by name or by what followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// As it was; absent if it wasn't on the board.
    pub before: Option<Task>,
    /// As it is now; absent if it isn't on the board any more.
    pub after: Option<Task>,
}

impl Touched {
    /// The task's id.
    pub fn id(&self) -> Option<&TaskId> {
        self.after.as_ref().or(self.before.as_ref()).map(|task| &task.id)
    }
}

/// The answer to a [`ChangeRequest`].
#[derive(Debug, Clone)]
pub struct Changed {
    /// What became of each task that was named, in the order in which they were.
    pub outcomes: Vec<(TaskId, Outcome)>,
    /// Every task that was changed in a way that people would see, those that were named first.
    pub touched: Vec<Touched>,
}

impl Changed {
    /// The first failure, if there was one.
    pub fn first_failure(&self) -> Option<(&TaskId, &Error)> {
        self.outcomes.iter().find_map(|(id, outcome)| match outcome {
            Outcome::Failed(error) => Some((id, error)),
            Outcome::Done | Outcome::Already => None,
        })
    }
}

impl Engine {
    /// Does what is asked with each of the tasks. An error, as opposed to an [`Outcome::Failed`], means that nothing
    /// was done with any task that isn't named in it: the request can't be meant, or, where all are to be done
    /// together, one of them couldn't.
    pub fn change(&self, request: &ChangeRequest, deadline: Deadline) -> Result<Changed, Error> {
        let mut ids: Vec<TaskId> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        ids.extend(request.ids.iter().filter(|id| seen.insert(*id)).cloned());
        if ids.is_empty() || ids.len() > IDS_MAX {
            return Err(Error::Invalid(format!("name 1 to {IDS_MAX} tasks, not {}", ids.len())));
        }
        if let Some(reason) = request.action.reason() {
            check_text("a reason", reason, REASON_BYTES_MAX)?;
        }
        if let Action::Update(update) = &request.action {
            details::check(&ids[0], update)?;
        }
        if request.together {
            return self.change_these(request, &ids, deadline);
        }
        // The patience is for the lock, each time anew.
        let patience = deadline.saturating_duration_since(Deadline::now());
        let mut changed = Changed { outcomes: Vec::new(), touched: Vec::new() };
        let mut ids = ids.into_iter();
        while let Some(id) = ids.next() {
            let one = std::slice::from_ref(&id);
            match self.change_these(request, one, Deadline::now() + patience) {
                Ok(one) => {
                    changed.outcomes.extend(one.outcomes);
                    changed.touched.extend(one.touched);
                }
                // What is wrong with the board is wrong for all of them, and those that were done are done.
                Err(error) if error.is_about_board() && changed.outcomes.is_empty() => {
                    return Err(error);
                }
                Err(error) if error.is_about_board() => {
                    // Each would wait again for what the first one has waited for in vain.
                    let rest = [id].into_iter().chain(ids.by_ref());
                    changed.outcomes.extend(rest.map(|id| (id, Outcome::Failed(error.clone()))));
                }
                Err(error) => changed.outcomes.push((id, Outcome::Failed(error))),
            }
        }
        Ok(changed)
    }

    fn change_these(
        &self,
        request: &ChangeRequest,
        ids: &[TaskId],
        deadline: Deadline,
    ) -> Result<Changed, Error> {
        let agent = match &request.action {
            Action::Block { proof: Some(proof), .. } => Some(proof.agent.clone()),
            _ => request.by.clone(),
        };
        let entry = Request { agent, ..Request::of(request.action.command()) };
        let body = |work: &mut Work<'_>| {
            let mut outcomes = Vec::new();
            if let Action::Archive = request.action {
                work.archive(ids)?;
                outcomes.extend(ids.iter().map(|id| (id.clone(), Outcome::Done)));
            } else {
                for id in ids {
                    let changed = work.operate(id, &request.action, request.by.as_ref())?;
                    let outcome = if changed { Outcome::Done } else { Outcome::Already };
                    outcomes.push((id.clone(), outcome));
                }
            }
            work.settle()?;
            Ok(Changed { outcomes, touched: work.touched(ids)? })
        };
        if request.dry_run {
            return self.rehearse_command(body);
        }
        self.transact(&entry, Aim::at(ids.iter().cloned()), deadline, body)
    }
}

impl Work<'_> {
    /// Stages one action on one task; `false` if there was nothing to do.
    fn operate(&mut self, id: &TaskId, action: &Action, by: Option<&Name>) -> Result<bool, Error> {
        match action {
            Action::Assign(assignee) => self.assign(id, assignee),
            Action::Unassign(from) => self.unassign(id, from.as_ref()),
            Action::Update(update) => self.update(id, update),
            Action::Cancel { cascade, reason } => self.cancel(id, *cascade, reason.as_deref()),
            Action::Retry { cascade, reason } => self.retry(id, *cascade, reason.as_deref()),
            Action::Block { reason, proof, force } => {
                self.block(id, reason.as_deref(), proof.as_ref(), *force)
            }
            Action::Unblock { reason } => self.unblock(id, reason.as_deref()),
            Action::Release { reason } => self.release_by_force(id, reason.as_deref()),
            Action::Review { accept, reason } => self.review(id, *accept, reason.as_deref(), by),
            Action::Archive => self.archive(std::slice::from_ref(id)).map(|()| true),
        }
    }

    /// Every task that this transaction changes in a way that people would see, `named` first.
    fn touched(&self, named: &[TaskId]) -> Result<Vec<Touched>, Error> {
        let mut order: Vec<&TaskId> = Vec::new();
        let mut before: BTreeMap<&TaskId, Option<Task>> = BTreeMap::new();
        for change in self.tx().changes() {
            let Some(id) = change.task().filter(|_| !matches!(change, Change::Answered { .. }))
            else {
                continue;
            };
            if let std::collections::btree_map::Entry::Vacant(slot) = before.entry(id) {
                slot.insert(self.tx().view().task(id)?);
                order.push(id);
            }
        }
        order.sort_by_key(|id| !named.contains(id));
        let touched = order.into_iter().map(|id| {
            Ok(Touched { before: before.remove(id).flatten(), after: self.tx().task(id)? })
        });
        touched.collect()
    }

    /// A task that can't go where it is asked to from where it stands.
    fn wrong_status(task: &Task, detail: &str) -> Error {
        Error::Transition { id: task.id.clone(), status: task.status, detail: detail.to_owned() }
    }
}
