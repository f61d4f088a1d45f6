//! Tasks, a column for each of their fields.

use std::collections::HashMap;

use serde::Serialize;
use taskhost_board::{Json, Millis, Readiness, Status, Task, TaskId};
use taskhost_wire::kind;

use super::texts::{Text, Texts};

/// The place of a task among all.
pub(super) type Row = usize;

/// Tasks: those on the board in the order of their creation, then those that only the history knows.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    rows: HashMap<TaskId, Row>,
    /// How many are on the board.
    standing: usize,
    columns: Columns,
}

/// A field of all tasks each. Times are milliseconds since the epoch; texts are places, -1 where there is none.
#[derive(Debug, Default, Serialize)]
struct Columns {
    id: Vec<Text>,
    r#type: Vec<Text>,
    /// The place in [`Status::ALL`]; -1 if it isn't known.
    status: Vec<i8>,
    reason: Vec<Text>,
    parent: Vec<Text>,
    after: Vec<Vec<Text>>,
    priority: Vec<i32>,
    labels: Vec<Vec<Text>>,
    needs: Vec<Vec<Text>>,
    /// Name, kind, host and who reserved it; nothing if it is nobody's.
    assignee: Vec<Vec<Text>>,
    data: Vec<Text>,
    key: Vec<Text>,
    attempts: Vec<u32>,
    failures: Vec<u32>,
    claim: Vec<Option<Held>>,
    result: Vec<Text>,
    error: Vec<Text>,
    not_before: Vec<Option<Millis>>,
    created_at: Vec<Option<Millis>>,
    updated_at: Vec<Option<Millis>>,
    completed_at: Vec<Option<Millis>>,
    archived_at: Vec<Option<Millis>>,
    readiness: Vec<Text>,
    ready_at: Vec<Option<Millis>>,
    waits_for: Vec<Vec<Text>>,
    /// What the policy said of a pending task that isn't ready.
    why: Vec<Text>,
}

/// Who holds a task.
#[derive(Debug, Serialize)]
struct Held {
    agent: Text,
    kind: Text,
    hostname: Text,
    session: Text,
    token: u64,
    since: Millis,
    lease_until: Millis,
}

#[derive(Serialize)]
struct Written<'a> {
    /// How many of them are on the board: the first ones.
    standing: usize,
    #[serde(flatten)]
    columns: &'a Columns,
}

impl Serialize for Tasks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { standing: self.standing, columns: &self.columns }.serialize(serializer)
    }
}

impl Tasks {
    /// A task that is on the board.
    pub(super) fn stands(&mut self, task: &Task, texts: &mut Texts) -> Row {
        let row = self.row(&task.id, texts);
        self.columns.fill(row, task, texts);
        self.standing = self.standing.max(row + 1);
        row
    }

    /// A task that was taken off the board. If its id is on the board again, that one is the task.
    pub(super) fn archived(&mut self, task: &Task, at: Millis, texts: &mut Texts) {
        let row = self.row(&task.id, texts);
        if row >= self.standing {
            self.columns.fill(row, task, texts);
            self.columns.archived_at[row] = Some(at);
        }
    }

    /// The task of this id: a row of which nothing else is known, if it comes for the first time.
    pub(super) fn row(&mut self, id: &TaskId, texts: &mut Texts) -> Row {
        if let Some(row) = self.rows.get(id) {
            return *row;
        }
        let row = self.rows.len();
        self.rows.insert(id.clone(), row);
        self.columns.add(texts.place(id.as_str()));
        row
    }

    pub(super) fn standing(&self) -> usize {
        self.standing
    }
}

