//! What is to be done with tasks, as Python says it: one JSON object.

use pyo3::prelude::*;
use serde::Deserialize;
use taskhost::wire::parse_time;
use taskhost::{Action, AgentKind, Assignee, Json, Millis, Name, Proof, TaskUpdate, Token};

use crate::error::invalid;
use crate::parse;

/// The verbs of the command line, with what each is told.
#[derive(Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
enum Said {
    Assign { name: Name, kind: AgentKind, hostname: Option<Name>, by: Option<Name> },
    Unassign { name: Option<Name> },
    Update(Box<Update>),
    Cancel { cascade: bool, reason: Option<String> },
    Retry { cascade: bool, reason: Option<String> },
    Block { reason: Option<String>, agent: Option<Name>, token: Option<Token>, force: bool },
    Unblock { reason: Option<String> },
    Release { reason: Option<String> },
    Review { accept: bool, reason: Option<String> },
    Archive,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    priority: Option<i32>,
    labels: Option<Vec<Name>>,
    add_labels: Vec<Name>,
    remove_labels: Vec<Name>,
    needs: Option<Vec<Name>>,
    /// JSON as text, so that `null` isn't taken for nothing.
    data: Option<String>,
    not_before: Option<String>,
}

/// What `text` asks for.
pub fn action(text: &str) -> PyResult<Action> {
    Ok(match parse::read(text)? {
        Said::Assign { name, kind, hostname, by } => {
            Action::Assign(Assignee { name, kind, hostname, by })
        }
        Said::Unassign { name } => Action::Unassign(name),
        Said::Update(update) => Action::Update(Box::new(read_update(*update)?)),
        Said::Cancel { cascade, reason } => Action::Cancel { cascade, reason },
        Said::Retry { cascade, reason } => Action::Retry { cascade, reason },
        Said::Block { reason, agent, token, force } => {
            let proof = agent.map(|agent| Proof { agent, token });
            Action::Block { reason, proof, force }
        }
        Said::Unblock { reason } => Action::Unblock { reason },
        Said::Release { reason } => Action::Release { reason },
        Said::Review { accept, reason } => Action::Review { accept, reason },
        Said::Archive => Action::Archive,
    })
}

fn read_update(update: Update) -> PyResult<TaskUpdate> {
    let sorted = |mut names: Vec<Name>| {
        names.sort();
        names.dedup();
        names
    };
    let data: Option<Json> = update.data.as_deref().map(parse::json).transpose()?;
    let not_before: Option<Millis> =
        update.not_before.as_deref().map(parse_time).transpose().map_err(invalid)?;
    Ok(TaskUpdate {
        priority: update.priority,
        labels: update.labels.map(sorted),
        add_labels: update.add_labels,
        remove_labels: update.remove_labels,
        needs: update.needs.map(sorted),
        data,
        not_before,
    })
}
