//! A task as rows: which there are of it, and what changes them from those of one state to those of another.
//!
//! Invariant: what stands in `ready`, `claims`, `timers`, `waits` and `dependents` about a task follows from the task, and
//! is written by the same transaction. [`Writes`] says so in one place for every transaction, import and repair.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use taskhost_board::{
    Claim, Json, Name, Order, OrderKey, Process, ReadError, Readiness, Status, Task, TaskId,
};

use crate::commit::Changed;
use crate::link::{Call, Param};
use crate::sql;

/// What stands between the words of a list that is bound as one text. No name has such a character.
const SEPARATOR: &str = "\u{1f}";

/// At what time a task is asked about that wasn't yet.
pub(crate) const UNASKED: i64 = -1;

/// What ready tasks share when the same agents may be offered them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    pub(crate) task_type: Name,
    pub(crate) needs: Vec<Name>,
    pub(crate) assignee: Option<Name>,
}

impl Class {
    pub(crate) fn of(task: &Task) -> Self {
        Self {
            task_type: task.task_type.clone(),
            needs: task.needs.clone(),
            assignee: task.assignee.as_ref().map(|assignee| assignee.name.clone()),
        }
    }

    /// What stands for it in rows: 64 bits of a SHA-256, so that nobody has to ask for a number.
    pub(crate) fn id(&self) -> i64 {
        let mut hash = Sha256::new();
        for word in [&self.task_type].into_iter().chain(&self.needs) {
            hash.update(word.as_str());
            hash.update([0]);
        }
        if let Some(assignee) = &self.assignee {
            hash.update([1]);
            hash.update(assignee.as_str());
        }
        let digest: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// A number of the board as PostgreSQL keeps it. Those that it doesn't hold are of the far future.
pub(crate) fn bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that PostgreSQL kept.
pub(crate) fn number(bigint: i64) -> u64 {
    u64::try_from(bigint).unwrap_or_default()
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(SEPARATOR)
}

/// The process of a claim as a row names it.
pub(crate) fn process_text(process: &Process) -> String {
    serde_json::to_string(process).unwrap_or_default()
}

/// A task of the columns `body`, `data` and `result`.
pub(crate) fn task_of(
    body: &str,
    data: Option<String>,
    result: Option<String>,
) -> Result<Task, ReadError> {
    let damaged = |why: String| ReadError::Damaged(format!("a task's row can't be read: {why}"));
    let mut task: Task = serde_json::from_str(body).map_err(|e| damaged(e.to_string()))?;
    let json = |text: String| Json::parse(&text).map_err(|e| damaged(e.to_string()));
    if let Some(data) = data {
        task.data = json(data)?;
    }
    task.result = result.map(json).transpose()?;
    Ok(task)
}

/// All of a task but what may be large.
fn body_of(task: &Task) -> String {
    let small = Task { data: Json::default(), result: None, ..task.clone() };
    // A task has nothing that can't be written as JSON.
    serde_json::to_string(&small).unwrap_or_default()
}

fn data_of(task: &Task) -> Option<String> {
    (!task.data.is_null()).then(|| task.data.as_str().to_owned())
}

fn result_of(task: &Task) -> Option<String> {
    task.result.as_ref().map(|result| result.as_str().to_owned())
}

/// The row of a task in `ready`, but for the task itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ready {
    class: Class,
    place: [u8; 16],
    labels: Vec<Name>,
}

impl Ready {
    fn of(task: &Task) -> Option<Self> {
        let rank = task.ready_rank()?;
        let place = OrderKey::new(Order::Rank, rank, task.priority, task.born).to_bytes();
        Some(Self { class: Class::of(task), place, labels: task.labels.clone() })
    }
}

/// The classes of the tasks that become ready, or ready in another way.
pub(crate) fn newly_ready(tasks: &Changed) -> Vec<Class> {
    let ready = |task: &Option<Task>| task.as_ref().and_then(Ready::of);
    let is_new = |(old, new): &&(Option<Task>, Option<Task>)| ready(old) != ready(new);
    tasks.values().filter(is_new).filter_map(|(_, new)| ready(new)).map(|r| r.class).collect()
}

/// When a pending task is to be asked about, if that is known.
pub(crate) fn timer_of(task: &Task) -> Option<i64> {
    match (task.status, &task.readiness) {
        (Status::Pending, Readiness::Unasked) => Some(UNASKED),
        (Status::Pending, Readiness::Until(at)) => Some(bigint(at.0)),
        _ => None,
    }
}

/// How a task of this status is counted among those of its parent: as open, completed, or ended in another way.
pub(crate) fn ended(status: Status) -> i16 {
    match status {
        Status::Completed => 1,
        Status::Failed | Status::Cancelled => 2,
        _ => 0,
    }
}

/// What a pending task waits on.
pub(crate) fn waits_of(task: &Task) -> BTreeSet<&TaskId> {
    match (task.status, &task.readiness) {
        (Status::Pending, Readiness::Waiting { on, .. }) => on.iter().collect(),
        _ => BTreeSet::new(),
    }
}

/// Columns that are bound as arrays, a place in each for every row.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    pub(crate) added: AddedTasks,
    pub(crate) changed: ChangedTasks,
    /// Tasks whose `data` or `result` changed, and what they are now.
    pub(crate) contents: (Vec<String>, Vec<Option<String>>, Vec<Option<String>>),
    pub(crate) gone: Vec<String>,
    pub(crate) unready: Vec<String>,
    pub(crate) ready: ReadyRows,
    pub(crate) classes: Vec<Class>,
    pub(crate) unclaimed: Vec<String>,
    pub(crate) claims: ClaimRows,
    /// Claims that are the same but for their holder's session or the end of their lease.
    pub(crate) kept: ClaimRows,
    pub(crate) untimed: Vec<String>,
    pub(crate) timers: (Vec<String>, Vec<i64>),
    /// What is waited on, and by whom.
    pub(crate) unwaited: (Vec<String>, Vec<String>),
    pub(crate) waits: (Vec<String>, Vec<String>),
    /// What is depended on, and by whom.
    pub(crate) undepended: (Vec<String>, Vec<String>),
    pub(crate) dependents: (Vec<String>, Vec<String>),
}

