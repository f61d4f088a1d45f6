//! `context`: large values beside the board, which agents leave for each other and for later attempts.
//!
//! - [`Whose`]: a task's values, or those of the agents of a name.
//! - `output`: what `run` left of a task's attempts, which is read here too.

mod append;
mod get;
mod list;
mod output;
mod remove;
mod set;

use anyhow::Result;
use serde::Serialize;
use taskhost::domain::CONTEXT_BYTES_MAX;
use taskhost::{Board, Name, Owner, TaskId};

use crate::context::Context;
use crate::exit::{Code, NoSuchValue};
use crate::input::Source;

const EXAMPLES: &str = "\
Example: what an agent leaves for whoever goes on with the task

  taskhost context set --task build_1a2b3c4d notes @notes.md
  taskhost context get --task build_1a2b3c4d notes

Example: what the agents called alice know

  taskhost context append --agent alice learned 'the linker needs 8 GiB'

Each change replaces one value, whole and durably.";

/// Keep large values, of up to 64 MiB, for a task or an agent
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    Get(get::Args),
    Set(set::Args),
    Append(append::Args),
    List(list::Args),
    Remove(remove::Args),
}

impl Command {
    /// Does it.
    pub fn exec(self, context: &Context) -> Result<Code> {
        match self {
            Self::Get(args) => get::exec(context, &args),
            Self::Set(args) => set::exec(context, &args),
            Self::Append(args) => append::exec(context, &args),
            Self::List(args) => list::exec(context, &args),
            Self::Remove(args) => remove::exec(context, &args),
        }
    }
}

/// Whose values are meant.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// Those of this task
    #[arg(long, value_name = "ID")]
    task: Option<TaskId>,
    /// Those of the agents of this name
    #[arg(long, value_name = "NAME")]
    agent: Option<Name>,
}

impl Whose {
    /// The owner, who must be on the board if it is a task.
    fn owner(&self, board: &Board) -> Result<Owner> {
        match (&self.task, &self.agent) {
            (Some(id), _) => Ok(Owner::Task(board.task(id)?.id)),
            (None, Some(name)) => Ok(Owner::Agent(name.clone())),
            (None, None) => {
                Err(crate::exit::Usage("say whose, with `--task` or `--agent`".into()).into())
            }
        }
    }
}

/// The answer to a change.
#[derive(Serialize)]
struct Kept {
    key: String,
    bytes: u64,
}

fn no_such_value(owner: &Owner, key: &str) -> NoSuchValue {
    let whose = match owner {
        Owner::Task(id) => format!("--task {id}"),
        Owner::Agent(name) => format!("--agent {}", crate::context::shell_word(name.as_str())),
    };
    NoSuchValue(format!("there is no `{key}`: `taskhost context list {whose}` shows what there is"))
}

fn content(value: &Source) -> Result<Vec<u8>> {
    value.bytes(CONTEXT_BYTES_MAX, "keep it elsewhere, and its place here")
}
