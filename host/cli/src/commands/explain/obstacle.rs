//! What stands between a task and being claimed, as a line.

use taskhost::{Agent, Assignee, Name, Obstacle, wire};
use taskhost_answers::{Relations, reserved_for};

use super::quoted;
use crate::output::line;

/// A policy names no more of the tasks that one waits for: where so many are named, there may be others.
const NAMED_MAX: usize = 64;

/// The obstacle as a line, or as some; `asker` is whom it is in the way of, if somebody was named.
pub fn write(out: &mut String, obstacle: &Obstacle, relations: &Relations, asker: Option<&Agent>) {
    let because =
        |why: &Option<String>| why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let text = match obstacle {
        Obstacle::Finished(status) => format!("it is {status}"),
        Obstacle::Held { claim, lease_until, over } => {
            let holds = format!("`{}` holds it since {}", claim.agent, wire::time(claim.since));
            let lease = wire::time(*lease_until);
            if *over {
                format!("{holds}, but the lease ran out at {lease}: the next claim takes it back")
            } else {
                format!("{holds}, with a lease until {lease}")
            }
        }
        Obstacle::Locked(by) => format!("it is locked by hand, by {by}"),
        Obstacle::InReview { completed_by } => in_review(completed_by.as_ref()),
        Obstacle::Blocked(reason) => format!("it is parked{}", because(reason)),
        Obstacle::Waiting { on, why } => {
            let tasks = if on.len() == 1 { "task" } else { "tasks" };
            let at_least = if on.len() < NAMED_MAX { "" } else { "at least " };
            let count = on.len();
            line(
                out,
                format_args!("- it waits for {at_least}{count} other {tasks}{}", because(why)),
            );
            for (id, status) in on {
                let status = status.map_or("no such task", |status| status.as_str());
                let relation = relations.get(id).map(|relation| relation.in_words());
                let relation = relation.map(|is| format!(" {is},")).unwrap_or_default();
                line(out, format_args!("  - `{id}`,{relation} which is {status}"));
            }
            return;
        }
        Obstacle::Until(time) => format!("its time comes at {}", wire::time(*time)),
        Obstacle::Never(reason) => format!("the policy doesn't offer it: {reason}"),
        Obstacle::WillBeCancelled(reason) => {
            format!("the policy cancels it when it is next asked: {reason}")
        }
        Obstacle::Reserved(assignee) => reserved(assignee, asker),
        Obstacle::Lacks(needs) => {
            format!("the agent would have to be capable of {}", quoted(needs))
        }
        Obstacle::NotGiven(reason) => {
            format!("the policy doesn't give it to this agent now{}", because(reason))
        }
        Obstacle::Refused(reason) => format!("the policy refuses this agent: {reason}"),
    };
    line(out, format_args!("- {text}"));
}

/// Who completed it can't accept it.
fn in_review(completed_by: Option<&Name>) -> String {
    match completed_by {
        Some(agent) => {
            format!("`{agent}` completed it, and it waits to be accepted by somebody else")
        }
        None => "it was completed, and waits to be accepted".into(),
    }
}

/// For whom it is reserved; and who asks, if the name alone doesn't tell the two apart.
fn reserved(assignee: &Assignee, asker: Option<&Agent>) -> String {
    let Some(asker) = asker.filter(|asker| asker.name == assignee.name) else {
        return format!("it is reserved for `{}`", reserved_for(&assignee.into()));
    };
    let host = |of: &Option<Name>| of.as_ref().map(|of| format!(" on {of}")).unwrap_or_default();
    let is_elsewhere = assignee.hostname.is_some() && assignee.hostname != asker.hostname;
    let asking = if is_elsewhere { host(&asker.hostname) } else { String::new() };
    let (name, host) = (&assignee.name, host(&assignee.hostname));
    let (kind, other) = (wire::kind(assignee.kind), wire::kind(asker.kind));
    format!("it is reserved for `{name}` ({kind}){host}, not `{name}` ({other}){asking}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use taskhost::{Millis, TaskId};
    use taskhost_answers::Relation;
    use taskhost_answers::sample;

    fn relations() -> Relations {
        Relations::from([(TaskId::new("other").unwrap(), Relation::Parent)])
    }

    #[track_caller]
    fn check(seen: Obstacle, json: Value, text: &str) {
        assert_eq!(taskhost_answers::obstacle(&seen, &relations()), json);
        let mut out = String::new();
        write(&mut out, &seen, &relations(), None);
        assert_eq!(out.trim_end(), text);
    }

    #[test]
    fn task_that_waits_for_very_many_does_not_pretend_to_name_them_all() {
        // It waited for 1,000 tasks, and `explain` said 64.
        let text = |count: usize| {
            let on = (0..count).map(|n| (TaskId::new(format!("t{n}")).unwrap(), None)).collect();
            let mut out = String::new();
            write(&mut out, &Obstacle::Waiting { on, why: None }, &Relations::new(), None);
            out.lines().next().unwrap().to_owned()
        };
        assert_eq!(text(NAMED_MAX), "- it waits for at least 64 other tasks");
        assert_eq!(text(NAMED_MAX - 1), "- it waits for 63 other tasks");
    }

    #[test]
    fn every_obstacle_has_a_word_and_a_sentence() {
        let other = TaskId::new("other").unwrap();
        check(
            Obstacle::Waiting {
                on: vec![(other, Some(Status::Failed))],
                why: Some("it failed".into()),
            },
            json!({ "kind": "waiting", "on": [{ "id": "other", "status": "failed", "relation": "parent" }], "reason": "it failed" }),
            "- it waits for 1 other task: it failed\n  - `other`, its parent, which is failed",
        );
        check(
            Obstacle::Held {
                claim: Box::new(sample::claim()),
                lease_until: Millis(1_000),
                over: true,
            },
            json!({
                "kind": "claimed", "holder": "alice", "session": "s-1", "lease_over": true,
                "since": "1970-01-01T00:00:00.000Z", "lease_until": "1970-01-01T00:00:01.000Z",
            }),
            "- `alice` holds it since 1970-01-01T00:00:00.000Z, but the lease ran out at \
             1970-01-01T00:00:01.000Z: the next claim takes it back",
        );
        let carol = Name::new("carol").unwrap();
        let assignee = Assignee {
            name: carol.clone(),
            kind: taskhost::AgentKind::Human,
            hostname: None,
            by: None,
        };
        check(
            Obstacle::Reserved(assignee),
            json!({
                "kind": "reserved", "holder": "carol",
                "assignee": { "name": "carol", "kind": "human", "hostname": null, "by": null },
            }),
            "- it is reserved for `carol (human)`",
        );
        check(
            Obstacle::Lacks(vec![carol]),
            json!({ "kind": "lacks", "needs": ["carol"] }),
            "- the agent would have to be capable of `carol`",
        );
        check(
            Obstacle::Finished(Status::Failed),
            json!({ "kind": "finished", "status": "failed" }),
            "- it is failed",
        );
    }
}
