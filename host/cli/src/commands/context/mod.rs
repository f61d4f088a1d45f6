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

use anyhow::{Context as _, Result};
use serde::Serialize;
use taskhost::domain::CONTEXT_BYTES_MAX;
use taskhost::domain::Error as BoardError;
use taskhost::{Board, Error, Name, Owner, TaskId};

use crate::context::Context;
use crate::exit::{Code, NoSuchValue};
use crate::input::Source;
use crate::output::line;
use crate::outputs::Outputs;

const EXAMPLES: &str = "\
Example: what an agent leaves for whoever goes on with the task

  taskhost context set --task build_1a2b3c4d notes @notes.md
  taskhost context get --task build_1a2b3c4d notes

Example: what the agents called alice know

  taskhost context append --agent alice learned 'the linker needs 8 GiB'

Each change replaces one value, whole and durably. What a task left stays when it is archived, and can be read and \
removed.";

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
    /// The owner of values that are there: a task, even if it was archived since, as long as it has left some.
    fn owner_of_old(&self, board: &Board) -> Result<Owner> {
        let Some(id) = &self.task else { return self.owner(board) };
        match board.task(id) {
            Err(missing @ Error::Board(BoardError::NoSuchTask(_))) => {
                let owner = Owner::Task(id.clone());
                let values = board.contexts().list(&owner).map_err(Error::from)?;
                let has_left = !values.is_empty()
                    || !output::list(&Outputs::of(board)?.path, id)
                        .context("what `run` left can't be listed")?
                        .is_empty();
                if has_left { Ok(owner) } else { Err(missing.into()) }
            }
            found => Ok(Owner::Task(found?.id)),
        }
    }

    /// The owner of what is to be kept, who must be on the board if it is a task.
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

impl Kept {
    fn answer(&self, context: &Context) -> Result<Code> {
        context.output.answer(self, |out| {
            line(out, format_args!("`{}` has {} bytes", self.key, self.bytes));
        })?;
        Ok(Code::Done)
    }
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
