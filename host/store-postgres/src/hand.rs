//! Tasks that people and programs lock by hand: advisory locks of connections that are kept for them.

use std::sync::Arc;
use std::time::{Duration, Instant as Deadline};

use taskhost_board::{BeginError, ReadError, TaskId};

use crate::link::{Call, LinkError};
use crate::powers::SessionLock;
use crate::shared::{Inside, Shared, read_error};
use crate::sql;

/// How long between two looks at a task that somebody has locked.
const NAP: Duration = Duration::from_millis(20);

/// Whether this task is locked by hand around this process: the lock may be lost since it began, with its connection.
fn is_around(shared: &Shared, task: &TaskId) -> Result<bool, ReadError> {
    let Some((key, backend)) = shared.hand_around(task) else { return Ok(false) };
    let held = Call::of(sql::IS_HELD_BY, vec![&key, &backend]);
    let rows = shared.ask(&[held], Deadline::now() + shared.lock_wait)?;
    Ok(rows.first().is_some_and(|rows| !rows.is_empty()))
}

/// Who has locked a task by hand, if anybody has beside those around this process.
pub(crate) fn holder(shared: &Shared, task: &TaskId) -> Result<Option<String>, ReadError> {
    if is_around(shared, task)? {
        return Ok(None);
    }
    let deadline = Deadline::now() + shared.lock_wait;
    let name = task.as_str();
    let call = Call::of(sql::HAND_HOLDER, vec![&name, &shared.hand_seed]);
    let rows = shared.ask(&[call], deadline)?;
    Ok(rows.first().and_then(|rows| rows.first()).map(|row| row.get("application_name")))
}

fn failed(error: &LinkError) -> BeginError {
    BeginError::Read(read_error(error))
}

/// Waits until nobody has locked this task by hand.
pub(crate) fn wait_for_task(
    shared: &Arc<Shared>,
    task: &TaskId,
    deadline: Deadline,
) -> Result<(), BeginError> {
    let began = Deadline::now();
    loop {
        let Some(holder) = holder(shared, task)? else { return Ok(()) };
        if Deadline::now() >= deadline {
            return Err(BeginError::Timeout { waited: began.elapsed(), holder: Some(holder) });
        }
        std::thread::sleep(NAP);
    }
}

/// Locks a task until the guard is dropped.
pub(crate) fn hold(
    shared: &Arc<Shared>,
    task: &TaskId,
    deadline: Deadline,
) -> Result<SessionLock, BeginError> {
    let began = Deadline::now();
    let name = task.as_str();
    let call = Call::of(sql::HAND_KEY, vec![&name, &shared.hand_seed]);
    let rows = shared.ask(&[call], deadline)?;
    let key = rows.first().and_then(|rows| rows.first()).map(|row| row.get(0)).unwrap_or_default();
    match SessionLock::take(shared, vec![key], deadline).map_err(|error| failed(&error))? {
        Some(lock) => Ok(lock),
        None => {
            let holder = holder(shared, task)?;
            Err(BeginError::Timeout { waited: began.elapsed(), holder })
        }
    }
}

/// Looks which of the locks that the environment names are held around this process indeed: for those it doesn't wait.
pub(crate) fn find_inherited(shared: &Shared) -> Result<(), ReadError> {
    let mut inside = Inside::default();
    for entry in shared.inherited.entries() {
        let Some((what, marker)) = entry.split_once("=postgres/") else { continue };
        let Some((number, backend)) = marker.split_once('/') else { continue };
        let (Ok(number), Ok(backend)) = (u64::from_str_radix(number, 16), backend.parse::<i32>())
        else {
            continue;
        };
        let number = number.cast_signed();
        let deadline = Deadline::now() + shared.lock_wait;
        let held = Call::of(sql::IS_HELD_BY, vec![&number, &backend]);
        if shared.ask(&[held], deadline)?.first().is_none_or(Vec::is_empty) {
            continue;
        }
        match what.strip_prefix("task:").map(TaskId::new) {
            Some(Ok(id)) => _ = inside.tasks.insert(id, (number, backend)),
            Some(Err(_)) => {}
            None => inside.boards += u32::from(number == shared.board_lock_inside(inside.boards)),
        }
    }
    shared.set_inside(inside);
    Ok(())
}