/// New rows of `tasks`.
#[derive(Debug, Default)]
pub(crate) struct AddedTasks {
    pub(crate) ids: Vec<String>,
    pub(crate) born: Vec<i64>,
    pub(crate) types: Vec<String>,
    pub(crate) statuses: Vec<&'static str>,
    pub(crate) parents: Vec<Option<String>>,
    pub(crate) assignees: Vec<Option<String>>,
    pub(crate) labels: Vec<String>,
    pub(crate) ranks: Vec<Option<i32>>,
    pub(crate) tokens: Vec<Option<i64>>,
    pub(crate) bodies: Vec<String>,
    pub(crate) data: Vec<Option<String>>,
    pub(crate) results: Vec<Option<String>>,
    pub(crate) ended: Vec<i16>,
}

/// Rows of `tasks` that change. A task's parent, type and place never do.
#[derive(Debug, Default)]
pub(crate) struct ChangedTasks {
    pub(crate) ids: Vec<String>,
    pub(crate) statuses: Vec<&'static str>,
    pub(crate) assignees: Vec<Option<String>>,
    pub(crate) labels: Vec<String>,
    pub(crate) ranks: Vec<Option<i32>>,
    pub(crate) tokens: Vec<Option<i64>>,
    pub(crate) bodies: Vec<String>,
    pub(crate) ended: Vec<i16>,
}

/// Rows of `ready`.
#[derive(Debug, Default)]
pub(crate) struct ReadyRows {
    pub(crate) tasks: Vec<String>,
    pub(crate) classes: Vec<i64>,
    pub(crate) places: Vec<Vec<u8>>,
    pub(crate) born: Vec<i64>,
    pub(crate) labels: Vec<String>,
}

/// Rows of `claims`.
#[derive(Debug, Default)]
pub(crate) struct ClaimRows {
    pub(crate) tasks: Vec<String>,
    pub(crate) tokens: Vec<i64>,
    pub(crate) agents: Vec<String>,
    pub(crate) sessions: Vec<Option<String>>,
    pub(crate) processes: Vec<Option<String>>,
    pub(crate) ends: Vec<i64>,
}

impl ClaimRows {
    fn push(&mut self, task: &Task, claim: &Claim) {
        self.tasks.push(task.id.to_string());
        self.tokens.push(bigint(claim.token.0));
        self.agents.push(claim.agent.to_string());
        self.sessions.push(claim.living.then(|| claim.session.to_string()));
        self.processes.push(claim.process.as_ref().map(process_text));
        self.ends.push(bigint(claim.lease.until.0));
    }
}

