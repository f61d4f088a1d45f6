//! Switching a board to other policies while others go on working.
//!
//! 1. At an instant at which no transaction was open, a snapshot is taken; the new policy is asked about its pending
//!    tasks, while others work by the old one.
//! 2. Alone with the board: the answers are written down for the tasks that nobody has changed meanwhile. Those that
//!    somebody has are marked as unasked, and whatever the new policy lets wait on one that ended is woken: the
//!    transactions after the switch take these in batches, as always.
//! 3. The entry that sets the policies begins another epoch: no transaction commits that was decided by the old ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant as Deadline;

use parking_lot::Mutex;
use taskhost_board::{
    Aim, Ask, BeginError, Change, CommitError, Committed, Digest, Entry, PolicySet, ReadError,
    Readiness, Sequence, Status, SwitchError, SwitchPlan, TaskId,
};

use crate::begin;
use crate::history;
use crate::link::{Call, Link, LinkError};
use crate::rows::{Writes, bigint, number};
use crate::shared::{Shared, read_error};
use crate::sql;
use crate::tx::Tx;
use crate::view::{TxView, task_id};

/// How many tasks are asked about, and written, at a time.
const PAGE: usize = 1_000;

/// Answers of the new policy where they differ from those of the old one.
type Answers = BTreeMap<TaskId, Readiness>;

fn lost(error: LinkError) -> SwitchError {
    BeginError::Read(read_error(&error)).into()
}

fn unread(error: ReadError) -> SwitchError {
    BeginError::Read(error).into()
}

/// Refuses a plan that was made for other policies than those that are set now.
fn check(plan: &SwitchPlan, now: &PolicySet) -> Result<(), SwitchError> {
    let found = now.leading().digest;
    match plan.expect {
        Some(expected) if expected != found => Err(SwitchError::Changed { found, expected }),
        _ if plan.derived_from != *now => Err(SwitchError::Moved),
        _ => Ok(()),
    }
}

/// Keeps a component, which the board may have already.
pub(crate) fn put_component(
    link: &mut Link,
    digest: Digest,
    content: &[u8],
) -> Result<(), LinkError> {
    let digest = digest.to_string();
    link.pipeline(&[Call::of(sql::PUT_COMPONENT, vec![&digest, &content])]).map(|_| ())
}

/// Sets the board's policies.
pub(crate) fn switch(
    shared: &Arc<Shared>,
    plan: SwitchPlan,
    ask: &mut Ask<'_>,
    deadline: Deadline,
) -> Result<Committed, SwitchError> {
    let (tx, from) = instant(shared, deadline)?;
    check(&plan, &tx.outset.basis.policies)?;
    let mut link = shared.link_aside(deadline).map_err(lost)?;
    for (digest, content) in &plan.components {
        put_component(&mut link, *digest, content).map_err(lost)?;
    }
    shared.put_aside(link);
    let answers = asked(tx, ask)?;
    let mut aim = Aim { alone: true, ..Aim::default() };
    loop {
        let mut tx = begin::begin(shared, &aim, deadline)?;
        match settle(&mut tx, &plan, from, &answers) {
            Ok(committed) => return Ok(committed),
            // Somebody who is about to find that the board isn't free has a task nevertheless, for a moment.
            Err(error) => aim.lost.extend(tx.lost().ok_or(error)?),
        }
    }
}

/// Steps 2 and 3.
fn settle(
    tx: &mut Tx,
    plan: &SwitchPlan,
    from: Sequence,
    answers: &Answers,
) -> Result<Committed, SwitchError> {
    check(plan, &tx.outset.basis.policies)?;
    let (touched, moved) = changed_since(&tx.shared.clone(), from)?;
    write(tx, answers, &touched).map_err(unread)?;
    let entry = entry(tx, plan, touched, moved).map_err(unread)?;
    match tx.commit(&entry) {
        // Nobody else was there, so the connection was lost before anything came of it.
        Err(CommitError::Conflict) if tx.lost().is_none() => Err(SwitchError::Moved),
        committed => Ok(committed?),
    }
}

