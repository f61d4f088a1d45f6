//! Why a task can or can't be claimed now, and by whom.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use taskhost::wire::{WireAssignee, WireTask};
use taskhost::{Agent, Board, Explanation, Task, TaskId};

use super::relation::{self, Relations};
use super::{obstacle, quoted, root};
use crate::commands::task_text;
use crate::context::Context;
use crate::output::line;

/// No more beginnings are looked for: where so many are named, there may be others.
const ROOTS_MAX: usize = 10;

/// `roots`: where the waiting begins, the first 10. `by`: who may claim it once nothing else is in the way.
#[derive(Serialize)]
struct Answer {
    task: WireTask,
    agent: Option<String>,
    claimable: bool,
    obstacles: Vec<Value>,
    roots: Vec<Value>,
    by: By,
    log: Vec<String>,
}

#[derive(Serialize)]
struct By {
    assignee: Option<WireAssignee>,
    needs: Vec<String>,
}

pub fn explain(context: &Context, board: &Board, id: &TaskId, agent: Option<&Agent>) -> Result<()> {
    let explanation = board.explain(id, agent)?;
    let relations = relation::of(&*board.view()?, &explanation.task, &explanation.obstacles)?;
    let answer = answer(&explanation, &relations, agent);
    context.output.answer(&answer, |out| write(out, &explanation, &relations, &answer, agent))
}

/// The same for a view that shows the task besides: the task, and why it can or can't be claimed.
pub fn in_words(board: &Board, id: &TaskId) -> Result<(Task, String), taskhost::Error> {
    let explanation = board.explain(id, None)?;
    let relations = relation::of(&*board.view()?, &explanation.task, &explanation.obstacles)?;
    let answer = answer(&explanation, &relations, None);
    let mut text = String::new();
    write(&mut text, &explanation, &relations, &answer, None);
    Ok((explanation.task, text))
}

fn answer(explanation: &Explanation, relations: &Relations, agent: Option<&Agent>) -> Answer {
    let obstacles = explanation.obstacles.iter();
    let task = WireTask::from(&explanation.task);
    Answer {
        agent: agent.map(|agent| agent.name.to_string()),
        claimable: explanation.obstacles.is_empty(),
        obstacles: obstacles.map(|obstacle| obstacle::json(obstacle, relations)).collect(),
        roots: explanation.roots.iter().map(root::json).collect(),
        by: By { assignee: task.assignee.clone(), needs: task.needs.clone() },
        log: explanation.log.clone(),
        task,
    }
}

fn write(
    out: &mut String,
    explanation: &Explanation,
    relations: &Relations,
    answer: &Answer,
    agent: Option<&Agent>,
) {
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
        obstacle::write(out, obstacle, relations, agent);
    }
    write_roots(out, &explanation.roots);
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

fn write_roots(out: &mut String, roots: &[Task]) {
    let Some((first, others)) = roots.split_first() else { return };
    if others.is_empty() {
        line(out, format_args!("- it begins with: `{}`, {}", first.id, root::in_words(first)));
        return;
    }
    let among = if roots.len() < ROOTS_MAX { "" } else { " these, and maybe others" };
    line(out, format_args!("- it begins with{among}:"));
    for task in roots {
        line(out, format_args!("  - `{}`, {}", task.id, root::in_words(task)));
    }
}
