//! What shows that a request comes from a task's holder, and the answer to one.

use std::str::FromStr;

use anyhow::Result;
use taskhost::wire::WireTask;
use taskhost::{Held, Name, Proof, TaskId, Token};
use taskhost_answers::TaskAnswer;

use crate::context::Context;
use crate::exit::Usage;

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

/// Which claim is presented by a command that doesn't always need one: the environment is asked only when the command
/// says so, so that what stands there is in nobody's way.
#[derive(Debug, clap::Args)]
pub struct Claimant {
    /// The agent that claimed it; `TASKHOST_AGENT` unless it is named
    #[arg(long, value_name = "NAME")]
    agent: Option<Name>,
    /// The token that `claim` gave; `TASKHOST_TOKEN` unless it is named
    #[arg(long, value_name = "N")]
    token: Option<Token>,
}

impl Claimant {
    /// Whether the command line says anything of a claim.
    pub fn is_named(&self) -> bool {
        self.agent.is_some() || self.token.is_some()
    }

    /// The proof that the command line gives, and the environment where it says nothing.
    pub fn proof(&self) -> Result<Proof, Usage> {
        let agent = match &self.agent {
            Some(agent) => agent.clone(),
            None => of_environment("TASKHOST_AGENT")?.ok_or_else(|| {
                Usage("say who holds the task, with `--agent` or `TASKHOST_AGENT`".into())
            })?,
        };
        let token = match self.token {
            Some(token) => Some(token),
            None => of_environment("TASKHOST_TOKEN")?,
        };
        Ok(Proof { agent, token })
    }

    /// The proof that the environment alone gives.
    pub fn of_environment() -> Result<Option<Proof>, Usage> {
        let Some(agent) = of_environment("TASKHOST_AGENT")? else { return Ok(None) };
        Ok(Some(Proof { agent, token: of_environment("TASKHOST_TOKEN")? }))
    }
}

fn of_environment<T: FromStr>(name: &str) -> Result<Option<T>, Usage>
where
    T::Err: std::fmt::Display,
{
    let Some(text) = std::env::var_os(name) else { return Ok(None) };
    let text = text.to_string_lossy();
    match text.parse() {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(Usage(format!("`{text}` can't be the value of `{name}`: {error}"))),
    }
}

/// Answers a holder: `text` says in a few words what became of the task.
pub fn answer(
    context: &Context,
    held: &Held,
    text: impl FnOnce(&WireTask) -> String,
) -> Result<()> {
    let answer = TaskAnswer::from(held);
    context.output.answer(&answer, |out| {
        let again =
            if answer.repeated { " (this was done before by the same request)" } else { "" };
        crate::output::line(
            out,
            format_args!("`{}` {}{again}", answer.task.id, text(&answer.task)),
        );
    })
}
