//! What depends on a task, and what belongs to it, in a bounded walk over the board as this transaction sees it.

use std::collections::{BTreeSet, VecDeque};

use super::{Error, Work};
use crate::{Family, Status, TaskId};

/// How many tasks one command follows at most.
const TASKS_MAX: usize = 10_000;
/// How many ids are read at a time.
const PAGE: usize = 1_000;

impl Work<'_> {
    /// The open tasks that the policy lets wait for this one, that come after it, or that are below it, and those that
    /// hang on them in turn, nearest first; each with the task because of which it is here.
    pub(super) fn waiting_for(&self, id: &TaskId) -> Result<Vec<(TaskId, TaskId)>, Error> {
        self.walk(id, |work, on| {
            let mut found = work.dependents_of(on)?;
            let tx = work.tx();
            found.extend(pages(|past| tx.view().waiters(on, past, PAGE))?);
            found.extend(tx.staged_waiters(on));
            found.extend(pages(|past| tx.children(on, Family::Open, past, PAGE))?);
            let mut open = Vec::new();
            for id in found {
                if tx.task(&id)?.is_some_and(|task| !task.status.is_finished()) {
                    open.push(id);
                }
            }
            Ok(open)
        })
    }

    /// What failed or was cancelled after this one or below it, nearest first.
    pub(super) fn lost_after(&self, id: &TaskId) -> Result<Vec<TaskId>, Error> {
        let lost = self.walk(id, |work, on| {
            let mut found = work.dependents_of(on)?;
            let tx = work.tx();
            found.extend(pages(|past| tx.children(on, Family::Unsuccessful, past, PAGE))?);
            let mut lost = Vec::new();
            for id in found {
                let is_lost = |status| matches!(status, Status::Failed | Status::Cancelled);
                if tx.task(&id)?.is_some_and(|task| is_lost(task.status)) {
                    lost.push(id);
                }
            }
            Ok(lost)
        })?;
        Ok(lost.into_iter().map(|(id, _)| id).collect())
    }

    /// Everything below a task, nearest first.
    pub(super) fn descendants(&self, id: &TaskId) -> Result<Vec<TaskId>, Error> {
        let below = self.walk(id, |work, parent| {
            Ok(pages(|past| work.tx().children(parent, Family::Every, past, PAGE))?)
        })?;
        Ok(below.into_iter().map(|(id, _)| id).collect())
    }

    /// The tasks that name this one in their `after`.
    pub(super) fn dependents_of(&self, id: &TaskId) -> Result<Vec<TaskId>, Error> {
        Ok(pages(|past| self.tx().dependents(id, past, PAGE))?)
    }

    /// Everything that `next` leads to from `id`, breadth first, each once and with where it was come to from.
    fn walk(
        &self,
        id: &TaskId,
        next: impl Fn(&Self, &TaskId) -> Result<Vec<TaskId>, Error>,
    ) -> Result<Vec<(TaskId, TaskId)>, Error> {
        let mut seen = BTreeSet::from([id.clone()]);
        let mut found = Vec::new();
        let mut queue = VecDeque::from([id.clone()]);
        while let Some(from) = queue.pop_front() {
            for to in next(self, &from)? {
                if !seen.insert(to.clone()) {
                    continue;
                }
                if found.len() == TASKS_MAX {
                    return Err(Error::Invalid(format!(
                        "more than {TASKS_MAX} tasks hang on `{id}`: name some of them, a part at a time"
                    )));
                }
                found.push((to.clone(), from.clone()));
                queue.push_back(to);
            }
        }
        Ok(found)
    }
}

/// All of what `page` gives a page at a time.
fn pages<E>(page: impl Fn(Option<&TaskId>) -> Result<Vec<TaskId>, E>) -> Result<Vec<TaskId>, E> {
    let mut all: Vec<TaskId> = Vec::new();
    loop {
        let more = page(all.last())?;
        let full = more.len() == PAGE;
        all.extend(more);
        if !full {
            return Ok(all);
        }
    }
}
