//! What a board must show, worked out from its history alone, by rules that are written down here once more: so that a
//! mistake in how the store or the domain folds entries isn't made here too.
//!
//! - [`Fold`]: the few facts that everything hangs on: where each task stands, who holds it, which tokens and keys were
//!   given. [`Fold::take`] also says which entries break the rules.

use std::collections::{BTreeMap, BTreeSet};

use taskhost_board::{
    Change, Command, Entry, KeyRecord, ListQuery, Name, Sequence, Status, TaskId, Token, View,
};

/// What is known of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fact {
    status: Status,
    holder: Option<(Name, Token)>,
    assignee: Option<Name>,
}

/// A board as its history makes it.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    tasks: BTreeMap<TaskId, Fact>,
    keys: BTreeMap<(Command, String), KeyRecord>,
    token: Token,
    sequence: Sequence,
    wrong: Vec<String>,
}

impl Fold {
    /// Takes the next entry.
    pub(crate) fn take(&mut self, sequence: Sequence, entry: &Entry) {
        if sequence != self.sequence.next() {
            self.wrong.push(format!("entry {sequence} follows entry {}", self.sequence));
        }
        self.sequence = sequence;
        for change in &entry.changes {
            if let Err(why) = self.change(change) {
                self.wrong.push(format!("entry {sequence}: {why}"));
            }
        }
    }

    fn change(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Added(task) => {
                let fact = Fact {
                    status: task.status,
                    holder: None,
                    assignee: task.assignee.as_ref().map(|assignee| assignee.name.clone()),
                };
                if task.claim.is_some() || task.status != Status::Pending {
                    return Err(format!("`{}` came to be {}", task.id, task.status));
                }
                match self.tasks.insert(task.id.clone(), fact) {
                    None => Ok(()),
                    Some(_) => Err(format!("`{}` was added twice", task.id)),
                }
            }
            Change::Claimed { id, claim } => {
                if claim.token <= self.token {
                    return Err(format!("token {} was given after {}", claim.token, self.token));
                }
                self.token = claim.token;
                let holder = Some((claim.agent.clone(), claim.token));
                self.step(id, &[Status::Pending], Status::InProgress, holder)
            }
            Change::Renewed { id, .. } | Change::Kept { id, .. } => {
                let holder = self.fact(id)?.holder.clone();
                self.step(id, &[Status::InProgress], Status::InProgress, holder)
            }
            Change::Released { id, .. }
            | Change::Recovered { id, .. }
            | Change::Retried { id, .. } => {
                self.step(id, &[Status::InProgress], Status::Pending, None)
            }
            Change::Finished { id, status, .. } => {
                const OPEN: [Status; 4] =
                    [Status::Pending, Status::InProgress, Status::InReview, Status::Blocked];
                self.step(id, &OPEN, *status, None)
            }
            Change::Reopened { id, .. } => {
                const LOST: [Status; 3] = [Status::Failed, Status::Cancelled, Status::InReview];
                self.step(id, &LOST, Status::Pending, None)
            }
            Change::Accepted { id, .. } => {
                self.step(id, &[Status::InReview], Status::Completed, None)
            }
            Change::Blocked { id, .. } => {
                self.step(id, &[Status::Pending, Status::InProgress], Status::Blocked, None)
            }
            Change::Unblocked { id, .. } => {
                self.step(id, &[Status::Blocked], Status::Pending, None)
            }
            Change::Assigned { id, assignee } => {
                self.fact(id)?;
                let assignee = assignee.as_ref().map(|assignee| assignee.name.clone());
                if let Some(fact) = self.tasks.get_mut(id) {
                    fact.assignee = assignee;
                }
                Ok(())
            }
            Change::Archived(task) => match self.tasks.remove(&task.id) {
                Some(fact) if fact.status.is_finished() => Ok(()),
                other => Err(format!("`{}` was archived and was {other:?}", task.id)),
            },
            Change::Keyed { command, key, record } => {
                self.keys.insert((*command, key.clone()), record.clone());
                Ok(())
            }
            Change::Updated { id, .. } | Change::Answered { id, .. } => self.fact(id).map(drop),
            _ => Ok(()),
        }
    }

    fn fact(&self, id: &TaskId) -> Result<&Fact, String> {
        self.tasks.get(id).ok_or_else(|| format!("there is no `{id}`"))
    }

    fn step(
        &mut self,
        id: &TaskId,
        from: &[Status],
        to: Status,
        holder: Option<(Name, Token)>,
    ) -> Result<(), String> {
        let fact = self.tasks.get_mut(id).ok_or_else(|| format!("there is no `{id}`"))?;
        let (was, held) = (fact.status, fact.holder.take());
        // What breaks the rules happened all the same.
        (fact.status, fact.holder) = (to, holder);
        match (held, to) {
            _ if from.contains(&was) => Ok(()),
            _ if was.is_finished() => Err(format!("`{id}` had ended as {was} and became {to}")),
            (Some((other, _)), Status::InProgress) => {
                Err(format!("`{id}` was claimed while {other} held it"))
            }
            _ => Err(format!("`{id}` went from {was} to {to}")),
        }
    }

    /// Everything in which the board differs from its history, and the history from the rules.
    pub(crate) fn differences(mut self, view: &dyn View) -> Vec<String> {
        if let Err(error) = self.compare(view) {
            self.wrong.push(format!("the board can't be read: {error}"));
        }
        self.wrong
    }

    fn compare(&mut self, view: &dyn View) -> Result<(), taskhost_board::ReadError> {
        let head = view.head()?;
        if (head.sequence, head.token) != (self.sequence, self.token) {
            self.wrong.push(format!(
                "the board is at entry {} and token {}, its history at {} and {}",
                head.sequence, head.token, self.sequence, self.token
            ));
        }
        let page = view.list(&ListQuery { limit: 10_000, ..ListQuery::default() })?;
        let mut shown = BTreeMap::new();
        for task in page.tasks {
            let fact = Fact {
                status: task.status,
                holder: task.claim.map(|claim| (claim.agent, claim.token)),
                assignee: task.assignee.map(|assignee| assignee.name),
            };
            shown.insert(task.id, fact);
        }
        let ids: BTreeSet<&TaskId> = shown.keys().chain(self.tasks.keys()).collect();
        for id in ids {
            let (is, must) = (shown.get(id), self.tasks.get(id));
            if is != must {
                self.wrong.push(format!("`{id}` is {is:?} and must be {must:?}"));
            }
        }
        for ((command, key), record) in &self.keys {
            let found = view.key(*command, key)?;
            if found.as_ref() != Some(record) {
                self.wrong.push(format!("key `{key}` stands for {found:?}, not for {record:?}"));
            }
        }
        Ok(())
    }
}
