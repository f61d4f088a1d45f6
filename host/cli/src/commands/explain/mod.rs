//! `explain`: why a task can or can't be claimed now, and by whom; or what an agent would get.

mod obstacle;
mod of_agent;
mod of_task;
mod root;

use anyhow::Result;
use taskhost::{Agent, Board, Name, TaskId};

pub use self::of_task::in_words;

use super::asker::{Asker, Wanted};
use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example: can anybody claim it, and if not, where does the waiting begin?

  taskhost explain build_1a2b3c4d

Example: can this agent, which can do something?

  taskhost explain build_1a2b3c4d --agent alice --capability gpu

Example: what would this agent get now, and why not the rest?

  taskhost explain --agent alice --type build";

/// Say why a task can or can't be claimed now, and by whom; or what an agent would get now, and why not the rest
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The task; without one, whatever the agent would get
    #[arg(conflicts_with_all = ["types", "labels"])]
    id: Option<TaskId>,
    /// By this agent; by anybody if none is named
    #[arg(long, value_name = "NAME", required_unless_present = "id")]
    agent: Option<Name>,
    #[command(flatten)]
    asker: Asker,
    #[command(flatten)]
    wanted: Wanted,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    let board = context.open()?;
    let agent = args.agent.map(|name| asker(&board, &name, &args.asker)).transpose()?;
    match (args.id, agent) {
        (Some(id), agent) => of_task::explain(context, &board, &id, agent.as_ref())?,
        (None, Some(agent)) => of_agent::explain(context, &board, &agent, &args.wanted.filter())?,
        // The command line isn't accepted without one of them.
        (None, None) => {}
    }
    Ok(Code::Done)
}

fn asker(board: &Board, name: &Name, asker: &Asker) -> Result<Agent, taskhost::Error> {
    Ok(board.session(&asker.session(name, None))?.agent().clone())
}

/// As in `` `a`, `b` ``.
fn quoted<'a>(names: impl IntoIterator<Item = &'a Name>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
