//! Who did it, and whose claim it was about.

use std::collections::HashMap;

use taskhost::domain::{Cause, Command, Request};
use taskhost::{Change, Name, Status, Task, TaskId};

/// Who holds which task, as far as the history was read.
#[derive(Debug, Default)]
pub struct Holders(pub(super) HashMap<TaskId, Name>);

impl Holders {
    /// Those of a board at one instant, given the tasks that are held then.
    pub fn at(held: Vec<Task>) -> Self {
        let holder = |task: Task| task.claim.map(|claim| (task.id, claim.agent));
        Self(held.into_iter().filter_map(holder).collect())
    }

    /// Whose claim this change is about; afterwards they hold the task only if it didn't end the claim.
    pub fn of(&mut self, change: &Change) -> Option<Name> {
        match change {
            Change::Claimed { id, claim } => {
                self.0.insert(id.clone(), claim.agent.clone());
                Some(claim.agent.clone())
            }
            Change::Released { id, .. }
            | Change::Recovered { id, .. }
            | Change::Retried { id, .. }
            | Change::Finished { id, .. }
            | Change::Blocked { id, .. } => self.0.remove(id),
            other => other.task().and_then(|id| self.0.get(id)).cloned(),
        }
    }
}

/// Whoever asked, for the step that was asked for; nobody for what followed from it.
pub fn doer(request: &Request, change: &Change) -> Option<String> {
    request.agent.as_ref().filter(|_| was_asked_for(request.command, change)).map(Name::to_string)
}

fn was_asked_for(command: Command, change: &Change) -> bool {
    match change {
        Change::Finished { verb: Some(_), .. }
        | Change::Blocked { verb: Some(_), .. }
        | Change::Recovered { cause: Cause::Operator, .. } => true,
        // A policy cancels too, but what an operator's `cancel` ends is the operator's deed, cascades included.
        Change::Finished { verb: None, status, .. } => {
            command == Command::Cancel && *status == Status::Cancelled
        }
        Change::Recovered { .. } | Change::Kept { .. } | Change::FellBack { .. } => false,
        Change::Added(_) => command == Command::Add,
        Change::Claimed { .. } => command == Command::Claim,
        Change::Renewed { .. } | Change::Resumed { .. } => command == Command::Heartbeat,
        Change::Released { .. } => command == Command::Release,
        Change::Retried { .. } => command == Command::Fail,
        Change::Updated { .. } => command == Command::Update,
        Change::Reopened { afresh, .. } => {
            command == if *afresh { Command::Retry } else { Command::Review }
        }
        Change::Accepted { .. } => command == Command::Review,
        Change::Archived(_) => command == Command::Archive,
        Change::Blocked { verb: None, .. } => command == Command::Block,
        Change::Unblocked { .. } => command == Command::Unblock,
        Change::Assigned { .. } => matches!(command, Command::Assign | Command::Unassign),
        Change::PoliciesSet(_) => command == Command::PolicySet,
        Change::SettingsSet(_) => command == Command::ConfigSet,
        Change::MetaSet { .. } => command == Command::MetaSet,
        Change::Answered { .. }
        | Change::Wake { .. }
        | Change::Woken { .. }
        | Change::Remembered { .. }
        | Change::Keyed { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use taskhost::Verb;

    use super::*;

    fn id() -> TaskId {
        TaskId::new("a").unwrap()
    }

    #[track_caller]
    fn check(command: Command, change: Change, is_deed: bool) {
        let request = Request { agent: Some(Name::new("olga").unwrap()), ..Request::of(command) };
        assert_eq!(doer(&request, &change).is_some(), is_deed, "{change:?}");
    }

    fn cancelled() -> Change {
        Change::Finished {
            id: id(),
            status: Status::Cancelled,
            verb: None,
            reason: None,
            result: None,
            error: None,
        }
    }

    #[test]
    fn operators_are_named_for_what_they_asked_for() {
        check(Command::Cancel, cancelled(), true);
        let taken = |cause| Change::Recovered { id: id(), cause, reason: None, not_before: None };
        check(Command::Release, taken(Cause::Operator), true);
        check(Command::Retry, Change::Reopened { id: id(), reason: None, afresh: true }, true);
        check(Command::Block, Change::Blocked { id: id(), reason: None, verb: None }, true);
        check(Command::Assign, Change::Assigned { id: id(), assignee: None }, true);
    }

    #[test]
    fn what_followed_is_nobodys_deed() {
        check(Command::Fail, cancelled(), false);
        let dead = Change::Recovered {
            id: id(),
            cause: Cause::HolderDead,
            reason: None,
            not_before: None,
        };
        check(Command::Claim, dead, false);
        check(Command::Complete, Change::Assigned { id: id(), assignee: None }, false);
        let fell = Change::FellBack {
            hook: "assignment".into(),
            kind: "trap".into(),
            detail: String::new(),
        };
        check(Command::Claim, fell, false);
    }

    #[test]
    fn reserving_a_held_task_takes_it_from_nobody() {
        // What changed a held task without ending its claim made the history forget who held it.
        let mut holders = Holders(HashMap::from([(id(), Name::new("alice").unwrap())]));
        let assigned = Change::Assigned { id: id(), assignee: None };
        assert!(holders.of(&assigned).is_some());
        let completed = Change::Finished {
            id: id(),
            status: Status::Completed,
            verb: Some(Verb::Complete),
            reason: None,
            result: None,
            error: None,
        };
        assert!(holders.of(&completed).is_some());
        assert!(holders.of(&completed).is_none());
    }
}
