//! What the commands that change tasks have in common: which tasks, how, and what is answered.
//!
//! - [`Targets`] and [`Asked`]: the arguments.
//! - [`Answer`]: what became of the tasks that were named, what followed for others, and what failed. Its exit code is
//!   that of the first failure.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use taskhost::wire::WireTask;
use taskhost::{Action, Board, ChangeRequest, Changed, Name, TaskId};
use taskhost_answers::{ChangeAnswer, Difference};

use crate::context::Context;
use crate::exit::Code;
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

/// What became of the tasks, as it is told.
#[derive(Serialize)]
#[serde(transparent)]
pub struct Answer(ChangeAnswer);

impl Answer {
    /// The answer to a request.
    pub fn new(board: &Board, request: &ChangeRequest, changed: &Changed) -> Self {
        Self(ChangeAnswer::new(board, request, changed))
    }

    /// Gives it, and says with which code to end.
    pub fn give(&self, context: &Context) -> Result<Code> {
        context.output.answer(self, |out| self.write(out))?;
        self.say_more(context);
        Ok(self.0.error.as_ref().map_or(Code::Done, |error| error.kind.into()))
    }

    /// The first task that was named.
    pub fn first(&self) -> Option<&WireTask> {
        self.0.tasks.first()
    }

    /// Whether there was nothing to do.
    pub fn is_idle(&self) -> bool {
        self.0.changes.is_empty()
    }

    /// What happened, a line for each task.
    pub fn write(&self, out: &mut String) {
        for id in &self.0.already {
            line(out, format_args!("`{id}` was so already"));
        }
        for change in &self.0.changes {
            line(out, text(change));
        }
    }

    /// What people are to know besides.
    pub fn say_more(&self, context: &Context) {
        for failed in &self.0.failed {
            context.output.hint(&hanging(&format!("taskhost: {}", failed.error.message)));
        }
        if self.0.dry_run {
            context.output.hint("nothing was changed: this only says what would be");
        }
    }
}

/// What changed of a task, as a line.
fn text(difference: &Difference) -> String {
    let id = &difference.id;
    match (difference.from, difference.to) {
        (Some(from), None) => format!("`{id}`: {from} → archived"),
        (Some(from), Some(to)) if from != to => {
            let reason = difference.fields.get("reason").and_then(|reason| reason["to"].as_str());
            let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("`{id}`: {from} → {to}{reason}")
        }
        _ => {
            let fields = difference.fields.iter().map(|(name, change)| match name.as_str() {
                // It may be long.
                "data" => "data".to_owned(),
                _ => format!("{name} {} → {}", short(&change["from"]), short(&change["to"])),
            });
            format!("`{id}`: {}", fields.collect::<Vec<_>>().join(", "))
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
    use taskhost::{Assignee, Status, Task};
    use taskhost_answers::{difference, sample};

    use super::*;

    #[track_caller]
    fn check(before: &Task, after: Option<&Task>, expected: &str) {
        assert_eq!(text(&difference((Some(before), after)).unwrap()), expected);
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
