//! What happened on a board, as `history` and `watch` show it: one event, as `--json` shows it and as a line.
//!
//! [`Event`]: something that happened. [`Gap`]: what isn't kept. `who`: whose deed it was, and whose
//! claim it was about; `details`: what else there is to say.

mod details;
mod gap;
mod who;

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use taskhost::domain::Command;
use taskhost::{Entry, Millis, Name, Sequence, TaskId, wire};

pub use self::details::of as details;
pub use self::gap::Gap;
pub use self::who::Holders;

/// Something that happened. `agent` is who did it; `holder` is whose claim it was about.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct Event {
    pub sequence: u64,
    #[serde(serialize_with = "time")]
    pub time: Millis,
    #[serde(serialize_with = "word")]
    pub command: Command,
    pub event: &'static str,
    pub agent: Option<String>,
    pub holder: Option<String>,
    pub task: Option<String>,
    pub details: Map<String, Value>,
}

/// What happened in one transaction.
pub fn of_entry(sequence: Sequence, entry: &Entry, holders: &mut Holders) -> Vec<Event> {
    let events = entry.changes.iter().filter_map(|change| {
        let event = change.event()?;
        let holder = holders.of(change);
        Some(Event {
            sequence: sequence.0,
            time: entry.time,
            command: entry.request.command,
            event,
            agent: who::doer(&entry.request, change),
            holder: holder.as_ref().map(ToString::to_string),
            task: change.task().map(ToString::to_string),
            details: details::of(change),
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

fn word<S: serde::Serializer>(command: &Command, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(command.as_str())
}

fn time<S: serde::Serializer>(time: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&wire::time(*time))
}

/// One line: sequence, time, who, what, to which task, and the rest.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self.agent.as_deref().unwrap_or("-");
        let time = wire::time(self.time);
        write!(f, "{:>6}  {time}  {who:<12} {:<10}", self.sequence, self.event)?;
        if let Some(task) = &self.task {
            write!(f, " {task}")?;
        }
        if let Some(holder) =
            self.holder.as_deref().filter(|holder| Some(*holder) != self.agent.as_deref())
        {
            write!(f, "  from={holder}")?;
        }
        details::write(f, &self.details)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;
    use taskhost::domain::{Cause, Request};
    use taskhost::{Assignee, Change, Json, Status, TaskUpdate, Verb};

    use super::*;
    use crate::sample;

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
    #[track_caller]
    fn check_line(change: Change, expected: &str) {
        assert!(Change::EVENTS.contains(&change.event().unwrap()), "{change:?}");
        let request = Request { agent: Some(name("olga")), ..Request::of(Command::Upkeep) };
        let entry = Entry { time: Millis(0), request, seed: 0, changes: vec![change] };
        let events = of_entry(Sequence(7), &entry, &mut Holders::default());
        let line = events[0].to_string();
        assert_eq!(line.split_once("Z  ").unwrap().1, expected);
    }

    #[test]
    fn every_kind_of_event_reads_as_a_line() {
        let (id, reason) = (id(), Some("too soon".to_owned()));
        let assignee = Assignee {
            name: name("ada"),
            kind: taskhost::AgentKind::Human,
            hostname: None,
            by: None,
        };
        check_line(
            Change::Assigned { id: id.clone(), assignee: Some(assignee) },
            "-            assigned   a  for=ada  kind=human",
        );
        check_line(
            Change::Assigned { id: id.clone(), assignee: None },
            "-            unassigned a",
        );
        let update = TaskUpdate {
            priority: Some(3),
            labels: Some(vec![name("x"), name("y")]),
            not_before: Some(Millis(0)),
            ..TaskUpdate::default()
        };
        check_line(
            Change::Updated { id: id.clone(), update: Box::new(update) },
            "-            updated    a  labels=x,y  not_before=1970-01-01T00:00:00.000Z  priority=3",
        );
        check_line(
            Change::Reopened { id: id.clone(), reason: reason.clone(), afresh: true },
            "-            retried    a  reason=\"too soon\"",
        );
        check_line(
            Change::Reopened { id: id.clone(), reason, afresh: false },
            "-            sent_back  a  reason=\"too soon\"",
        );
        check_line(Change::Accepted { id: id.clone(), reason: None }, "-            accepted   a");
        check_line(
            Change::Archived(Box::new(sample::task())),
            "-            archived   build_1  status=in_progress  type=build",
        );
        check_line(
            Change::MetaSet { key: id, value: Some(Json::parse("{\"n\":1}").unwrap()) },
            "-            meta_set    key=a  value={\"n\":1}",
        );
        check_line(
            Change::FellBack {
                hook: "assignment".into(),
                kind: "trap".into(),
                detail: "it broke".into(),
            },
            "-            fell_back   detail=\"it broke\"  hook=assignment  kind=trap",
        );
    }
}
