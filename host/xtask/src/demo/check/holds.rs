//! The history alone: every task of the job was claimed once, when it could be, and completed by its holder.

use crate::demo::graph::Crate;
use crate::demo::history::{Event, What};
use crate::demo::moment::Moment;
use std::collections::{BTreeMap, BTreeSet};

/// A claim that ended with its task completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold<'a> {
    pub agent: &'a str,
    pub token: u64,
    /// When it was claimed.
    pub from: Moment,
    /// When it was completed.
    pub until: Moment,
    /// The digest that it left as its result.
    pub sha256: Option<&'a str>,
}

/// A claim that hasn't ended.
struct Open<'a> {
    agent: &'a str,
    token: u64,
    from: Moment,
}

/// What is known of the board after some of the history.
struct Board<'a> {
    added: BTreeSet<&'a str>,
    open: BTreeMap<&'a str, Open<'a>>,
    done: BTreeMap<&'a str, Hold<'a>>,
    last_token: u64,
}

/// The holds that completed the tasks, by task, as far as they can be told.
pub fn replay<'a>(
    job: &'a [Crate],
    history: &'a [Event],
    faults: &mut Vec<String>,
) -> BTreeMap<&'a str, Hold<'a>> {
    let after: BTreeMap<&str, &[String]> =
        job.iter().map(|built| (built.task.as_str(), built.after.as_slice())).collect();
    let mut board = Board {
        added: BTreeSet::new(),
        open: BTreeMap::new(),
        done: BTreeMap::new(),
        last_token: 0,
    };
    let mut last_sequence = 0;
    for event in history {
        if event.sequence < last_sequence {
            faults.push(format!("entry {} stands after entry {last_sequence}", event.sequence));
        }
        last_sequence = event.sequence;
        board.apply(event, &after, faults);
    }

    for (task, open) in &board.open {
        let Open { agent, token, .. } = open;
        faults.push(format!("`{task}` is still held by `{agent}` with token {token}"));
    }
    for built in job {
        let task = built.task.as_str();
        if !board.added.contains(task) {
            faults.push(format!("`{task}` isn't on the board"));
        } else if !board.done.contains_key(task) && !board.open.contains_key(task) {
            faults.push(format!("`{task}` was never completed"));
        }
    }
    board.done
}

impl<'a> Board<'a> {
    fn apply(
        &mut self,
        event: &'a Event,
        after: &BTreeMap<&str, &[String]>,
        faults: &mut Vec<String>,
    ) {
        match &event.what {
            What::Added { task } => {
                if !after.contains_key(task.as_str()) {
                    faults.push(format!("`{task}` is on the board and not in the job"));
                }
                if !self.added.insert(task) {
                    faults.push(format!("`{task}` was added twice"));
                }
            }
            What::Claimed { task, agent, token } => {
                let on = after.get(task.as_str()).copied().unwrap_or_default();
                self.check_claim(task, agent, *token, on, faults);
                self.last_token = self.last_token.max(*token);
                self.open.insert(task, Open { agent, token: *token, from: event.at });
            }
            What::Completed { task, agent: by, sha256 } => match self.open.remove(task.as_str()) {
                Some(Open { agent, token, from }) => {
                    if by.as_deref() != Some(agent) {
                        let by = by.as_deref().unwrap_or("nobody");
                        faults
                            .push(format!("`{task}`, held by `{agent}`, was completed by `{by}`"));
                    }
                    let sha256 = sha256.as_deref();
                    let hold = Hold { agent, token, from, until: event.at, sha256 };
                    if self.done.insert(task, hold).is_some() {
                        faults.push(format!("`{task}` was completed twice"));
                    }
                }
                None => faults.push(format!("`{task}` was completed while nobody held it")),
            },
            What::Undone { task, how } => {
                let by = self.open.remove(task.as_str());
                let by =
                    by.map(|open| format!(", held by `{}` with token {},", open.agent, open.token));
                faults.push(format!("`{task}`{} was {how}", by.unwrap_or_default()));
            }
            What::PolicySet => {}
        }
    }

    fn check_claim(
        &self,
        task: &str,
        agent: &str,
        token: u64,
        after: &[String],
        faults: &mut Vec<String>,
    ) {
        let claimed = format!("`{task}` was claimed by `{agent}` with token {token}");
        if !self.added.contains(task) {
            faults.push(format!("{claimed} before it was added"));
        }
        if let Some(Open { agent, token, .. }) = self.open.get(task) {
            faults.push(format!("{claimed} while `{agent}` held it with token {token}"));
        }
        if let Some(Hold { agent, token, .. }) = self.done.get(task) {
            faults.push(format!("{claimed} after `{agent}` had completed it with token {token}"));
        }
        for on in after.iter().filter(|on| !self.done.contains_key(on.as_str())) {
            faults.push(format!("{claimed} before `{on}`, which it comes after, was completed"));
        }
        if token <= self.last_token {
            faults.push(format!("{claimed} after token {} was given", self.last_token));
        }
    }
}
