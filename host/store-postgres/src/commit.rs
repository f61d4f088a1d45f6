//! Committing an entry: what it changes, the entry itself and the end of the transaction go to the server in one turn.
//!
//! 1. Every task that changes is this transaction's own, and what it newly depends on stays as it is: a task that is
//!    waited on from now on, and the parent of one that joins or leaves a family. What can't be had loses the transaction.
//! 2. The rows, the entry and `COMMIT` are sent together. The server refuses the entry, and so all of it, if the board is
//!    in another epoch by now.
//! 3. If the connection breaks before the answer, the server is told to end what was running there, and asked whether the
//!    entry is there as soon as that has ended. Where it can't be reached, or the history of that time is gone already, the
//!    outcome is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant as Deadline};

use taskhost_board::{
    Cell, Change, CommitError, Committed, Entry, ReadError, Sequence, Task, TaskId,
};

use crate::link::{Call, Link, LinkError, Param};
use crate::pool::Pooled;
use crate::rows::{Class, ClassRows, Writes, bigint, ended, number, waits_of};
use crate::shared::read_error;
use crate::sql;
use crate::staged::Lines;
use crate::tx::{Tx, cell_key};
use crate::vacuum;
use crate::view::memory_cell;

/// How long it is tried to find out what became of a commit whose connection broke.
const FIND_OUT: Duration = Duration::from_secs(5);
/// How long between two tries.
const NAP: Duration = Duration::from_millis(50);

/// Tasks before and after an entry.
pub(crate) type Changed = BTreeMap<TaskId, (Option<Task>, Option<Task>)>;

fn not_written(error: &ReadError) -> CommitError {
    CommitError::NotWritten(error.to_string())
}

/// What `entry` makes of the tasks that it changes, each as `find` gives it.
pub(crate) fn fold(
    entry: &Entry,
    mut find: impl FnMut(&TaskId) -> Result<Option<Task>, ReadError>,
) -> Result<Changed, ReadError> {
    let mut tasks = Changed::new();
    for change in &entry.changes {
        let Some(id) = change.task() else { continue };
        if !tasks.contains_key(id) {
            let old = find(id)?;
            let new = match change {
                Change::Added(task) => Some((**task).clone()),
                _ => old.clone(),
            };
            tasks.insert(id.clone(), (old, new));
        }
        let Some((_, new)) = tasks.get_mut(id) else { continue };
        match (change, new.as_mut()) {
            (Change::Archived(_), _) => *new = None,
            (_, Some(task)) => change.apply(task, entry.time),
            (_, None) => {
                return Err(ReadError::Failed(format!("`{id}` would change, which isn't there")));
            }
        }
    }
    Ok(tasks)
}

/// Tasks that others must leave as they are because of what this entry says of others.
fn leaned_on(tasks: &Changed) -> BTreeSet<TaskId> {
    let mut leaned_on = BTreeSet::new();
    for (old, new) in tasks.values() {
        if let Some(new) = new {
            let before = old.as_ref().map(waits_of).unwrap_or_default();
            leaned_on.extend(waits_of(new).difference(&before).copied().cloned());
            if old.is_none() {
                leaned_on.extend(new.after.iter().cloned());
            }
        }
        let family = |task: &Option<Task>| task.as_ref().map(|task| ended(task.status));
        if family(old) != family(new) {
            let task = new.as_ref().or(old.as_ref());
            leaned_on.extend(task.and_then(|task| task.parent.clone()));
        }
    }
    leaned_on
}

impl Tx {
    /// Commits the entry.
    pub(crate) fn commit(&mut self, entry: &Entry) -> Result<Committed, CommitError> {
        self.stage(entry)?;
        self.send()
    }

    /// What is said of an error before anything was sent: others may have what it wanted.
    pub(crate) fn not_committed(&self, error: &ReadError) -> CommitError {
        self.lost().map_or_else(|| not_written(error), CommitError::Lost)
    }

    /// Step 1.
    pub(crate) fn prepare(&mut self, entry: &Entry) -> Result<Changed, ReadError> {
        let ids: BTreeSet<TaskId> =
            entry.changes.iter().filter_map(Change::task).cloned().collect();
        let unread: Vec<TaskId> =
            ids.iter().filter(|id| !self.seen.contains_key(*id)).cloned().collect();
        self.take_over(&unread)?;
        let tasks = fold(entry, |id| Ok(self.seen.get(id).and_then(|seen| seen.task.clone())))?;
        // Those that were only looked at may have to be had alone by now.
        let there: Vec<TaskId> =
            tasks.iter().filter(|(_, (old, _))| old.is_some()).map(|(id, _)| id.clone()).collect();
        self.take_over(&there)?;
        let leaned_on: Vec<TaskId> =
            leaned_on(&tasks).into_iter().filter(|id| !tasks.contains_key(id)).collect();
        self.look_at(&leaned_on)?;
        let remembered = entry.changes.iter().filter_map(|change| match change {
            Change::Remembered { space, key, .. } => Some(memory_cell(*space, key)),
            Change::MetaSet { key, .. } => Some(Cell(format!("meta {key}"))),
            _ => None,
        });
        let remembered: BTreeSet<Cell> = remembered.collect();
        self.hold_alone(remembered.into_iter().collect())?;
        Ok(tasks)
    }