impl AddedTasks {
    fn push(&mut self, task: &Task) {
        self.ids.push(task.id.to_string());
        self.born.push(bigint(task.born));
        self.types.push(task.task_type.to_string());
        self.statuses.push(task.status.as_str());
        self.parents.push(task.parent.as_ref().map(ToString::to_string));
        self.assignees.push(task.assignee.as_ref().map(|assignee| assignee.name.to_string()));
        self.labels.push(words(task.labels.iter().map(Name::as_str)));
        self.ranks.push(task.ready_rank());
        self.tokens.push(task.claim.as_ref().map(|claim| bigint(claim.token.0)));
        self.bodies.push(body_of(task));
        self.data.push(data_of(task));
        self.results.push(result_of(task));
        self.ended.push(ended(task.status));
    }
}

impl ChangedTasks {
    fn push(&mut self, task: &Task) {
        self.ids.push(task.id.to_string());
        self.statuses.push(task.status.as_str());
        self.assignees.push(task.assignee.as_ref().map(|assignee| assignee.name.to_string()));
        self.labels.push(words(task.labels.iter().map(Name::as_str)));
        self.ranks.push(task.ready_rank());
        self.tokens.push(task.claim.as_ref().map(|claim| bigint(claim.token.0)));
        self.bodies.push(body_of(task));
        self.ended.push(ended(task.status));
    }
}

impl Writes {
    /// Puts `new` in the place of `old`: of nothing for a task that comes to be, nothing for one that goes.
    pub(crate) fn replace(&mut self, old: Option<&Task>, new: Option<&Task>) {
        let Some(task) = new.or(old) else { return };
        let id = task.id.to_string();
        match (old, new) {
            (Some(old), Some(new)) if old == new => return,
            (Some(old), Some(new)) => {
                self.changed.push(new);
                if old.data != new.data || old.result != new.result {
                    self.contents.0.push(id.clone());
                    self.contents.1.push(data_of(new));
                    self.contents.2.push(result_of(new));
                }
            }
            (None, Some(new)) => self.added.push(new),
            (_, None) => self.gone.push(id.clone()),
        }
        self.replace_ready(&id, task.born, old.and_then(Ready::of), new.and_then(Ready::of));
        self.replace_claim(&id, old, new);
        let (was, is) = (old.and_then(timer_of), new.and_then(timer_of));
        if was != is {
            if was.is_some() {
                self.untimed.push(id.clone());
            }
            if let Some(at) = is {
                self.timers.0.push(id.clone());
                self.timers.1.push(at);
            }
        }
        let pairs = |of: fn(&Task) -> BTreeSet<&TaskId>| {
            let names = |task: &'_ Task| of(task).into_iter().cloned().collect::<BTreeSet<_>>();
            (old.map(names).unwrap_or_default(), new.map(names).unwrap_or_default())
        };
        let (was, is) = pairs(waits_of);
        replace_pairs(&id, &was, &is, &mut self.unwaited, &mut self.waits);
        let (was, is) = pairs(|task| task.after.iter().collect());
        replace_pairs(&id, &was, &is, &mut self.undepended, &mut self.dependents);
    }

    fn replace_ready(&mut self, id: &str, born: u64, was: Option<Ready>, is: Option<Ready>) {
        if was == is {
            return;
        }
        if was.is_some() {
            self.unready.push(id.to_owned());
        }
        if let Some(Ready { class, place, labels }) = is {
            self.ready.tasks.push(id.to_owned());
            self.ready.classes.push(class.id());
            self.ready.places.push(place.to_vec());
            self.ready.born.push(bigint(born));
            self.ready.labels.push(words(labels.iter().map(Name::as_str)));
            self.classes.push(class);
        }
    }

    fn replace_claim(&mut self, id: &str, old: Option<&Task>, new: Option<&Task>) {
        let claim = |task: Option<&Task>| task.and_then(|task| task.claim.clone());
        match (claim(old), claim(new), new) {
            (Some(was), Some(is), _) if was == is => {}
            (Some(was), Some(is), Some(task)) if was.token == is.token => {
                self.kept.push(task, &is);
            }
            (was, is, task) => {
                if was.is_some() {
                    self.unclaimed.push(id.to_owned());
                }
                if let (Some(is), Some(task)) = (is, task) {
                    self.claims.push(task, &is);
                }
            }
        }
    }
}

fn replace_pairs(
    id: &str,
    was: &BTreeSet<TaskId>,
    is: &BTreeSet<TaskId>,
    gone: &mut (Vec<String>, Vec<String>),
    come: &mut (Vec<String>, Vec<String>),
) {
    for on in was.difference(is) {
        gone.0.push(on.to_string());
        gone.1.push(id.to_owned());
    }
    for on in is.difference(was) {
        come.0.push(on.to_string());
        come.1.push(id.to_owned());
    }
}

