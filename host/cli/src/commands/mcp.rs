//! `mcp`: a server for an agent that speaks the Model Context Protocol.

use anyhow::Result;
use taskhost::{Name, SessionId};
use taskhost_mcp::Options;

use super::asker::Asker;
use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example: what an agent's client is told to start

  taskhost --board /home/ada/work/.taskhost mcp --agent ada

Example: for an agent that can do more, and that goes on from an earlier session of its own if that has ended

  taskhost mcp --agent trainer --capability gpu --session trainer-monday

It is for a client to start, which speaks to it on standard input and output. The server is the agent's session: when the \
client ends, however it ends, what its agent held comes back at once. The README has configurations to copy.";

/// Serve an agent over the Model Context Protocol, on standard input and output
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The agent's name; what its client calls itself if none is given
    #[arg(long, value_name = "NAME", env = "TASKHOST_AGENT", hide_env_values = true)]
    agent: Option<Name>,
    #[command(flatten)]
    asker: Asker,
    /// Which run of the agent this is; one is made up if none is given. What a session of this id held before, and nobody
    /// was given since, this one goes on with
    // Not by `TASKHOST_SESSION`: inside `run` that is the living session of the runner.
    #[arg(long, value_name = "SESSION")]
    session: Option<SessionId>,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let text = |name: &Option<Name>| name.as_ref().map(ToString::to_string);
    let options = Options {
        agent: text(&args.agent),
        kind: args.asker.kind,
        hostname: text(&args.asker.hostname),
        capabilities: args.asker.capabilities.iter().map(ToString::to_string).collect(),
        session: args.session.as_ref().map(ToString::to_string),
    };
    taskhost_mcp::serve(context.open()?, options)?;
    Ok(Code::Done)
}
