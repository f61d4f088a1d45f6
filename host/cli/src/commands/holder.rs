//! What shows that a request comes from a task's holder, and the answer to one.

use anyhow::Result;
use serde::Serialize;
use taskhost::wire::WireTask;
use taskhost::{Held, Name, Proof, TaskId, Token};

use crate::context::Context;

/// Which claim, and whose.
#[derive(Debug, clap::Args)]
pub struct Holder {
    /// The task
    pub id: TaskId,
    /// The agent that claimed it
    #[arg(long, value_name = "NAME", env = "TASKHOST_AGENT", hide_env_values = true)]
    agent: Name,
    /// The token that `claim` gave; only an unfenced board does without
    #[arg(long, value_name = "N", env = "TASKHOST_TOKEN", hide_env_values = true)]
    token: Option<Token>,
}

impl Holder {
    pub fn proof(&self) -> Proof {
        Proof { agent: self.agent.clone(), token: self.token }
    }
}

#[derive(Serialize)]
struct Answer {
    task: WireTask,
    repeated: bool,
}

/// Answers a holder: `text` says in a few words what became of the task.
pub fn answer(
    context: &Context,
    held: &Held,
    text: impl FnOnce(&WireTask) -> String,
) -> Result<()> {
    let answer = Answer { task: WireTask::from(&*held.task), repeated: held.repeated };
    context.output.answer(&answer, |out| {
        let again =
            if answer.repeated { " (this was done before by the same request)" } else { "" };
        crate::output::line(
            out,
            format_args!("`{}` {}{again}", answer.task.id, text(&answer.task)),
        );
    })
}
