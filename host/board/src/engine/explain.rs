//! `explain`: why a task can or can't be claimed now, and by whom.

use std::collections::{BTreeSet, VecDeque};

use super::{Engine, Error};
use crate::{
    Agent, Assignee, Choice, Claim, Classified, Filter, Hooked, Hooks, Millis, Name, Readiness,
    Status, Task, TaskId, Transaction, View,
};

/// One thing that stands between a task and being claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// It has ended.
    Finished(Status),
    /// Somebody holds it.
    Held {
        /// The hold.
        claim: Box<Claim>,
        /// When its lease ends.
        lease_until: Millis,
        /// Whether the lease has run out, so that the next claim recovers it.
        over: bool,
    },
    /// It was completed and waits to be accepted.
    InReview {
        /// Who completed it, and so can't accept it.
        completed_by: Option<Name>,
    },
    /// It is parked.
    Blocked(Option<String>),
    /// It waits for these.
    Waiting {
        /// The tasks, and where they stand.
        on: Vec<(TaskId, Option<Status>)>,
        /// What the policy said.
        why: Option<String>,
    },
    /// Its time has not come.
    Until(Millis),
    /// The policy won't offer it.
    Never(String),
    /// The policy will cancel it when it is next asked.
    WillBeCancelled(String),
    /// It is reserved for somebody else.
    Reserved(Assignee),
    /// Somebody has locked it by hand.
    Locked(String),
    /// The asker lacks these capabilities.
    Lacks(Vec<Name>),
    /// The policy gives the asker nothing.
    NotGiven(Option<String>),
    /// The policy refuses the asker.
    Refused(String),
}

/// Why a task can or can't be claimed now.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The task.
    pub task: Task,
    /// What stands in the way of everybody, or of the asker if one was named; none if it may be claimed.
    pub obstacles: Vec<Obstacle>,
    /// Where the waiting begins: tasks that the task waits for, by way of others perhaps, and that don't wait for
    /// any task themselves; the first 10 that were found.
    pub roots: Vec<Task>,
    /// What the policy wrote to its log meanwhile.
    pub log: Vec<String>,
}

/// How many roots are named.
const ROOTS_MAX: usize = 10;
/// How many tasks are looked at for them.
const LOOKS_MAX: usize = 1_000;

impl Engine {
    /// Why this task can or can't be claimed now: by anybody, or by `asker`. Changes nothing.
    pub fn explain(&self, id: &TaskId, asker: Option<&Agent>) -> Result<Explanation, Error> {
        self.look(|fell_back| self.explain_by(id, asker, fell_back))
    }

    fn explain_by(
        &self,
        id: &TaskId,
        asker: Option<&Agent>,
        fell_back: bool,
    ) -> Result<Explanation, Error> {
        let (view, now) = self.store.snapshot()?;
        let task = view.task(id)?.ok_or_else(|| Error::NoSuchTask(id.clone()))?;
        let (tx, mut hooks) = self.rehearse(view, now, fell_back)?;
        let (tx, mut obstacles) = for_everybody(&task, tx, &mut *hooks)?;
        if obstacles.is_empty() {
            obstacles.extend(self.store.task_locker(id)?.map(Obstacle::Locked));
        }
        let roots = match obstacles.first() {
            Some(Obstacle::Waiting { on, .. }) => {
                roots(tx.view(), on.iter().map(|(id, _)| id.clone()))?
            }
            _ => Vec::new(),
        };
        if let Some(asker) = asker {
            let ready = obstacles.is_empty();
            obstacles.extend(for_asker(&task, asker));
            if ready && obstacles.is_empty() {
                obstacles.extend(by_choice(&task, asker, tx, &mut *hooks)?);
            }
        }
        let log = hooks.take_log();
        hooks.close(false);
        Ok(Explanation { task, obstacles, roots, log })
    }
}

