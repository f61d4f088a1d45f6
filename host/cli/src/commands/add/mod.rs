//! `add`: new tasks, one or many.

mod bulk;
mod lines;

use std::path::PathBuf;

use anyhow::Result;
use taskhost::{Assignee, Json, Millis, Name, NewTask, TaskId};
use taskhost_answers::TaskAnswer;

use crate::context::Context;
use crate::exit::Code;
use crate::input::{self, Source};
use crate::output::line;
use crate::parse;

const EXAMPLES: &str = "\
Example: a task, and one that must wait for it; each prints its id

  taskhost add build --id hello --data '{\"crate\": \"hello\"}'
  taskhost add test --after hello --priority 5 --needs gpu

Example: many tasks, a JSON object per line

  echo '{\"type\": \"build\", \"id\": \"b1\", \"data\": {\"n\": 1}}' | taskhost add --from -
  taskhost add --from tasks.jsonl --atomic

The lines have the fields `type`, and if wanted `id parent after priority labels needs assignee data key \
not_before`. Without `--atomic` they are added in order, many at once, and a line may name only tasks of earlier \
lines or of the board; if a line is wrong, those before it stay.";

/// Add a task, or many
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What kind of work it is
    #[arg(value_name = "TYPE", required_unless_present = "from")]
    task_type: Option<Name>,
    #[command(flatten)]
    one: One,
    /// Repeated with the same key, the request gives the same task; with `--from`, every line that has no key
    /// of its own gets `KEY:LINE`, so that what was interrupted can be repeated
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Add the tasks of this file of JSON lines, or of standard input
    #[arg(long, value_name = "FILE.jsonl|-", conflicts_with_all = ["task_type", "One"])]
    from: Option<PathBuf>,
    /// With `--from`: all lines or none, in any order, up to 10000
    #[arg(long, requires = "from")]
    atomic: bool,
}

/// What is said about a single task.
#[derive(Debug, clap::Args)]
struct One {
    /// Its id; one is made of its type and eight hex digits, in the order of creation, if none is given
    #[arg(long, value_name = "ID")]
    id: Option<TaskId>,
    /// The task it is a part of
    #[arg(long, value_name = "ID")]
    parent: Option<TaskId>,
    /// A task that must come before it; may be given several times
    #[arg(long, value_name = "ID")]
    after: Vec<TaskId>,
    /// Higher is more urgent; 0 unless given
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    priority: Option<i32>,
    /// A word to find it by; may be given several times
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<Name>,
    /// Something an agent must be capable of; may be given several times
    #[arg(long, value_name = "CAP")]
    needs: Vec<Name>,
    /// For whom it is reserved: only an agent of this name can claim it
    #[arg(long, value_name = "NAME")]
    assignee: Option<Name>,
    /// Whatever the agent needs to know: JSON, or `@FILE`, or `-` for standard input
    #[arg(long, value_name = "JSON", value_parser = input::source, allow_hyphen_values = true)]
    data: Option<Source>,
    /// Not to be claimed before this time, in RFC 3339
    #[arg(long, value_name = "TIME", value_parser = parse::time)]
    not_before: Option<Millis>,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    match (args.from, args.task_type) {
        (Some(from), _) => bulk::exec(context, &from, args.atomic, args.key.as_deref()),
        (None, Some(task_type)) => add_one(context, task_type, args.one, args.key),
        (None, None) => {
            Err(crate::exit::Usage("give the task's type, or `--from FILE.jsonl`".into()).into())
        }
    }
}

fn add_one(context: &Context, task_type: Name, one: One, key: Option<String>) -> Result<Code> {
    let data: Option<Json> = one.data.as_ref().map(Source::json).transpose()?;
    let new = NewTask {
        id: one.id,
        parent: one.parent,
        after: one.after,
        priority: one.priority.unwrap_or_default(),
        labels: one.labels,
        needs: one.needs,
        assignee: one.assignee.map(reserved_for),
        data: data.unwrap_or_default(),
        key,
        not_before: one.not_before,
        ..NewTask::new(task_type)
    };
    for outcome in context.open()?.add(std::slice::from_ref(&new))? {
        let answer = TaskAnswer::from(&outcome);
        context.output.answer(&answer, |out| line(out, &answer.task.id))?;
        if answer.repeated {
            context.output.hint("this is the task that the same key added before");
        }
    }
    Ok(Code::Done)
}

fn reserved_for(name: Name) -> Assignee {
    Assignee { name, kind: taskhost::AgentKind::Agent, hostname: None, by: None }
}
