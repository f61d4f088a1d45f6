//! One event of the history, as `--json` shows it and as a line.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};
use taskhost::domain::{Cause, Command, PolicySet, Request};
use taskhost::wire::{self, WireAssignee, WireTask};
use taskhost::{Change, Entry, Json, Name, Sequence, Task, TaskId};

use crate::commands::config::settings;

/// Something that happened. `agent` is who did it; `holder` is whose claim it was about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    sequence: u64,
    time: String,
    command: &'static str,
    event: &'static str,
    agent: Option<String>,
    holder: Option<String>,
    task: Option<String>,
    details: Map<String, Value>,
}

/// Who holds which task, as far as the history was read.
#[derive(Debug, Default)]
pub struct Holders(HashMap<TaskId, Name>);

/// What happened in one transaction.
pub fn of_entry(sequence: Sequence, entry: &Entry, holders: &mut Holders) -> Vec<Event> {
    let time = wire::time(entry.time);
    let events = entry.changes.iter().filter_map(|change| {
        let event = change.event()?;
        let holder = holders.of(change);
        Some(Event {
            sequence: sequence.0,
            time: time.clone(),
            command: entry.request.command.as_str(),
            event,
            agent: doer(&entry.request, change),
            holder: holder.as_ref().map(ToString::to_string),
            task: change.task().map(ToString::to_string),
            details: details(change),
        })
    });
    events.collect()
}

impl Event {
    /// Whether it happened to this task.
    pub fn is_about(&self, id: &TaskId) -> bool {
        self.task.as_deref() == Some(id.as_str())
    }

    /// Whether an agent of this name did it, or held what it happened to.
    pub fn is_by(&self, name: &Name) -> bool {
        [&self.agent, &self.holder].into_iter().any(|who| who.as_deref() == Some(name.as_str()))
    }
}

impl Holders {
    /// Whose claim this change is about, and who holds it afterwards.
    fn of(&mut self, change: &Change) -> Option<Name> {
        match change {
            Change::Claimed { id, claim } => {
                self.0.insert(id.clone(), claim.agent.clone());
                Some(claim.agent.clone())
            }
            Change::Renewed { id, .. } | Change::Kept { id, .. } => self.0.get(id).cloned(),
            other => other.task().and_then(|id| self.0.remove(id)),
        }
    }
}

/// Who did it: whoever asked, for the step that was asked for; nobody for what the policy made follow.
fn doer(request: &Request, change: &Change) -> Option<String> {
    let by_policy = match change {
        Change::Finished { verb, .. } => verb.is_none() && request.command != Command::Cancel,
        Change::Recovered { cause, .. } => *cause != Cause::Operator,
        Change::Kept { .. } => true,
        _ => false,
    };
    request.agent.as_ref().filter(|_| !by_policy).map(ToString::to_string)
}

fn details(change: &Change) -> Map<String, Value> {
    let value = match change {
        Change::Added(task) => added(task),
        Change::Claimed { claim, .. } => json!({
            "token": claim.token.0,
            "session": claim.session.as_str(),
            "kind": wire::kind(claim.kind),
            "hostname": claim.hostname.as_ref().map(Name::as_str),
            "lease_until": wire::time(claim.lease.until),
        }),
        Change::Renewed { lease, .. } | Change::Kept { lease, .. } => {
            json!({ "lease_until": wire::time(lease.until) })
        }
        Change::Released { reason, .. }
        | Change::Blocked { reason, .. }
        | Change::Unblocked { reason, .. }
        | Change::Reopened { reason, .. }
        | Change::Accepted { reason, .. } => {
            json!({ "reason": reason })
        }
        Change::Updated { update, .. } => json!({
            "priority": update.priority,
            "labels": update.labels,
            "needs": update.needs,
            "data": update.data.as_ref().map(value_of),
            "not_before": update.not_before.map(wire::time),
        }),
        Change::Archived(task) => json!({ "status": task.status.as_str() }),
        Change::MetaSet { key, value } => {
            json!({ "key": key.as_str(), "value": value.as_ref().map(value_of) })
        }
        Change::FellBack { hook, kind, detail } => {
            json!({ "hook": hook, "kind": kind, "detail": detail })
        }
        Change::Recovered { cause, reason, not_before, .. } => json!({
            "cause": cause,
            "reason": reason,
            "not_before": not_before.map(wire::time),
        }),
        Change::Retried { error, not_before, .. } => {
            json!({ "error": error, "not_before": not_before.map(wire::time) })
        }
        Change::Finished { reason, result, error, .. } => {
            json!({ "reason": reason, "result": result.as_ref().map(value_of), "error": error })
        }
        Change::Assigned { assignee, .. } => {
            json!({ "assignee": assignee.as_ref().map(WireAssignee::from) })
        }
        Change::PoliciesSet(set) => policies(set),
        Change::SettingsSet(settings) => Value::Object(settings::unusual(settings)),
        Change::Answered { .. }
        | Change::Wake { .. }
        | Change::Woken { .. }
        | Change::Remembered { .. }
        | Change::Keyed { .. } => json!({}),
    };
    let Value::Object(mut details) = value else { return Map::new() };
    details.retain(|_, value| !value.is_null());
    details
}

