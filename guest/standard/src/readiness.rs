//! When may a task be claimed? Once everything it waits for is completed, and not before its time.
//!
//! It waits for its dependencies, and, as the setting `parent` says, for its parent or its children.

use crate::Standard;
use crate::settings::{Cascade, ParentRule};
use taskhost_sdk::readiness::{Answer, Wait};
use taskhost_sdk::{Family, Millis, Readiness, Status, Task, TaskId, View, clock};

/// How many tasks an answer may name. Naming some of them is enough: when one of these changes, the task
/// is asked about again, and then names the next.
const NAMED_MAX: u32 = 64;

impl Readiness for Standard {
    fn classify(view: &View, task: &Task) -> Answer {
        match unfinished(view, task, ParentRule::get()) {
            Err(missing) => Answer::Never(format!("`{missing}` isn't on the board any more")),
            Ok(waits_for) => decide(&waits_for, Cascade::get(), task.not_before(), clock::now()),
        }
    }
}

/// Something that must be completed first, and isn't.
#[derive(Debug, Clone, PartialEq)]
struct Unfinished {
    id: TaskId,
    status: Status,
    relation: Relation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Dependency,
    Parent,
    Child,
}

/// What the task waits for; or the id of something that can't be found, and so never will be completed.
fn unfinished(view: &View, task: &Task, rule: ParentRule) -> Result<Vec<Unfinished>, TaskId> {
    let mut ids: Vec<_> =
        task.dependencies().into_iter().map(|id| (id, Relation::Dependency)).collect();
    match rule {
        ParentRule::ParentFirst => ids.extend(task.parent().map(|id| (id, Relation::Parent))),
        ParentRule::ChildrenFirst => {
            // A parent may have very many children: no more are read than can be named.
            for family in [Family::Unsuccessful, Family::Open] {
                let children = task.children(family, None, NAMED_MAX);
                ids.extend(children.into_iter().map(|id| (id, Relation::Child)));
            }
        }
        ParentRule::Independent => {}
    }

    let mut found = Vec::new();
    for (id, relation) in ids {
        let Some(other) = view.get(&id) else { return Err(id) };
        let status = other.status();
        if status != Status::Completed {
            found.push(Unfinished { id, status, relation });
        }
    }
    Ok(found)
}

fn decide(
    waits_for: &[Unfinished],
    cascade: Cascade,
    not_before: Option<Millis>,
    now: Millis,
) -> Answer {
    let (lost, open): (Vec<_>, Vec<_>) =
        waits_for.iter().partition(|other| other.status.is_unsuccessful());

    if let Some(first) = lost.first() {
        let why = explain(first, lost.len() - 1);
        return match cascade {
            Cascade::Cancel => Answer::Cancel(why),
            // What was lost is named first, so that its retry is noticed.
            Cascade::Block => wait(lost.iter().chain(&open), Some(why)),
        };
    }
    if !open.is_empty() {
        return wait(open.iter(), None);
    }
    match not_before {
        Some(time) if time > now => Answer::Until(time),
        _ => Answer::Ready(0),
    }
}

fn wait<'a>(on: impl Iterator<Item = &'a &'a Unfinished>, why: Option<String>) -> Answer {
    let on = on.take(NAMED_MAX as usize).map(|other| other.id.clone()).collect();
    Answer::Waiting(Wait { on, why })
}

/// As in "`build`, which it comes after, is failed, and 2 more".
fn explain(lost: &Unfinished, more: usize) -> String {
    let (id, status) = (&lost.id, lost.status.word());
    let mut why = match lost.relation {
        Relation::Dependency => format!("`{id}`, which it comes after, is {status}"),
        Relation::Parent => format!("its parent `{id}` is {status}"),
        Relation::Child => format!("its child `{id}` is {status}"),
    };
    if more > 0 {
        why.push_str(&format!(", and {more} more"));
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_000;

    fn after(id: &str, status: Status) -> Unfinished {
        Unfinished { id: id.to_owned(), status, relation: Relation::Dependency }
    }

    #[test]
    fn nothing_to_wait_for_is_ready_once_its_time_has_come() {
        assert_eq!(decide(&[], Cascade::Block, None, NOW), Answer::Ready(0));
        assert_eq!(decide(&[], Cascade::Block, Some(NOW), NOW), Answer::Ready(0));
        assert_eq!(decide(&[], Cascade::Block, Some(NOW + 1), NOW), Answer::Until(NOW + 1));
    }

    #[test]
    fn what_failed_is_named_with_its_status_and_before_what_is_open() {
        let waits_for = [after("a", Status::Pending), after("b", Status::Failed)];

        let why = "`b`, which it comes after, is failed".to_owned();
        assert_eq!(
            decide(&waits_for, Cascade::Block, None, NOW),
            Answer::Waiting(Wait {
                on: vec!["b".to_owned(), "a".to_owned()],
                why: Some(why.clone())
            })
        );
        assert_eq!(decide(&waits_for, Cascade::Cancel, None, NOW), Answer::Cancel(why));
    }

    /// The host refuses an answer that names more than 64 tasks.
    #[test]
    fn of_very_many_dependencies_the_first_64_are_named() {
        let waits_for: Vec<_> =
            (0..1_000).map(|n| after(&format!("t{n}"), Status::InProgress)).collect();

        let Answer::Waiting(wait) = decide(&waits_for, Cascade::Block, None, NOW) else {
            panic!("it waits");
        };
        assert_eq!((wait.on.len(), wait.on[63].as_str(), wait.why), (64, "t63", None));
    }
}
