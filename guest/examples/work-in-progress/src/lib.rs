//! An example policy: at most so many tasks with a label are in progress at a time, as where only one may touch the
//! database. Among those that may be given, the standard order holds.
//!
//! For each label with a limit the policy remembers which tasks it gave. That is a list, not a count: whatever becomes
//! of a task, completed, failed, lost with its holder or taken off the board, the next look at the list sees it.

mod limits;

use limits::{Limit, limits};
use taskhost_sdk::assignment::Answer;
use taskhost_sdk::{
    About, Assignment, Description, Lifecycle, Order, Request, Reservation, Setting, Status,
    StepError, Task, TaskId, Transaction, View, lifecycle, log,
};

const LIMITS: Setting<String> = Setting::text(
    "limits",
    "",
    "How many tasks with a label may be in progress together, as `db:1,gpu:2`.",
);

/// How many ready tasks are looked at for one that has room: more would come near the deadline.
const LOOKED_AT_MAX: usize = 1_024;

struct WorkInProgress;

impl About for WorkInProgress {
    fn describe() -> Description {
        let summary = "No more work in progress with a label than its limit.";
        Description::new("work-in-progress", env!("CARGO_PKG_VERSION"), summary).with(&LIMITS)
    }
}

impl Assignment for WorkInProgress {
    fn choose(view: &View, tx: &Transaction, request: Request) -> Answer {
        let limits = match limits(&LIMITS.get()) {
            Ok(limits) => limits,
            Err(why) => return Answer::Refused(why),
        };
        let full: Vec<&Limit> =
            limits.iter().filter(|limit| held(view, limit).len() >= limit.count).collect();

        let ready = view.candidates(&request.filter, Reservation::Either, Order::Rank);
        let (mut looked_at, mut why) = (0, None);
        while looked_at < LOOKED_AT_MAX {
            let page = ready.next(64);
            if page.is_empty() {
                break;
            }
            looked_at += page.len();
            for task in page {
                let labels = view.get(&task.id).map(|task| task.labels()).unwrap_or_default();
                if let Some(limit) = full.iter().find(|limit| labels.contains(&limit.label)) {
                    let reason = format!("`{}` is at its limit of {}", limit.label, limit.count);
                    // For `explain` and dry runs: the asker is told once, the author of each.
                    log::write(&format!("`{}` is passed over: {reason}", task.id));
                    why.get_or_insert(reason);
                } else if tx.claim(&task.id, request.lease).is_ok() {
                    return match note(view, tx, &limits, &task.id, &labels) {
                        Ok(()) => Answer::Staged,
                        Err(error) => Answer::Refused(error.message().to_owned()),
                    };
                }
            }
        }
        Answer::Nothing(why)
    }
}

impl Lifecycle for WorkInProgress {
    /// A task in progress that is given a label with a limit counts from now on; where there is no room, it goes back.
    fn on_event(
        view: &View,
        tx: &Transaction,
        task: &Task,
        event: String,
        _detail: String,
    ) -> lifecycle::Answer {
        let limits = match limits(&LIMITS.get()) {
            Ok(limits) if event == "updated" && task.status() == Status::InProgress => limits,
            _ => return lifecycle::Answer::Standard,
        };
        let (id, labels) = (task.summary().id, task.labels());
        let is_full = |limit: &Limit| {
            let held = held(view, limit);
            labels.contains(&limit.label) && !held.contains(&id) && held.len() >= limit.count
        };
        let done = if limits.iter().any(is_full) {
            tx.release(&id, None)
        } else {
            note(view, tx, &limits, &id, &labels)
        };
        match done {
            Ok(()) => lifecycle::Answer::Standard,
            Err(error) => lifecycle::Answer::Refused(error.message().to_owned()),
        }
    }
}

/// The tasks with this label that were given and are still in progress.
fn held(view: &View, limit: &Limit) -> Vec<TaskId> {
    let remembered = view.recall(&limit.key()).unwrap_or_default();
    let is_held = |id: &&str| {
        let task = view.get(id).filter(|task| task.status() == Status::InProgress);
        task.is_some_and(|task| task.labels().contains(&limit.label))
    };
    String::from_utf8_lossy(&remembered).lines().filter(is_held).map(str::to_owned).collect()
}

/// Remembers that a task with these labels is in progress.
fn note(
    view: &View,
    tx: &Transaction,
    limits: &[Limit],
    id: &TaskId,
    labels: &[String],
) -> Result<(), StepError> {
    for limit in limits.iter().filter(|limit| labels.contains(&limit.label)) {
        let mut held = held(view, limit);
        if !held.contains(id) {
            held.push(id.clone());
            tx.remember(&limit.key(), Some(held.join("\n").as_bytes()))?;
        }
    }
    Ok(())
}

taskhost_sdk::policy!(WorkInProgress: assignment, lifecycle);
