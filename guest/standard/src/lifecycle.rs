//! What follows from what happened? What is completed may have to be reviewed first; a failure may be retried; a parent whose children come first isn't
//! completed before them, and what would make both wait for ever is refused. Everything else is accepted as it is.

use std::iter;

use crate::Standard;
use crate::settings::{self, ParentRule};
use taskhost_sdk::lifecycle::Answer;
use taskhost_sdk::{
    DurationMs, Family, Lifecycle, Millis, Status, Task, TaskId, Transaction, View, clock,
};

/// How far up a new task's ancestors are followed: as far as the hook's deadline surely allows.
const ANCESTORS_MAX: usize = 1_000;

impl Lifecycle for Standard {
    fn on_event(
        view: &View,
        _: &Transaction,
        task: &Task,
        event: String,
        _detail: String,
    ) -> Answer {
        match event.as_str() {
            // The host itself asks about the parent again: a step here for each of very many children would go over
            // the bound on steps.
            "created" => no_circle(view, task),
            "completed" => match finished(task) {
                Answer::Accept if settings::is_reviewed(|| task.labels()) => Answer::Review,
                answer => answer,
            },
            "reviewed" => finished(task),
            "failed" => failed(task),
            _ => Answer::Accept,
        }
    }
}

/// A task that comes after its own ancestor, which waits for it in turn, would wait for ever.
fn no_circle(view: &View, task: &Task) -> Answer {
    if ParentRule::get() != ParentRule::ChildrenFirst {
        return Answer::Accept;
    }
    let after = task.dependencies();
    if after.is_empty() {
        return Answer::Accept;
    }
    // Of what is completed already nobody waits for anything any more.
    let waits = |id: &TaskId| view.get(id).is_some_and(|task| task.status() != Status::Completed);
    let found = ancestors(task.parent(), |id| view.get(id)?.parent())
        .find(|id| after.contains(id) && waits(id));
    match found {
        None => Answer::Accept,
        Some(ancestor) => Answer::Refused(format!(
            "it would come after `{ancestor}`, which is above it and under `parent=children-first` can't be completed \
             before it: both would wait for ever"
        )),
    }
}

/// The parent, its parent, and so on.
fn ancestors(
    parent: Option<TaskId>,
    parent_of: impl Fn(&TaskId) -> Option<TaskId>,
) -> impl Iterator<Item = TaskId> {
    iter::successors(parent, move |id| parent_of(id)).take(ANCESTORS_MAX)
}

fn finished(task: &Task) -> Answer {
    let waits_for_children = ParentRule::get() == ParentRule::ChildrenFirst
        && matches!(task.status(), Status::Completed | Status::InReview);
    if !waits_for_children {
        return Answer::Accept;
    }
    match task.children(Family::Open, None, 1).first() {
        None => Answer::Accept,
        Some(child) => Answer::Refused(format!("its child `{child}` is still open")),
    }
}

fn failed(task: &Task) -> Answer {
    let history = History { failures: task.failures(), attempts: task.summary().attempts };
    let rules = RetryRules {
        retries: settings::RETRIES.get(),
        backoff: settings::BACKOFF.get(),
        max_attempts: settings::max_attempts(),
    };
    after_failure(history, rules, clock::now())
}

/// What a task has behind it, the attempt that just failed included.
#[derive(Clone, Copy)]
struct History {
    failures: u32,
    attempts: u32,
}

#[derive(Clone, Copy)]
struct RetryRules {
    retries: i64,
    backoff: DurationMs,
    max_attempts: Option<u32>,
}

fn after_failure(history: History, rules: RetryRules, now: Millis) -> Answer {
    let is_forgiven = i64::from(history.failures) <= rules.retries;
    let has_attempts_left = rules.max_attempts.is_none_or(|max| history.attempts < max);
    if !(is_forgiven && has_attempts_left) {
        return Answer::Accept;
    }
    match rules.backoff.saturating_mul(history.failures.into()) {
        0 => Answer::Retry(None),
        pause => Answer::Retry(Some(now.saturating_add(pause))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_000;

    fn after(failures: u32, attempts: u32, rules: RetryRules) -> Answer {
        after_failure(History { failures, attempts }, rules, NOW)
    }

    /// A child that came after its own ancestor was accepted, and both waited for ever; finding it must end, whatever
    /// stands above the task.
    #[test]
    fn ancestors_are_followed_up_to_a_bound() {
        let parent_of = |id: &TaskId| (id != "top").then(|| "top".to_owned());
        assert_eq!(
            ancestors(Some("mid".into()), parent_of).collect::<Vec<_>>(),
            ["mid", "top"].map(str::to_owned)
        );
        assert_eq!(ancestors(None, parent_of).count(), 0);
        assert_eq!(ancestors(Some("t".into()), |id| Some(id.clone())).count(), ANCESTORS_MAX);
    }

    #[test]
    fn failure_is_final_unless_retries_are_left() {
        let none = RetryRules { retries: 0, backoff: 0, max_attempts: Some(5) };
        assert_eq!(after(1, 1, none), Answer::Accept);

        let two = RetryRules { retries: 2, ..none };
        assert_eq!(after(2, 2, two), Answer::Retry(None));
        assert_eq!(after(3, 3, two), Answer::Accept);
    }

    /// Attempts that were lost with their holders count too, so they may run out before the retries do.
    #[test]
    fn last_attempt_is_not_retried() {
        let rules = RetryRules { retries: 9, backoff: 0, max_attempts: Some(5) };
        assert_eq!(after(1, 4, rules), Answer::Retry(None));
        assert_eq!(after(1, 5, rules), Answer::Accept);
        assert_eq!(after(1, 5, RetryRules { max_attempts: None, ..rules }), Answer::Retry(None));
    }

    #[test]
    fn backoff_grows_with_every_failure() {
        let rules = RetryRules { retries: 9, backoff: 10, max_attempts: None };
        assert_eq!(after(1, 1, rules), Answer::Retry(Some(NOW + 10)));
        assert_eq!(after(3, 3, rules), Answer::Retry(Some(NOW + 30)));
    }
}
