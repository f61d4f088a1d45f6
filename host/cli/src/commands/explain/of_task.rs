//! Why a task can or can't be claimed now, and by whom.

use anyhow::Result;
use taskhost::{Agent, Board, Task, TaskId};
use taskhost_answers::{Explained, reserved_for};

use super::{obstacle, quoted, root};
use crate::context::Context;
use crate::output::line;

/// No more beginnings are looked for: where so many are named, there may be others.
const ROOTS_MAX: usize = 10;

pub fn explain(context: &Context, board: &Board, id: &TaskId, agent: Option<&Agent>) -> Result<()> {
    let answer = Explained::new(board, id, agent)?;
    context.output.answer(&answer, |out| write(out, &answer, agent))
}

/// The same for a view that shows the task besides: the task, and why it can or can't be claimed.
pub fn in_words(board: &Board, id: &TaskId) -> Result<(Task, String), taskhost::Error> {
    let answer = Explained::new(board, id, None)?;
    let mut text = String::new();
    write(&mut text, &answer, None);
    Ok((answer.explanation.task, text))
}

fn write(out: &mut String, answer: &Explained, agent: Option<&Agent>) {
    let explanation = &answer.explanation;
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
        obstacle::write(out, obstacle, &answer.relations, agent);
    }
    if answer.holder_ended {
        line(out, "- its holder has ended: the next claim takes it back");
    }
    write_roots(out, &explanation.roots);
    if answer.agent.is_none() && !explanation.task.status.is_finished() {
        if let Some(assignee) = &answer.by.assignee {
            line(out, format_args!("- it is reserved for `{}`", reserved_for(assignee)));
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
