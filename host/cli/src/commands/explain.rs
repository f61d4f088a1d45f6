//! `explain`: why a task can or can't be claimed now, and by whom.

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};
use taskhost::wire::{self, WireAssignee, WireTask};
use taskhost::{Agent, Board, Explanation, Name, Obstacle, TaskId};

use super::asker::Asker;
use super::task_text;
use crate::context::Context;
use crate::exit::Code;
use crate::output::line;

/// A policy names no more of the tasks that one waits for: where so many are named, there may be others.
const NAMED_MAX: usize = 64;

const EXAMPLES: &str = "\
Example: can anybody claim it?

  taskhost explain build_1a2b3c4d

Example: can this agent, which can do something?

  taskhost explain build_1a2b3c4d --agent alice --capability gpu";

/// Say why a task can or can't be claimed now, and by whom
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The task
    id: TaskId,
    /// By this agent; by anybody if none is named
    #[arg(long, value_name = "NAME")]
    agent: Option<Name>,
    #[command(flatten)]
    asker: Asker,
}

/// `by`: who may claim it once nothing else is in the way.
#[derive(Serialize)]
struct Answer {
    task: WireTask,
    agent: Option<String>,
    claimable: bool,
    obstacles: Vec<Value>,
    by: By,
    log: Vec<String>,
}

#[derive(Serialize)]
struct By {
    assignee: Option<WireAssignee>,
    needs: Vec<String>,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    let board = context.open()?;
    let agent = args.agent.map(|name| asker(&board, &name, &args.asker)).transpose()?;
    let explanation = board.explain(&args.id, agent.as_ref())?;
    let answer = answer(&explanation, agent.as_ref());
    context.output.answer(&answer, |out| write(out, &explanation, &answer))?;
    Ok(Code::Done)
}

fn asker(board: &Board, name: &Name, asker: &Asker) -> Result<Agent, taskhost::Error> {
    Ok(board.session(&asker.session(name, None))?.agent().clone())
}

fn answer(explanation: &Explanation, agent: Option<&Agent>) -> Answer {
    let task = WireTask::from(&explanation.task);
    Answer {
        agent: agent.map(|agent| agent.name.to_string()),
        claimable: explanation.obstacles.is_empty(),
        obstacles: explanation.obstacles.iter().map(obstacle).collect(),
        by: By { assignee: task.assignee.clone(), needs: task.needs.clone() },
        log: explanation.log.clone(),
        task,
    }
}

fn obstacle(obstacle: &Obstacle) -> Value {
    match obstacle {
        Obstacle::Finished(status) => json!({ "kind": "finished", "status": status.as_str() }),
        Obstacle::Held { claim, lease_until, over } => json!({
            "kind": "claimed",
            "holder": claim.agent.as_str(),
            "session": claim.session.as_str(),
            "since": wire::time(claim.since),
            "lease_until": wire::time(*lease_until),
            "lease_over": over,
        }),
        Obstacle::InReview => json!({ "kind": "in_review" }),
        Obstacle::Blocked(reason) => json!({ "kind": "blocked", "reason": reason }),
        Obstacle::Waiting { on, why } => {
            let on: Vec<Value> = on
                .iter()
                .map(|(id, status)| json!({ "id": id.as_str(), "status": status.map(|status| status.as_str()) }))
                .collect();
            json!({ "kind": "waiting", "on": on, "reason": why })
        }
        Obstacle::Until(time) => json!({ "kind": "until", "time": wire::time(*time) }),
        Obstacle::Never(reason) => json!({ "kind": "never", "reason": reason }),
        Obstacle::WillBeCancelled(reason) => {
            json!({ "kind": "will_be_cancelled", "reason": reason })
        }
        Obstacle::Reserved(assignee) => {
            json!({ "kind": "reserved", "holder": assignee.name.as_str() })
        }
        Obstacle::Locked(by) => json!({ "kind": "locked", "holder": by }),
        Obstacle::Lacks(needs) => {
            json!({ "kind": "lacks", "needs": needs.iter().map(Name::as_str).collect::<Vec<_>>() })
        }
        Obstacle::NotGiven(reason) => json!({ "kind": "not_given", "reason": reason }),
        Obstacle::Refused(reason) => json!({ "kind": "refused", "reason": reason }),
    }
}

fn write(out: &mut String, explanation: &Explanation, answer: &Answer) {
    let by = answer.agent.as_ref().map(|name| format!(" by `{name}`")).unwrap_or_default();
    let id = &answer.task.id;
    let limited = answer.by.assignee.is_some() || !answer.by.needs.is_empty();
    if answer.claimable && answer.agent.is_none() && limited {
        line(out, format_args!("`{id}` can be claimed now, by an agent that fits:"));
    } else if answer.claimable {
        line(out, format_args!("`{id}` can be claimed now{by}"));
    } else {
        line(out, format_args!("`{id}` can't be claimed now{by}:"));
    }
    for obstacle in &explanation.obstacles {
        write_obstacle(out, obstacle);
    }
    if answer.agent.is_none() && !explanation.task.status.is_finished() {
        if let Some(assignee) = &answer.by.assignee {
            line(out, format_args!("- it is reserved for `{}`", task_text::assignee(assignee)));
        }
        if !answer.by.needs.is_empty() {
            line(
                out,
                format_args!("- it needs an agent capable of {}", quoted(&explanation.task.needs)),
            );
        }
    }
    for logged in &answer.log {
        line(out, format_args!("policy: {logged}"));
    }
}

fn write_obstacle(out: &mut String, obstacle: &Obstacle) {
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
        Obstacle::InReview => "it was completed, and waits to be accepted".into(),
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
                line(out, format_args!("  - `{id}`, which is {status}"));
            }
            return;
        }
        Obstacle::Until(time) => format!("its time comes at {}", wire::time(*time)),
        Obstacle::Never(reason) => format!("the policy doesn't offer it: {reason}"),
        Obstacle::WillBeCancelled(reason) => {
            format!("the policy cancels it when it is next asked: {reason}")
        }
        Obstacle::Reserved(assignee) => format!("it is reserved for `{}`", assignee.name),
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

fn quoted(names: &[Name]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use taskhost::{Assignee, Millis, Status};

    use super::*;
    use crate::commands::sample;

    #[track_caller]
    fn check(seen: Obstacle, json: Value, text: &str) {
        assert_eq!(obstacle(&seen), json);
        let mut out = String::new();
        write_obstacle(&mut out, &seen);
        assert_eq!(out.trim_end(), text);
    }

    #[test]
    fn task_that_waits_for_very_many_does_not_pretend_to_name_them_all() {
        // It waited for 1,000 tasks, and `explain` said 64.
        let text = |count: usize| {
            let on = (0..count).map(|n| (TaskId::new(format!("t{n}")).unwrap(), None)).collect();
            let mut out = String::new();
            write_obstacle(&mut out, &Obstacle::Waiting { on, why: None });
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
            json!({ "kind": "waiting", "on": [{ "id": "other", "status": "failed" }], "reason": "it failed" }),
            "- it waits for 1 other task: it failed\n  - `other`, which is failed",
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
            json!({ "kind": "reserved", "holder": "carol" }),
            "- it is reserved for `carol`",
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
