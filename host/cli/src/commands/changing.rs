//! What the commands that change tasks have in common: which tasks, how, and what is answered.
//!
//! - [`Targets`] and [`Asked`]: the arguments.
//! - [`Answer`]: what became of the tasks that were named, what followed for others, and what failed. Its exit code is
//!   that of the first failure.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value, json};
use taskhost::wire::WireTask;
use taskhost::{Action, Board, ChangeRequest, Changed, Name, Outcome, Task, TaskId};

use crate::context::Context;
use crate::exit::{self, Code, Problem};
use crate::output::{hanging, line};

/// Which tasks.
#[derive(Debug, clap::Args)]
pub struct Targets {
    /// The tasks
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<TaskId>,
    /// All of these tasks, or none of them
    #[arg(long)]
    pub all_or_nothing: bool,
    #[command(flatten)]
    pub asked: Asked,
}

/// Who asks, and how seriously.
#[derive(Debug, clap::Args)]
pub struct Asked {
    /// Who asks, for the history
    #[arg(long, value_name = "WHO", env = "TASKHOST_AGENT", hide_env_values = true)]
    pub by: Option<Name>,
    /// Only say what would change
    #[arg(long)]
    pub dry_run: bool,
}

impl Targets {
    /// The request to do this with them.
    pub fn request(self, action: Action) -> ChangeRequest {
        ChangeRequest {
            ids: self.ids,
            action,
            by: self.asked.by,
            together: self.all_or_nothing,
            dry_run: self.asked.dry_run,
        }
    }
}

/// Does what is asked, and answers.
pub fn exec(context: &Context, request: &ChangeRequest) -> Result<Code> {
    let board = context.open()?;
    let changed = board.change(request)?;
    Answer::new(&board, request, &changed).give(context)
}

/// `tasks` are those that were named, as they are now, or as they were when they were archived; `already` says which of
/// them were so before. `also` are others that changed in consequence. `error` is the first failure's, where all
/// commands have it.
#[derive(Serialize)]
pub struct Answer {
    tasks: Vec<WireTask>,
    already: Vec<String>,
    also: Vec<WireTask>,
    changes: Vec<Difference>,
    failed: Vec<Failed>,
    total: usize,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

/// What changed of a task. `to` is absent if it isn't on the board any more.
#[derive(Debug, PartialEq, Serialize)]
struct Difference {
    id: String,
    from: Option<&'static str>,
    to: Option<&'static str>,
    fields: Map<String, Value>,
}

#[derive(Serialize)]
struct Failed {
    id: String,
    error: Problem,
}

/// A task before the first and after the last of the changes.
type Course<'a> = (Option<&'a Task>, Option<&'a Task>);

impl Answer {
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
                    let error = || exit::problem(&anyhow::Error::new(error.clone()));
                    answer.failed.push(Failed { id: id.to_string(), error: error() });
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

    /// Gives it, and says with which code to end.
    pub fn give(&self, context: &Context) -> Result<Code> {
        context.output.answer(self, |out| self.write(out))?;
        self.say_more(context);
        Ok(self.error.as_ref().map_or(Code::Done, |error| error.exit))
    }

    /// The first task that was named.
    pub fn first(&self) -> Option<&WireTask> {
        self.tasks.first()
    }

    /// Whether there was nothing to do.
    pub fn is_idle(&self) -> bool {
        self.changes.is_empty()
    }

    /// What happened, a line for each task.
    pub fn write(&self, out: &mut String) {
        for id in &self.already {
            line(out, format_args!("`{id}` was so already"));
        }
        for change in &self.changes {
            line(out, change.text());
        }
    }

    /// What people are to know besides.
    pub fn say_more(&self, context: &Context) {
        for failed in &self.failed {
            context.output.hint(&hanging(&format!("taskhost: {}", failed.error.message)));
        }
        if self.dry_run {
            context.output.hint("nothing was changed: this only says what would be");
        }
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
fn difference((before, after): Course<'_>) -> Option<Difference> {
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

impl Difference {
    fn text(&self) -> String {
        let id = &self.id;
        match (self.from, self.to) {
            (Some(from), None) => format!("`{id}`: {from} → archived"),
            (Some(from), Some(to)) if from != to => {
                let reason = self.fields.get("reason").and_then(|reason| reason["to"].as_str());
                let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
                format!("`{id}`: {from} → {to}{reason}")
            }
            _ => {
                let fields = self.fields.iter().map(|(name, change)| match name.as_str() {
                    // It may be long.
                    "data" => "data".to_owned(),
                    _ => format!("{name} {} → {}", short(&change["from"]), short(&change["to"])),
                });
                format!("`{id}`: {}", fields.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A value in a few words.
fn short(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".into(),
        Value::Array(items) => items.iter().map(short).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => fields.get("name").map_or_else(|| value.to_string(), short),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use taskhost::{Assignee, Status};

    use super::*;
    use crate::commands::sample;

    #[track_caller]
    fn check(before: &Task, after: Option<&Task>, text: &str) {
        assert_eq!(difference((Some(before), after)).unwrap().text(), text);
    }

    #[test]
    fn change_says_where_a_task_went_and_why_or_else_what_is_new() {
        let before = sample::task();
        let cancelled = Task {
            status: Status::Cancelled,
            claim: None,
            reason: Some("not wanted".into()),
            ..before.clone()
        };
        check(&before, Some(&cancelled), "`build_1`: in_progress → cancelled (not wanted)");
        check(&before, None, "`build_1`: in_progress → archived");
        let assignee = Assignee {
            name: Name::new("carol").unwrap(),
            kind: taskhost::AgentKind::Human,
            hostname: None,
            by: None,
        };
        let labels = vec![Name::new("x").unwrap(), Name::new("y").unwrap()];
        let updated = Task { priority: 5, labels, assignee: Some(assignee), ..before.clone() };
        check(
            &before,
            Some(&updated),
            "`build_1`: assignee none → carol, labels none → x y, priority 0 → 5",
        );
    }

    #[test]
    fn bookkeeping_is_no_change() {
        let before = sample::task();
        let touched = Task { updated_at: taskhost::Millis(9), ..before.clone() };
        assert_eq!(difference((Some(&before), Some(&touched))), None);
    }
}