impl Writes {
    /// The statements that make these changes, in an order in which none waits for one behind it in another
    /// transaction.
    pub(crate) fn calls<'a>(&'a self) -> Vec<Call<'a>> {
        let mut calls = Vec::new();
        let mut call = |is_any: bool, sql: &'static str, params: Vec<Param<'a>>| {
            if is_any {
                calls.push(Call::of(sql, params));
            }
        };
        let Self { added, changed, ready, claims, kept, .. } = self;
        call(!self.gone.is_empty(), sql::DELETE_TASKS, vec![&self.gone]);
        call(
            !added.ids.is_empty(),
            sql::INSERT_TASKS,
            vec![
                &added.ids,
                &added.born,
                &added.types,
                &added.statuses,
                &added.parents,
                &added.assignees,
                &added.labels,
                &added.ranks,
                &added.tokens,
                &added.bodies,
                &added.data,
                &added.results,
                &added.ended,
            ],
        );
        call(
            !changed.ids.is_empty(),
            sql::UPDATE_TASKS,
            vec![
                &changed.ids,
                &changed.statuses,
                &changed.assignees,
                &changed.labels,
                &changed.ranks,
                &changed.tokens,
                &changed.bodies,
                &changed.ended,
            ],
        );
        let (ids, data, results) = &self.contents;
        call(!ids.is_empty(), sql::UPDATE_CONTENTS, vec![ids, data, results]);
        call(!self.unready.is_empty(), sql::DELETE_READY, vec![&self.unready]);
        call(
            !ready.tasks.is_empty(),
            sql::INSERT_READY,
            vec![&ready.tasks, &ready.classes, &ready.places, &ready.born, &ready.labels],
        );
        call(!self.unclaimed.is_empty(), sql::DELETE_CLAIMS, vec![&self.unclaimed]);
        for (rows, statement) in [(claims, sql::INSERT_CLAIMS), (kept, sql::UPDATE_CLAIMS)] {
            call(
                !rows.tasks.is_empty(),
                statement,
                vec![
                    &rows.tasks,
                    &rows.tokens,
                    &rows.agents,
                    &rows.sessions,
                    &rows.processes,
                    &rows.ends,
                ],
            );
        }
        call(!self.untimed.is_empty(), sql::DELETE_TIMERS, vec![&self.untimed]);
        call(!self.timers.0.is_empty(), sql::INSERT_TIMERS, vec![&self.timers.0, &self.timers.1]);
        for (pairs, statement) in [
            (&self.unwaited, sql::DELETE_WAITS),
            (&self.waits, sql::INSERT_WAITS),
            (&self.undepended, sql::DELETE_DEPENDENTS),
            (&self.dependents, sql::INSERT_DEPENDENTS),
        ] {
            call(!pairs.0.is_empty(), statement, vec![&pairs.0, &pairs.1]);
        }
        calls
    }
}

impl Writes {
    /// What [`sql::ADD_CLAIM`] takes behind what it takes of the entry, if all of this is one claim.
    pub(crate) fn as_claim(&self) -> Option<Vec<Param<'_>>> {
        let Self { changed, claims, unready, .. } = self;
        let [id] = &changed.ids[..] else { return None };
        // A statement each for these three, and none for anything else.
        if claims.tasks != changed.ids || *unready != changed.ids || self.calls().len() != 3 {
            return None;
        }
        Some(vec![
            id,
            changed.statuses.first()?,
            changed.assignees.first()?,
            changed.labels.first()?,
            changed.bodies.first()?,
            claims.tokens.first()?,
            claims.agents.first()?,
            claims.sessions.first()?,
            claims.processes.first()?,
            claims.ends.first()?,
        ])
    }
}

/// The classes of rows, as arrays.
pub(crate) struct ClassRows {
    pub(crate) ids: Vec<i64>,
    pub(crate) types: Vec<String>,
    pub(crate) needs: Vec<String>,
    pub(crate) assignees: Vec<Option<String>>,
}

impl ClassRows {
    pub(crate) fn of<'a>(classes: impl IntoIterator<Item = &'a Class>) -> Self {
        let classes: BTreeSet<&Class> = classes.into_iter().collect();
        Self {
            ids: classes.iter().map(|class| class.id()).collect(),
            types: classes.iter().map(|class| class.task_type.to_string()).collect(),
            needs: classes
                .iter()
                .map(|class| words(class.needs.iter().map(Name::as_str)))
                .collect(),
            assignees: classes
                .iter()
                .map(|class| class.assignee.as_ref().map(ToString::to_string))
                .collect(),
        }
    }
}
