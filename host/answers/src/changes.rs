//! What became of the tasks that a request was to change, what followed for others, and what failed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};
use taskhost::wire::WireTask;
use taskhost::{Board, ChangeRequest, Changed, Outcome, Task, TaskId};

use crate::Failure;

/// What a request made of the tasks that it named. `tasks` are these, as they are now, or as they were when they were
/// archived; `already` says which of them were so before. `also` are others that changed in consequence. `error` is the
/// first failure's, where all commands have it.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct ChangeAnswer {
    pub tasks: Vec<WireTask>,
    pub already: Vec<String>,
    pub also: Vec<WireTask>,
    pub changes: Vec<Difference>,
    pub failed: Vec<FailedOne>,
    pub total: usize,
    pub dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// What changed of a task. `to` is absent if it isn't on the board any more.
#[derive(Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct Difference {
    pub id: String,
    pub from: Option<&'static str>,
    pub to: Option<&'static str>,
    pub fields: Map<String, Value>,
}

/// A task that was named and couldn't be changed.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct FailedOne {
    pub id: String,
    pub error: Failure,
}

/// A task before the first and after the last of the changes.
pub type Course<'a> = (Option<&'a Task>, Option<&'a Task>);

impl ChangeAnswer {
    /// The answer to a request.
    pub fn new(board: &Board, request: &ChangeRequest, changed: &Changed) -> Self {
        let (order, courses) = courses(changed);
        let mut answer = Self {
            tasks: Vec::new(),
            already: Vec::new(),
            also: Vec::new(),
            changes: order.iter().filter_map(|id| difference(courses[id])).collect(),
            failed: Vec::new(),
            total: changed.outcomes.len(),
            dry_run: request.dry_run,
            error: None,
        };
        for (id, outcome) in &changed.outcomes {
            match outcome {
                Outcome::Done => {}
                Outcome::Already => answer.already.push(id.to_string()),
                Outcome::Failed(error) => {
                    let error = || Failure::of_board(error);
                    answer.failed.push(FailedOne { id: id.to_string(), error: error() });
                    answer.error.get_or_insert_with(error);
                    continue;
                }
            }
            match courses.get(id).and_then(|(before, after)| after.or(*before)) {
                Some(task) => answer.tasks.push(WireTask::from(task)),
                // It was done; that somebody has archived it since, or that it can't be read, undoes nothing.
                None => answer.tasks.extend(board.task(id).ok().as_ref().map(WireTask::from)),
            }
        }
        let named = |id: &TaskId| changed.outcomes.iter().any(|(named, _)| named == id);
        let others = order.iter().filter(|id| !named(id));
        answer.also =
            others.filter_map(|id| courses[id].1.or(courses[id].0)).map(WireTask::from).collect();
        answer
    }
}

/// The tasks that were changed in the order of their first change, and how each went from first to last.
fn courses(changed: &Changed) -> (Vec<&TaskId>, BTreeMap<&TaskId, Course<'_>>) {
    let mut order = Vec::new();
    let mut courses: BTreeMap<&TaskId, Course<'_>> = BTreeMap::new();
    for touched in &changed.touched {
        let Some(id) = touched.id() else { continue };
        let (before, after) = (touched.before.as_ref(), touched.after.as_ref());
        match courses.get_mut(id) {
            Some(course) => course.1 = after,
            None => {
                order.push(id);
                courses.insert(id, (before, after));
            }
        }
    }
    (order, courses)
}

/// How a task differs; `None` if people wouldn't see it.
pub fn difference((before, after): Course<'_>) -> Option<Difference> {
    /// What changes with every change, or with the status.
    const FOLLOWS: [&str; 4] = ["id", "status", "updated_at", "completed_at"];
    let id = before.or(after)?.id.to_string();
    let status = |task: Option<&Task>| task.map(|task| task.status.as_str());
    let mut fields = Map::new();
    if let (Some(before), Some(after)) = (before, after) {
        let (before, after) = (values(before), values(after));
        for (name, now) in after {
            let was = before.get(&name).cloned().unwrap_or_default();
            if was != now && !FOLLOWS.contains(&name.as_str()) {
                fields.insert(name, json!({ "from": was, "to": now }));
            }
        }
    }
    let (from, to) = (status(before), status(after));
    (from != to || !fields.is_empty()).then_some(Difference { id, from, to, fields })
}

fn values(task: &Task) -> Map<String, Value> {
    match serde_json::to_value(WireTask::from(task)) {
        Ok(Value::Object(values)) => values,
        _ => Map::new(),
    }
}
