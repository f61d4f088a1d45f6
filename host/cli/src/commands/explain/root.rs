//! Where a task's waiting begins: a task that itself waits for none, and what stands in its way.

use taskhost::{Readiness, Status, Task, wire};

use super::quoted;

/// What holds the task up, as a part of a sentence, as in `which failed: no disk`.
pub fn in_words(task: &Task) -> String {
    let because =
        |why: &Option<String>| why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    match task.status {
        Status::Completed => "which is completed".into(),
        Status::Failed if task.error.is_some() => format!("which failed{}", because(&task.error)),
        Status::Failed => format!("which failed{}", because(&task.reason)),
        Status::Cancelled => format!("which was cancelled{}", because(&task.reason)),
        Status::InReview => match &task.closed {
            Some(closed) => {
                format!("which `{}` completed, and which waits to be accepted", closed.agent)
            }
            None => "which was completed, and waits to be accepted".into(),
        },
        Status::Blocked => format!("which is parked{}", because(&task.reason)),
        Status::InProgress => task.claim.as_ref().map_or_else(
            || "which somebody works on".into(),
            |claim| {
                let until = wire::time(claim.lease.until);
                format!("which `{}` holds, with a lease until {until}", claim.agent)
            },
        ),
        Status::Pending => pending(task),
    }
}

fn pending(task: &Task) -> String {
    match &task.readiness {
        Readiness::Ready(_) => {
            let mut text = match &task.assignee {
                Some(who) => format!("which is ready, and reserved for `{}`", who.name),
                None => "which is ready, and nobody has claimed it".into(),
            };
            if !task.needs.is_empty() {
                text.push_str(&format!("; it needs an agent capable of {}", quoted(&task.needs)));
            }
            text
        }
        Readiness::Until(time) => format!("whose time comes at {}", wire::time(*time)),
        Readiness::Never(reason) => format!("which the policy doesn't offer: {reason}"),
        Readiness::Waiting { .. } => "which waits".into(),
        Readiness::Unasked => "which the policy is still to be asked about".into(),
    }
}

#[cfg(test)]
mod tests {
    use taskhost::{Millis, Name};

    use super::*;
    use taskhost_answers::sample;

    #[track_caller]
    fn check(edit: impl FnOnce(&mut Task), kind: &str, text: &str) {
        let mut task = Task { claim: None, status: Status::Pending, ..sample::task() };
        edit(&mut task);
        assert_eq!(in_words(&task), text);
        let json = taskhost_answers::root(&task);
        assert_eq!((&json["id"], &json["kind"]), (&"build_1".into(), &kind.into()), "{json}");
    }

    #[test]
    fn every_beginning_has_a_word_and_a_reason() {
        check(
            |task| (task.status, task.error) = (Status::Failed, Some("no disk".into())),
            "finished",
            "which failed: no disk",
        );
        check(
            |task| (task.status, task.reason) = (Status::Blocked, Some("which key?".into())),
            "blocked",
            "which is parked: which key?",
        );
        check(
            |task| *task = sample::task(),
            "claimed",
            "which `alice` holds, with a lease until 1970-01-01T00:00:01.000Z",
        );
        check(|_| {}, "ready", "which is ready, and nobody has claimed it");
        check(
            |task| task.needs = vec![Name::new("gpu").unwrap()],
            "ready",
            "which is ready, and nobody has claimed it; it needs an agent capable of `gpu`",
        );
        check(
            |task| task.readiness = Readiness::Until(Millis(0)),
            "until",
            "whose time comes at 1970-01-01T00:00:00.000Z",
        );
    }
}
