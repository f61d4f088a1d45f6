//! Examining a board: whether what follows from its tasks is what its tables say.

use std::collections::BTreeSet;
use std::time::Instant as Deadline;

use taskhost_board::{BeginError, ReadError, Task};

use crate::begin;
use crate::link::{Call, Row};
use crate::rows::{Writes, bigint, ended, task_of};
use crate::sql;
use crate::store::PostgresStore;
use crate::tx::Tx;

/// How many tasks are examined at a time.
const PAGE: i64 = 1_000;

/// What is derived from tasks, a line for each row.
type Lines = BTreeSet<String>;

/// The rows that these tasks should have.
fn expected(tasks: &[Task]) -> Lines {
    let mut writes = Writes::default();
    for task in tasks {
        writes.replace(None, Some(task));
    }
    let mut lines = Lines::new();
    let Writes { ready, claims, timers, waits, dependents, .. } = &writes;
    for (n, task) in ready.tasks.iter().enumerate() {
        let place = hex(&ready.places[n]);
        let labels = ready.labels[n].replace('\u{1f}', ",");
        let (class, born) = (ready.classes[n], ready.born[n]);
        lines.insert(format!("ready {task} {class} {place} {born} {labels}"));
    }
    for (n, task) in claims.tasks.iter().enumerate() {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
        let (token, agent, end) = (claims.tokens[n], &claims.agents[n], claims.ends[n]);
        let (session, process) = (text(&claims.sessions[n]), text(&claims.processes[n]));
        lines.insert(format!("claims {task} {token} {agent} {session} {process} {end}"));
    }
    for (task, at) in timers.0.iter().zip(&timers.1) {
        lines.insert(format!("timers {task} {at}"));
    }
    for (on, task) in waits.0.iter().zip(&waits.1) {
        lines.insert(format!("waits {task} {on}"));
    }
    for (on, task) in dependents.0.iter().zip(&dependents.1) {
        lines.insert(format!("dependents {task} {on}"));
    }
    lines
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lines(rows: &[Row]) -> impl Iterator<Item = String> {
    rows.iter().map(|row| row.get::<_, String>(0))
}

/// Whether the row of a task says what its body does.
fn differs(row: &Row, task: &Task) -> bool {
    row.get::<_, &str>("status") != task.status.as_str()
        || row.get::<_, i16>("ended") != ended(task.status)
        || row.get::<_, Option<i32>>("rank") != task.ready_rank()
        || row.get::<_, Option<&str>>("parent") != task.parent.as_ref().map(|id| id.as_str())
        || row.get::<_, Option<i64>>("token")
            != task.claim.as_ref().map(|claim| bigint(claim.token.0))
}

fn examine(tx: &mut Tx) -> Result<Vec<String>, ReadError> {
    let mut found = Vec::new();
    let mut past: i64 = -1;
    loop {
        let rows = tx.rows(Call::of(sql::TASKS_TO_EXAMINE, vec![&past, &PAGE]))?;
        let Some(last) = rows.last() else { break };
        past = last.get("born");
        let (mut tasks, mut ids) = (Vec::new(), Vec::new());
        for row in &rows {
            let id: String = row.get("id");
            match task_of(row.get("body"), row.get("data"), row.get("result")) {
                Ok(task) => {
                    if differs(row, &task) || task.id.as_str() != id {
                        found.push(format!("the row of `{id}` isn't what its body says"));
                    }
                    tasks.push(task);
                }
                Err(error) => found.push(format!("`{id}`: {error}")),
            }
            ids.push(id);
        }
        let derived = tx.rows(Call::of(sql::DERIVED, vec![&ids]))?;
        let (wanted, there) = (expected(&tasks), lines(&derived).collect::<Lines>());
        let lacking = wanted.difference(&there).map(|line| format!("there is no row `{line}`"));
        let excess = there.difference(&wanted).map(|line| format!("nothing says `{line}`"));
        found.extend(lacking.chain(excess));
    }
    let orphans = tx.rows(Call::of(sql::ORPHANS, Vec::new()))?;
    found.extend(lines(&orphans).map(|line| format!("`{line}` is of a task that isn't there")));
    Ok(found)
}

impl PostgresStore {
    /// What is wrong with how the board is kept: nothing, unless somebody has changed its tables by hand, or there is a
    /// bug. Reads everything, at one instant.
    pub fn examine(&self) -> Result<Vec<String>, BeginError> {
        let mut tx = begin::look(&self.shared, Deadline::now() + self.shared.lock_wait)?;
        Ok(examine(&mut tx)?)
    }
}