impl Columns {
    fn add(&mut self, id: Text) {
        self.id.push(id);
        self.status.push(-1);
        self.priority.push(0);
        self.attempts.push(0);
        self.failures.push(0);
        self.claim.push(None);
        for texts in [
            &mut self.r#type,
            &mut self.reason,
            &mut self.parent,
            &mut self.data,
            &mut self.key,
            &mut self.result,
            &mut self.error,
            &mut self.readiness,
            &mut self.why,
        ] {
            texts.push(Text::NONE);
        }
        for lists in [
            &mut self.after,
            &mut self.labels,
            &mut self.needs,
            &mut self.assignee,
            &mut self.waits_for,
        ] {
            lists.push(Vec::new());
        }
        for times in [
            &mut self.not_before,
            &mut self.created_at,
            &mut self.updated_at,
            &mut self.completed_at,
            &mut self.archived_at,
            &mut self.ready_at,
        ] {
            times.push(None);
        }
    }

    fn fill(&mut self, row: Row, task: &Task, texts: &mut Texts) {
        self.r#type[row] = texts.place(task.task_type.as_str());
        self.status[row] = task.status as i8;
        self.reason[row] = texts.maybe(task.reason.as_deref());
        self.parent[row] = texts.maybe(task.parent.as_ref().map(TaskId::as_str));
        self.after[row] = ids(&task.after, texts);
        self.priority[row] = task.priority;
        self.labels[row] = names(&task.labels, texts);
        self.needs[row] = names(&task.needs, texts);
        self.assignee[row] = assignee(task, texts);
        let data = Some(&task.data).filter(|data| !data.is_null());
        self.data[row] = texts.maybe(data.map(Json::as_str));
        self.key[row] = texts.maybe(task.key.as_deref());
        self.attempts[row] = task.attempts;
        self.failures[row] = task.failures;
        self.claim[row] = held(task, texts);
        self.result[row] = texts.maybe(task.result.as_ref().map(Json::as_str));
        self.error[row] = texts.maybe(task.error.as_deref());
        self.not_before[row] = task.not_before;
        self.created_at[row] = Some(task.created_at);
        self.updated_at[row] = Some(task.updated_at);
        self.completed_at[row] = task.completed_at;
        if task.status == Status::Pending {
            self.fill_readiness(row, &task.readiness, texts);
        }
    }

    fn fill_readiness(&mut self, row: Row, readiness: &Readiness, texts: &mut Texts) {
        let word = match readiness {
            Readiness::Ready(_) => "ready",
            Readiness::Waiting { on, why } => {
                self.waits_for[row] = ids(on, texts);
                self.why[row] = texts.maybe(why.as_deref());
                "waiting"
            }
            Readiness::Until(at) => {
                self.ready_at[row] = Some(*at);
                "until"
            }
            Readiness::Never(why) => {
                self.why[row] = texts.place(why);
                "never"
            }
            Readiness::Unasked => "unasked",
        };
        self.readiness[row] = texts.place(word);
    }
}

fn ids(ids: &[TaskId], texts: &mut Texts) -> Vec<Text> {
    ids.iter().map(|id| texts.place(id.as_str())).collect()
}

fn names(names: &[taskhost_board::Name], texts: &mut Texts) -> Vec<Text> {
    names.iter().map(|name| texts.place(name.as_str())).collect()
}

fn assignee(task: &Task, texts: &mut Texts) -> Vec<Text> {
    let Some(who) = &task.assignee else { return Vec::new() };
    let name = texts.place(who.name.as_str());
    let kind = texts.place(kind(who.kind));
    let hostname = texts.maybe(who.hostname.as_ref().map(|host| host.as_str()));
    vec![name, kind, hostname, texts.maybe(who.by.as_ref().map(|by| by.as_str()))]
}

fn held(task: &Task, texts: &mut Texts) -> Option<Held> {
    let claim = task.claim.as_ref()?;
    Some(Held {
        agent: texts.place(claim.agent.as_str()),
        kind: texts.place(kind(claim.kind)),
        hostname: texts.maybe(claim.hostname.as_ref().map(|host| host.as_str())),
        session: texts.place(claim.session.as_str()),
        token: claim.token.0,
        since: claim.since,
        lease_until: claim.lease.until,
    })
}
