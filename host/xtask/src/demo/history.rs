//! What happened on a board, as `taskhost history --json` tells it.

use super::moment::Moment;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The transaction that it was a part of.
    pub sequence: u64,
    pub at: Moment,
    pub what: What,
}

/// What the demo looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Added {
        task: String,
    },
    Claimed {
        task: String,
        agent: String,
        token: u64,
    },
    Completed {
        task: String,
        /// Who completed it.
        agent: Option<String>,
        /// The digest that it left as its result.
        sha256: Option<String>,
    },
    /// Something that the demo gives no reason for: failed, released, recovered, …
    Undone {
        task: String,
        how: String,
    },
    /// Another policy decides from here on.
    PolicySet,
}

/// What taskhost prints.
#[derive(Deserialize)]
struct Answer {
    events: Vec<Printed>,
    total: u64,
}

#[derive(Deserialize)]
struct Printed {
    sequence: u64,
    time: Moment,
    event: String,
    agent: Option<String>,
    task: Option<String>,
    details: Value,
}

/// The events of a board's whole history, the oldest first.
pub fn parse(json: &[u8]) -> Result<Vec<Event>> {
    let answer: Answer = serde_json::from_slice(json).context("the history can't be read")?;
    ensure!(
        answer.events.len() as u64 == answer.total,
        "taskhost shows {} of {} events only",
        answer.events.len(),
        answer.total
    );
    answer.events.into_iter().filter_map(|printed| event(printed).transpose()).collect()
}

/// `None` for what is no concern of the demo's.
fn event(printed: Printed) -> Result<Option<Event>> {
    let Printed { sequence, time, event, agent, task, details } = printed;
    let entry = || format!("entry {sequence} of the history, `{event}`");
    let task = || task.with_context(|| format!("{} names no task", entry()));
    let what = match event.as_str() {
        "added" => What::Added { task: task()? },
        "claimed" => What::Claimed {
            agent: agent.with_context(|| format!("{} names no agent", entry()))?,
            token: details["token"]
                .as_u64()
                .with_context(|| format!("{} has no token", entry()))?,
            task: task()?,
        },
        "completed" => What::Completed {
            task: task()?,
            agent,
            sha256: details["result"]["sha256"].as_str().map(str::to_owned),
        },
        "policy_set" => What::PolicySet,
        // A heartbeat; and what is about no claim.
        "renewed" | "settings_set" => return Ok(None),
        how => What::Undone { how: how.to_owned(), task: task()? },
    };
    Ok(Some(Event { sequence, at: time, what }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(event: &str, agent: &str, details: &Value) -> Value {
        json!({
            "sequence": 7, "time": "2023-11-14T22:13:20.123Z", "command": "any", "event": event,
            "agent": agent, "holder": null, "task": "a", "details": details,
        })
    }

    #[test]
    fn history_is_read_as_taskhost_prints_it() {
        let json = json!({ "schema": 1, "total": 4, "next_cursor": null, "events": [
            printed("claimed", "agent-1", &json!({ "token": 3, "session": "s-1" })),
            printed("renewed", "agent-1", &json!({})),
            printed("completed", "agent-1", &json!({ "result": { "sha256": "00" } })),
            printed("recovered", "agent-2", &json!({ "cause": "holder_dead" })),
        ] });

        let events = parse(json.to_string().as_bytes()).expect("readable");

        let (task, agent) = ("a".to_owned(), "agent-1".to_owned());
        let whats: Vec<What> = events.into_iter().map(|event| event.what).collect();
        assert_eq!(
            whats,
            [
                What::Claimed { task: task.clone(), agent: agent.clone(), token: 3 },
                What::Completed {
                    task: task.clone(),
                    agent: Some(agent),
                    sha256: Some("00".into())
                },
                What::Undone { task, how: "recovered".into() },
            ]
        );
    }

    #[test]
    fn part_of_a_history_is_refused() {
        assert!(parse(br#"{"schema":1,"events":[],"total":1}"#).is_err());
    }
}
