//! The commands, one file each: the help text, the arguments, `exec`, then helpers in the order of their calls.

mod add;
mod asker;
mod claim;
mod complete;
mod doctor;
mod events;
mod explain;
mod fail;
mod heartbeat;
mod history;
mod holder;
mod init;
mod list;
mod policy;
mod release;
mod run;
#[cfg(test)]
pub mod sample;
mod show;
mod standing;
mod stats;
mod status;
mod task_text;
mod tree;
mod watch;

use anyhow::Result;

use crate::context::Context;
use crate::exit::Code;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Init(init::Args),
    Add(add::Args),
    Claim(claim::Args),
    Heartbeat(heartbeat::Args),
    Complete(complete::Args),
    Fail(fail::Args),
    Release(release::Args),
    Show(show::Args),
    List(list::Args),
    Tree(tree::Args),
    Status(status::Args),
    Explain(explain::Args),
    History(history::Args),
    Watch(watch::Args),
    Stats(stats::Args),
    Run(run::Args),
    Doctor(doctor::Args),
    #[command(subcommand)]
    Policy(policy::Command),
}

impl Command {
    /// Does it.
    pub fn exec(self, context: &Context) -> Result<Code> {
        match self {
            Self::Init(args) => init::exec(context, &args),
            Self::Add(args) => add::exec(context, args),
            Self::Claim(args) => claim::exec(context, args),
            Self::Heartbeat(args) => heartbeat::exec(context, &args),
            Self::Complete(args) => complete::exec(context, &args),
            Self::Fail(args) => fail::exec(context, args),
            Self::Release(args) => release::exec(context, args),
            Self::Show(args) => show::exec(context, &args),
            Self::List(args) => list::exec(context, args),
            Self::Tree(args) => tree::exec(context, &args),
            Self::Status(args) => status::exec(context, &args),
            Self::Explain(args) => explain::exec(context, args),
            Self::History(args) => history::exec(context, &args),
            Self::Watch(args) => watch::exec(context, &args),
            Self::Stats(args) => stats::exec(context, &args),
            Self::Run(args) => run::exec(context, args),
            Self::Doctor(args) => doctor::exec(context, &args),
            Self::Policy(command) => command.exec(context),
        }
    }
}
