//! `list`: the tasks of a board, a page at a time.

use anyhow::Result;
use taskhost::{ListQuery, Name, Status, TaskId};
use taskhost_answers::{Listed, Standing};

use crate::context::Context;
use crate::exit::Code;
use crate::output::{line, table};
use crate::parse;

/// The largest page.
const LIMIT_MAX: u64 = 10_000;

const EXAMPLES: &str = "\
Example: what agents work on now

  taskhost list --status in_progress

Example: what could be claimed now, and what is reserved for somebody

  taskhost list --ready
  taskhost list --assignee alice

Example: the page after the one that ended with `next page: --cursor 50`

  taskhost list --type build --cursor 50 --json";

/// List tasks in the order in which they were added
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only tasks of this status; may be given several times, for any of them
    #[arg(long = "status", value_name = "STATUS", value_parser = parse::status)]
    statuses: Vec<Status>,
    /// Only tasks of this type; may be given several times, for any of them
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<Name>,
    /// Only tasks with this label; may be given several times, for all of them
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<Name>,
    /// Only children of this task
    #[arg(long, value_name = "ID")]
    parent: Option<TaskId>,
    /// Only what agents of this name hold
    #[arg(long, value_name = "NAME")]
    agent: Option<Name>,
    /// Only what is reserved for agents of this name
    #[arg(long, value_name = "NAME")]
    assignee: Option<Name>,
    /// Only what can be claimed now, by somebody who fits
    #[arg(long)]
    ready: bool,
    /// Only what has no parent
    #[arg(long, conflicts_with = "parent")]
    roots: bool,
    /// How many at most, up to 10000
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=LIMIT_MAX))]
    limit: u64,
    /// Where the page begins, as the page before it said
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<u64>,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    let query = ListQuery {
        statuses: args.statuses,
        types: args.types,
        labels: args.labels,
        parent: args.parent,
        assignee: args.assignee,
        ready: args.ready,
        roots: args.roots,
        agent: args.agent,
        past: args.cursor,
        limit: usize::try_from(args.limit).unwrap_or(usize::MAX),
    };
    let answer = Listed::from(&context.open()?.list(&query)?);
    context.output.answer(&answer, |out| write(out, &answer))?;
    if let Some(cursor) = &answer.next_cursor {
        context.output.hint(&format!("next page: --cursor {cursor}"));
    }
    Ok(Code::Done)
}

fn write(out: &mut String, answer: &Listed) {
    if !answer.tasks.is_empty() {
        let rows: Vec<[String; 7]> = answer.tasks.iter().map(row).collect();
        table(out, ["ID", "TYPE", "STATUS", "READY", "PRIORITY", "NEEDS", "WHO"], &rows);
    }
    line(out, format_args!("{} of {}", answer.tasks.len(), answer.total));
}

/// What a parked task was parked with, of which one line is enough here.
fn question(standing: &Standing) -> Option<String> {
    let reason = standing.task.reason.as_ref().filter(|_| standing.task.status == "blocked")?;
    Some(format!("parked: {}", reason.lines().next().unwrap_or_default()))
}

fn row(standing: &Standing) -> [String; 7] {
    let task = &standing.task;
    [
        task.id.clone(),
        task.task_type.clone(),
        task.status.into(),
        standing.readiness.unwrap_or_default().into(),
        task.priority.to_string(),
        task.needs.join(","),
        standing.who().or_else(|| question(standing)).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use taskhost::domain::Page;

    use super::*;

    #[test]
    fn list_says_how_many_there_are_and_where_the_next_page_begins() {
        let json =
            crate::output::json(&Listed::from(&Page { tasks: vec![], total: 120, next: Some(50) }))
                .unwrap();
        assert_eq!(json, r#"{"schema":1,"tasks":[],"total":120,"next_cursor":"50"}"#);
    }
}
