//! What an agent would get if it asked for work now, and why not the rest.

use anyhow::Result;
use taskhost::{Agent, Board, Filter, Status};
use taskhost_answers::{Prospects, ReadyFor, Standing};

use crate::context::Context;
use crate::output::line;

/// How many tasks of a kind are named for people; JSON names 50.
const NAMED_MAX: usize = 10;

pub fn explain(context: &Context, board: &Board, agent: &Agent, filter: &Filter) -> Result<()> {
    let answer = Prospects::new(board, agent, filter)?;
    context.output.answer(&answer, |out| write(out, &answer))
}

fn write(out: &mut String, answer: &Prospects) {
    let agent = &answer.agent;
    let because = answer.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    match &answer.next {
        Some(next) => line(
            out,
            format_args!("`{agent}` would get `{}` ({}) now", next.task.id, next.task.task_type),
        ),
        None if answer.refused => line(out, format_args!("the policy refuses `{agent}`{because}")),
        None => line(out, format_args!("`{agent}` would get nothing now{because}")),
    }
    write_named(out, "holds", &answer.holds, answer.holds_total);
    write_named(out, "has reserved for it", &answer.reserved, answer.reserved_total);
    write_ready(out, &answer.ready);
    let rest: Vec<String> = rest(answer)
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if !rest.is_empty() {
        line(out, format_args!("- of the other open tasks, {}", rest.join(", ")));
    }
    if let Some(time) = &answer.next_ready_at {
        line(out, format_args!("- something may change at {time}"));
    }
    for logged in &answer.log {
        line(out, format_args!("policy: {logged}"));
    }
}

fn write_named(out: &mut String, what: &str, tasks: &[Standing], total: u64) {
    if total == 0 {
        return;
    }
    let named: Vec<String> = tasks.iter().take(NAMED_MAX).map(named).collect();
    let more = match total - named.len() as u64 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    line(out, format_args!("- it {what} {total}: {}{more}", named.join(", ")));
}

/// As in `` `build` (pending, waiting) ``; what is in progress goes without saying.
fn named(standing: &Standing) -> String {
    let id = &standing.task.id;
    match (standing.task.status, standing.readiness) {
        ("in_progress", _) => format!("`{id}`"),
        (status, Some(readiness)) => format!("`{id}` ({status}, {readiness})"),
        (status, None) => format!("`{id}` ({status})"),
    }
}

fn write_ready(out: &mut String, ready: &ReadyFor) {
    let (tasks, are) = if ready.total == 1 { ("task", "is") } else { ("tasks", "are") };
    line(out, format_args!("- {} {tasks} {are} ready, {} match", ready.total, ready.matching));
    let mut less = |count: u64, why: &str| {
        if count > 0 {
            line(out, format_args!("  - {count} {why}"));
        }
    };
    less(ready.filtered_out, "of another type, or without a label that is asked for");
    less(ready.for_others, "reserved for somebody else");
    for (capability, count) in &ready.lacking {
        less(*count, &format!("for an agent capable of `{capability}`"));
    }
}

/// The open tasks that aren't ready, by why.
fn rest(answer: &Prospects) -> [(u64, &'static str); 4] {
    let of = |status: Status| answer.counts.get(status.as_str()).copied().unwrap_or_default();
    [
        (of(Status::Pending).saturating_sub(answer.ready.total), "wait"),
        (of(Status::InProgress), "are held"),
        (of(Status::InReview), "are in review"),
        (of(Status::Blocked), "are parked"),
    ]
}