    /// Has the classes of newly ready tasks known to everybody, before any such task is there.
    pub(crate) fn name_classes(&mut self, classes: &[Class]) -> Result<(), ReadError> {
        let ids: Vec<i64> = classes.iter().map(Class::id).collect();
        if self.shared.knows_classes(&ids) {
            return Ok(());
        }
        self.outset.classes = i64::MAX;
        self.all_classes()?;
        if self.shared.knows_classes(&ids) {
            return Ok(());
        }
        // By itself, on a connection of its own: whoever sees the number of a class sees all that have a lower one, and
        // nobody waits for this transaction.
        let rows = ClassRows::of(classes);
        let lock = cell_key(&self.shared, &Cell("classes".into()));
        let calls = [
            Call::of(sql::BEGIN, Vec::new()),
            Call::of(sql::LOCK_ALONE, vec![&lock]),
            Call::of(
                sql::INSERT_CLASSES,
                vec![&rows.ids, &rows.types, &rows.needs, &rows.assignees],
            ),
            Call::of(sql::COMMIT, Vec::new()),
        ];
        self.aside(&calls)?;
        self.all_classes().map(|_| ())
    }

    /// Runs a transaction of its own that may be run twice, beside this one, which waits for it.
    fn aside(&self, calls: &[Call<'_>]) -> Result<(), ReadError> {
        let until = Deadline::now() + FIND_OUT;
        loop {
            let done = Link::connect(&self.shared.address, until)
                .and_then(|mut link| link.pipeline(calls).map(drop));
            match done {
                Ok(()) => return Ok(()),
                Err(error)
                    if (error.is_unreachable() || error.is_lost()) && Deadline::now() < until =>
                {
                    std::thread::sleep(NAP);
                }
                Err(error) => return Err(read_error(&error)),
            }
        }
    }

    /// Steps 2 and 3, for all that was staged. Says which entry the first one is.
    pub(crate) fn send(&mut self) -> Result<Committed, CommitError> {
        let basis = self.outset.basis.clone();
        let policy = basis.policies.leading().digest.short();
        let (staged, lines) = (std::mem::take(&mut self.staged), std::mem::take(&mut self.lines));
        let seed = lines.seeds.first().copied().unwrap_or_default();
        let writes = staged.writes();
        let mut calls = written(&writes, &lines, &policy, &basis.epoch);
        let numbered = calls.len() - 1;
        // After the entries, which go by the epoch that the board's own row is of until then.
        calls.extend(staged.others().calls());
        calls.push(Call::of(sql::COMMIT, Vec::new()));
        let Some(mut link) = self.take_link() else {
            return Err(CommitError::NotWritten("the transaction is over".into()));
        };
        let answered = match lines.are_worth_telling {
            true => link.pipeline_then_forget(&calls, self.shared.notify()),
            false => link.pipeline(&calls),
        };
        match answered {
            Ok(answers) => {
                let row = answers.get(numbered).and_then(|rows| rows.first());
                let sequence = row.map(|row| number(row.get("sequence"))).unwrap_or_default();
                vacuum::after(&self.shared, writes.unready.len());
                Ok(Committed { sequence: Sequence(sequence) })
            }
            Err(
                LinkError::Serialization(_) | LinkError::NotAvailable(_) | LinkError::Unique { .. },
            ) => {
                self.shared.count_conflict();
                Err(CommitError::Conflict)
            }
            // The entry has no number because the board is in another epoch.
            Err(LinkError::Check { constraint, .. }) if constraint.is_empty() => {
                Err(CommitError::Conflict)
            }
            Err(LinkError::Lost(why)) => self.find_out(&link, seed, &why),
            Err(error) => Err(CommitError::NotWritten(error.to_string())),
        }
    }

    /// Step 3.
    fn find_out(&self, link: &Pooled, seed: i64, why: &str) -> Result<Committed, CommitError> {
        let (server, began) = (link.server(), bigint(self.outset.sequence));
        let until = Deadline::now() + FIND_OUT;
        while Deadline::now() < until {
            let Ok(mut fresh) = Link::connect(&self.shared.address, until) else {
                std::thread::sleep(NAP);
                continue;
            };
            // First whether it has ended, then what it left: not the other way round.
            let runs = vec![&server.backend as Param<'_>, &server.backend_started_us];
            let ended = fresh.pipeline(&[Call::of(sql::BACKEND_RUNS, runs)]);
            let found = fresh.pipeline(&[Call::of(sql::ENTRY_OF_SEED, vec![&began, &seed])]);
            let trimmed = fresh.pipeline(&[Call::of(sql::TRIMMED, Vec::new())]);
            let (Ok(ended), Ok(found), Ok(trimmed)) = (ended, found, trimmed) else { continue };
            if let Some(row) = found.first().and_then(|rows| rows.first()) {
                return Ok(Committed { sequence: Sequence(number(row.get("sequence"))) });
            }
            let is_other = fresh.server().started_us != server.started_us;
            let row = trimmed.first().and_then(|rows| rows.first());
            if row.is_some_and(|row| row.get::<_, i64>(0) > began) {
                // Whatever it left may have been removed since.
                break;
            }
            if is_other || ended.first().is_some_and(Vec::is_empty) {
                // It never happened, and never will.
                return Err(CommitError::Conflict);
            }
            std::thread::sleep(NAP);
        }
        Err(CommitError::Unknown(format!("the connection broke before the answer: {why}")))
    }
}

/// What changes tasks, and the entries last.
fn written<'a>(
    writes: &'a Writes,
    lines: &'a Lines,
    policy: &'a String,
    epoch: &'a i64,
) -> Vec<Call<'a>> {
    if let ([at], [seed], [line]) = (&lines.times[..], &lines.seeds[..], &lines.texts[..])
        && let Some(claim) = writes.as_claim()
    {
        let mut params: Vec<Param<'_>> = vec![at, seed, policy, line, epoch];
        params.extend(claim);
        return vec![Call::of(sql::ADD_CLAIM, params)];
    }
    let mut calls = writes.calls();
    let params: Vec<Param<'_>> = vec![&lines.times, &lines.seeds, policy, &lines.texts, epoch];
    calls.push(Call::of(sql::APPEND_ENTRIES, params));
    calls
}
