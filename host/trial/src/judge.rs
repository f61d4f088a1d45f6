//! Whether what came is what was expected.

use taskhost_board::{ReadError, Readiness, Task};

use crate::scenario::{Expected, State, TaskState};
use crate::world::{Came, World};

/// What is wrong with what came of a step; nothing if nothing is.
pub(crate) fn came(expected: Option<&Expected>, came: &Came) -> Option<String> {
    let has = |found: &str, text: &Option<String>| {
        text.as_ref().is_none_or(|text| found.contains(text.as_str()))
    };
    let is_so = match (expected, came) {
        // Whatever it decides, a policy must not fail, and steps must be possible.
        (None, Came::Failed(_) | Came::Error(_)) => false,
        (Some(Expected::Anything), came) => !matches!(came, Came::Failed(_)),
        (None, _) => true,
        (Some(Expected::Task(id)), Came::Given(given)) => id == given,
        (Some(Expected::Something), Came::Given(_)) => true,
        (Some(Expected::Nothing { why, text }), Came::Nothing { why: found, text: said }) => {
            why.is_none_or(|why| why == *found) && has(said.as_deref().unwrap_or(""), text)
        }
        (Some(Expected::Status(status)), Came::Status(found)) => status == found,
        (Some(Expected::Refused(text)), Came::Refused(said)) => has(said, text),
        (Some(Expected::Error(text)), Came::Error(said)) => has(said, text),
        _ => false,
    };
    (!is_so).then(|| shown(came))
}

/// What is wrong with the board; nothing if nothing is.
pub(crate) fn holds(state: &State, world: &World) -> Result<Option<String>, ReadError> {
    match state {
        State::Claims { agent, count } => {
            let held = world.claims_held(agent)?;
            Ok((held != *count).then(|| format!("`{agent}` holds {held}")))
        }
        State::Given { agent, between: (least, most) } => {
            let given = world.given.get(agent).copied().unwrap_or_default();
            Ok((!(*least..=*most).contains(&given)).then(|| format!("`{agent}` was given {given}")))
        }
        State::Task { id, is } => Ok(match (world.task(id)?, is) {
            (None, TaskState::Gone) => None,
            (None, _) => Some(format!("there is no task `{id}`")),
            (Some(task), is) => {
                let now = world.now()?;
                (!is_in(&task, is, now)).then(|| standing(&task, now))
            }
        }),
    }
}

fn is_in(task: &Task, is: &TaskState, now: u64) -> bool {
    let has = |found: &str, text: &Option<String>| {
        text.as_ref().is_none_or(|text| found.contains(text.as_str()))
    };
    match (is, &task.readiness) {
        (TaskState::Status(status), _) => task.status == *status,
        (TaskState::Held(agent), _) => {
            task.claim.as_ref().is_some_and(|claim| claim.agent == *agent)
        }
        (TaskState::Ready(rank), _) => {
            task.ready_rank().is_some_and(|found| rank.is_none_or(|rank| rank == found))
        }
        (TaskState::Lease(ms), _) => {
            task.claim.as_ref().is_some_and(|claim| claim.lease.until.0 == now.saturating_add(*ms))
        }
        (TaskState::Attempts(count), _) => task.attempts == *count,
        (TaskState::Reason(text), _) => task.reason.as_ref().is_some_and(|why| why.contains(text)),
        (TaskState::Gone, _) => false,
        (_, _) if task.status != taskhost_board::Status::Pending => false,
        (TaskState::Waiting(ids), Readiness::Waiting { on, .. }) => {
            let (mut ids, mut on) = (ids.clone(), on.clone());
            ids.sort_unstable();
            on.sort_unstable();
            ids == on
        }
        (TaskState::Until(after), Readiness::Until(at)) => {
            after.is_none_or(|after| at.0 == now.saturating_add(after))
        }
        (TaskState::Never(text), Readiness::Never(why)) => has(why, text),
        _ => false,
    }
}

/// What came of a step, for people.
pub(crate) fn shown(came: &Came) -> String {
    let said = |text: &Option<String>| {
        text.as_ref().map(|text| format!(", and said: {text}")).unwrap_or_default()
    };
    match came {
        Came::Given(id) => format!("it gave `{id}`"),
        Came::Nothing { why, text } => {
            format!("it gave nothing (`{}`){}", why.as_str(), said(text))
        }
        Came::Status(status) => format!("the task is {status}"),
        Came::Done => "it was done".into(),
        Came::Refused(why) => format!("the policy refused: {why}"),
        Came::Failed(why) => format!("the policy failed: {why}"),
        Came::Error(why) => format!("it can't be done: {why}"),
    }
}

/// Where a task stands, for people.
fn standing(task: &Task, now: u64) -> String {
    let more = match (&task.claim, &task.readiness) {
        (Some(claim), _) => {
            let lease = claim.lease.until.0.saturating_sub(now);
            let lease = taskhost_board::quantity::show_duration(lease);
            format!(", held by `{}` for {lease}", claim.agent)
        }
        (None, _) if task.status != taskhost_board::Status::Pending => {
            task.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
        }
        (None, Readiness::Unasked) => ", and not asked about yet".into(),
        (None, Readiness::Ready(rank)) => format!(", and ready with rank {rank}"),
        (None, Readiness::Waiting { on, why }) => {
            let on: Vec<String> = on.iter().map(|id| format!("`{id}`")).collect();
            let why = why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            format!(", and waits for {}{why}", on.join(", "))
        }
        (None, Readiness::Until(at)) => format!(", and waits until {}", taskhost_wire::time(*at)),
        (None, Readiness::Never(why)) => format!(", and is never offered: {why}"),
    };
    format!("`{}` is {}{more}, after {} attempts", task.id, task.status, task.attempts)
}