fn added(task: &Task) -> Value {
    let task = WireTask::from(task);
    json!({
        "type": task.task_type,
        "parent": task.parent,
        "after": task.after,
        "priority": task.priority,
        "labels": task.labels,
        "needs": task.needs,
        "assignee": task.assignee,
    })
}

fn value_of(json: &Json) -> Value {
    serde_json::from_str(json.as_str()).unwrap_or_default()
}

fn policies(set: &PolicySet) -> Value {
    json!({
        "leading": set.leading().digest.to_string(),
        "settings": set.leading().settings,
        "standard": set.standard.digest.to_string(),
        "standard_settings": set.standard.settings,
    })
}

/// One line: sequence, time, who, what, to which task, and the rest.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self.agent.as_deref().unwrap_or("-");
        write!(f, "{:>6}  {}  {who:<12} {:<10}", self.sequence, self.time, self.event)?;
        if let Some(task) = &self.task {
            write!(f, " {task}")?;
        }
        if let Some(holder) =
            self.holder.as_deref().filter(|holder| Some(*holder) != self.agent.as_deref())
        {
            write!(f, "  from={holder}")?;
        }
        for (name, value) in &self.details {
            match value {
                // What is usual isn't worth its place in a line.
                Value::String(kind) if name == "kind" && kind == "agent" => {}
                Value::Number(priority) if name == "priority" && priority.as_i64() == Some(0) => {}
                Value::Array(items) if items.is_empty() => {}
                Value::Object(fields) if fields.is_empty() => {}
                Value::String(text) if !text.contains([' ', '\n', '"']) => {
                    write!(f, "  {name}={text}")?
                }
                other => write!(f, "  {name}={other}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use taskhost::{Millis, Status, Verb};

    use super::*;

    fn id() -> TaskId {
        TaskId::new("a").unwrap()
    }

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn events(
        agent: &str,
        command: Command,
        changes: Vec<Change>,
        holders: &mut Holders,
    ) -> Vec<Value> {
        let request = Request { agent: Some(name(agent)), ..Request::of(command) };
        let entry = Entry { time: Millis(0), request, seed: 0, changes };
        let events = of_entry(Sequence(7), &entry, holders);
        events.iter().map(|event| serde_json::to_value(event).unwrap()).collect()
    }

    #[test]
    fn recovery_is_nobodys_deed_and_names_who_lost_the_task() {
        let mut holders = Holders(HashMap::from([(id(), name("alice"))]));
        let recovered = Change::Recovered {
            id: id(),
            cause: Cause::HolderDead,
            reason: None,
            not_before: None,
        };
        assert_eq!(
            events("bob", Command::Claim, vec![recovered], &mut holders),
            [json!({
                "sequence": 7,
                "time": "1970-01-01T00:00:00.000Z",
                "command": "claim",
                "event": "recovered",
                "agent": null,
                "holder": "alice",
                "task": "a",
                "details": { "cause": "holder_dead" },
            })]
        );
        assert!(holders.0.is_empty());
    }

    #[test]
    fn what_somebody_took_back_or_cancelled_is_their_deed() {
        // The history had nobody do it, as if the policy had.
        let mut holders = Holders(HashMap::from([(id(), name("alice"))]));
        let reason = Some("stuck".to_owned());
        let taken =
            Change::Recovered { id: id(), cause: Cause::Operator, reason, not_before: None };
        let taken = events("olga", Command::Release, vec![taken], &mut holders);
        assert_eq!((&taken[0]["agent"], &taken[0]["holder"]), (&json!("olga"), &json!("alice")));
        assert_eq!(taken[0]["details"], json!({ "cause": "operator", "reason": "stuck" }));
        let cancelled = Change::Finished {
            id: id(),
            status: Status::Cancelled,
            verb: None,
            reason: None,
            result: None,
            error: None,
        };
        let cancelled = events("olga", Command::Cancel, vec![cancelled], &mut holders);
        assert_eq!(cancelled[0]["agent"], "olga");
    }

    #[test]
    fn completion_is_its_holders_deed() {
        let mut holders = Holders(HashMap::from([(id(), name("alice"))]));
        let completed = Change::Finished {
            id: id(),
            status: Status::Completed,
            verb: Some(Verb::Complete),
            reason: None,
            result: Some(Json::parse("{\"n\": 1}").unwrap()),
            error: None,
        };
        let events = events("alice", Command::Complete, vec![completed], &mut holders);
        assert_eq!(events[0]["agent"], "alice");
        assert_eq!(events[0]["event"], "completed");
        assert_eq!(events[0]["details"], json!({ "result": { "n": 1 } }));
    }
}