fn for_everybody(
    task: &Task,
    tx: Transaction,
    hooks: &mut dyn Hooks,
) -> Result<(Transaction, Vec<Obstacle>), Error> {
    let obstacle = match task.status {
        Status::Completed | Status::Failed | Status::Cancelled => {
            Some(Obstacle::Finished(task.status))
        }
        Status::InReview => Some(Obstacle::InReview {
            completed_by: task.closed.as_ref().map(|closed| closed.agent.clone()),
        }),
        Status::Blocked => Some(Obstacle::Blocked(task.reason.clone())),
        Status::InProgress => task.claim.clone().map(|claim| Obstacle::Held {
            lease_until: claim.lease.ends(tx.now()),
            over: claim.lease.is_over(tx.now()),
            claim: Box::new(claim),
        }),
        Status::Pending => {
            let Hooked { tx, answer } = hooks.classify(tx, &task.id);
            let obstacle = match answer? {
                Classified::Is(Readiness::Ready(_) | Readiness::Unasked) => None,
                Classified::Is(Readiness::Waiting { on, why }) => {
                    Some(Obstacle::Waiting { on: statuses(&tx, on)?, why })
                }
                Classified::Is(Readiness::Until(at)) => Some(Obstacle::Until(at)),
                Classified::Is(Readiness::Never(why)) => Some(Obstacle::Never(why)),
                Classified::Cancel(why) => Some(Obstacle::WillBeCancelled(why)),
            };
            return Ok((tx, obstacle.into_iter().collect()));
        }
    };
    Ok((tx, obstacle.into_iter().collect()))
}

/// Follows what waits for what, breadth first, to the tasks that wait for none.
fn roots(view: &dyn View, on: impl Iterator<Item = TaskId>) -> Result<Vec<Task>, Error> {
    let mut queue: VecDeque<TaskId> = on.collect();
    let mut seen: BTreeSet<TaskId> = queue.iter().cloned().collect();
    let mut roots = Vec::new();
    while let Some(id) = queue.pop_front() {
        let Some(task) = view.task(&id)? else { continue };
        match &task.readiness {
            Readiness::Waiting { on, .. } if task.status == Status::Pending => {
                let next = on.iter().filter(|id| seen.len() < LOOKS_MAX && !seen.contains(*id));
                let next: Vec<TaskId> = next.cloned().collect();
                seen.extend(next.iter().cloned());
                queue.extend(next);
            }
            _ => roots.push(task),
        }
        if roots.len() == ROOTS_MAX {
            break;
        }
    }
    Ok(roots)
}

fn statuses(tx: &Transaction, on: Vec<TaskId>) -> Result<Vec<(TaskId, Option<Status>)>, Error> {
    on.into_iter()
        .map(|id| {
            let status = tx.task(&id)?.map(|task| task.status);
            Ok((id, status))
        })
        .collect()
}

fn for_asker(task: &Task, asker: &Agent) -> Vec<Obstacle> {
    let reserved =
        task.assignee.clone().filter(|assignee| !assignee.is(asker)).map(Obstacle::Reserved);
    let lacks: Vec<Name> = task.lacking(&asker.capabilities).cloned().collect();
    let lacks = (!lacks.is_empty()).then_some(Obstacle::Lacks(lacks));
    reserved.into_iter().chain(lacks).collect()
}

/// Whether the policy would give the task to the asker, asked in a transaction that is thrown away.
fn by_choice(
    task: &Task,
    asker: &Agent,
    mut tx: Transaction,
    hooks: &mut dyn Hooks,
) -> Result<Option<Obstacle>, Error> {
    let filter = Filter {
        capabilities: asker.capabilities.clone(),
        only: Some(task.id.clone()),
        ..Filter::default()
    };
    tx.lend_to_assign(asker, &filter);
    Ok(match hooks.choose(tx, asker, &filter, None).answer? {
        Choice::Staged => None,
        Choice::Nothing(why) => Some(Obstacle::NotGiven(why)),
        Choice::Refused(why) => Some(Obstacle::Refused(why)),
    })
}