/// Step 1: the board at an instant, and the last entry before it. Nobody was at any other.
pub(crate) fn instant(
    shared: &Arc<Shared>,
    deadline: Deadline,
) -> Result<(Tx, Sequence), SwitchError> {
    let lock = crate::powers::SessionLock::take(shared, shared.board_locks_alone(), deadline);
    let Some(lock) = lock.map_err(lost)? else {
        let waited = deadline.saturating_duration_since(Deadline::now());
        return Err(BeginError::Timeout { waited, holder: begin::holder(shared) }.into());
    };
    let mut tx = begin::look(shared, deadline)?;
    let rows = tx.rows(Call::of(sql::LAST_ENTRY, Vec::new())).map_err(unread)?;
    drop(lock);
    let last = rows.first().map(|row| number(row.get(0))).unwrap_or_default();
    Ok((tx, Sequence(last)))
}

fn asked(tx: Tx, ask: &mut Ask<'_>) -> Result<Answers, SwitchError> {
    let now = tx.outset.now.clone();
    let tx = Arc::new(Mutex::new(tx));
    let mut answers = Answers::new();
    let mut past: i64 = -1;
    loop {
        let limit = PAGE as i64;
        let rows =
            tx.lock().rows(Call::of(sql::PENDING_PAST, vec![&past, &limit])).map_err(unread)?;
        let Some(last) = rows.last() else { return Ok(answers) };
        past = last.get("born");
        let ids: Result<Vec<TaskId>, _> = rows.iter().map(|row| task_id(row.get("id"))).collect();
        let ids = ids.map_err(unread)?;
        tx.lock().look_at(&ids).map_err(unread)?;
        let given =
            ask(Box::new(TxView(tx.clone())), now.clone(), ids).map_err(SwitchError::Asking)?;
        let mut tx = tx.lock();
        for (id, readiness) in given {
            let readiness = readiness.unwrap_or(Readiness::Unasked);
            let was = tx.seen.get(&id).and_then(|seen| seen.task.as_ref());
            if was.is_some_and(|task| task.readiness != readiness) {
                answers.insert(id, readiness);
            }
        }
        // Of a million tasks, only those of a page.
        tx.seen.clear();
    }
}

/// Which tasks were changed since, and which of them so that others that wait for them are asked about again.
pub(crate) fn changed_since(
    shared: &Arc<Shared>,
    from: Sequence,
) -> Result<(BTreeSet<TaskId>, BTreeSet<TaskId>), SwitchError> {
    let (mut touched, mut moved) = (BTreeSet::new(), BTreeSet::new());
    history::lines(shared, from, &mut |line| {
        for change in line.entry.iter().flat_map(|entry| &entry.changes) {
            let Some(id) = change.task() else { continue };
            touched.insert(id.clone());
            if change.wakes_waiters() {
                moved.insert(id.clone());
            }
        }
        true
    })
    .map_err(unread)?;
    // Looked at last: what is removed meanwhile was read, or is missed here.
    if history::trimmed(shared).map_err(unread)? > bigint(from.0) {
        return Err(SwitchError::Moved);
    }
    Ok((touched, moved))
}

/// Step 2.
fn write(tx: &mut Tx, answers: &Answers, touched: &BTreeSet<TaskId>) -> Result<(), ReadError> {
    let ids: Vec<TaskId> = answers.keys().filter(|id| !touched.contains(*id)).cloned().collect();
    for ids in ids.chunks(PAGE) {
        tx.take_over(ids)?;
        let mut writes = Writes::default();
        for id in ids {
            let Some(old) = tx.seen.remove(id).and_then(|seen| seen.task) else { continue };
            let Some(readiness) = answers.get(id) else { continue };
            let new = taskhost_board::Task { readiness: readiness.clone(), ..old.clone() };
            writes.replace(Some(&old), Some(&new));
        }
        tx.name_classes(&writes.classes)?;
        tx.run(&writes.calls())?;
    }
    Ok(())
}

/// Step 3.
fn entry(
    tx: &mut Tx,
    plan: &SwitchPlan,
    touched: BTreeSet<TaskId>,
    moved: BTreeSet<TaskId>,
) -> Result<Entry, ReadError> {
    let mut changes = vec![Change::PoliciesSet(Box::new(plan.policies.clone()))];
    let touched: Vec<TaskId> = touched.into_iter().collect();
    tx.take_over(&touched)?;
    for id in touched {
        let task = tx.seen.get(&id).and_then(|seen| seen.task.as_ref());
        if task.is_some_and(|task| task.status == Status::Pending) {
            changes.push(Change::Answered { id, readiness: Readiness::Unasked });
        }
    }
    changes.extend(moved.into_iter().map(|on| Change::Wake { on, past: None }));
    let seed = crate::random();
    Ok(Entry { time: tx.outset.now.wall, request: plan.request.clone(), seed, changes })
}
