//! The commands, one file each: the help text, the arguments, `exec`, then helpers in the order of their calls.

mod add;
mod agents_md;
mod archive;
mod asker;
mod assign;
mod block;
mod cancel;
mod changing;
mod claim;
mod compact;
mod complete;
mod config;
mod context;
mod doctor;
mod explain;
mod export;
mod fail;
mod heartbeat;
mod history;
mod holder;
mod hook_figures;
mod import;
mod init;
mod list;
mod lock;
mod mcp;
mod meta;
mod migrate;
mod policy;
mod prime;
mod release;
mod retry;
mod review;
mod run;
mod show;
mod stats;
mod status;
mod task_text;
mod tree;
mod unassign;
mod unblock;
mod update;
mod wanted;
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
    Assign(assign::Args),
    Unassign(unassign::Args),
    Update(update::Args),
    Cancel(cancel::Args),
    Retry(retry::Args),
    Block(block::Args),
    Unblock(unblock::Args),
    Review(review::Args),
    Archive(archive::Args),
    Show(show::Args),
    List(list::Args),
    Tree(tree::Args),
    Status(status::Args),
    Explain(explain::Args),
    History(history::Args),
    Watch(watch::Args),
    Stats(stats::Args),
    Lock(lock::Args),
    Run(run::Args),
    Prime(prime::Args),
    Mcp(mcp::Args),
    Export(export::Args),
    Import(import::Args),
    Migrate(migrate::Args),
    Compact(compact::Args),
    Doctor(doctor::Args),
    #[command(subcommand)]
    Policy(policy::Command),
    #[command(subcommand)]
    Config(config::Command),
    #[command(subcommand)]
    Meta(meta::Command),
    #[command(subcommand)]
    Context(context::Command),
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
            Self::Assign(args) => assign::exec(context, args),
            Self::Unassign(args) => unassign::exec(context, args),
            Self::Update(args) => update::exec(context, args),
            Self::Cancel(args) => cancel::exec(context, args),
            Self::Retry(args) => retry::exec(context, args),
            Self::Block(args) => block::exec(context, args),
            Self::Unblock(args) => unblock::exec(context, args),
            Self::Review(args) => review::exec(context, args),
            Self::Archive(args) => archive::exec(context, args),
            Self::Show(args) => show::exec(context, &args),
            Self::List(args) => list::exec(context, args),
            Self::Tree(args) => tree::exec(context, &args),
            Self::Status(args) => status::exec(context, &args),
            Self::Explain(args) => explain::exec(context, args),
            Self::History(args) => history::exec(context, &args),
            Self::Watch(args) => watch::exec(context, &args),
            Self::Stats(args) => stats::exec(context, &args),
            Self::Lock(args) => lock::exec(context, &args),
            Self::Run(args) => run::exec(context, args),
            Self::Prime(args) => prime::exec(context, &args),
            Self::Mcp(args) => mcp::exec(context, &args),
            Self::Export(args) => export::exec(context, &args),
            Self::Import(args) => import::exec(context, &args),
            Self::Migrate(args) => migrate::exec(context, &args),
            Self::Compact(args) => compact::exec(context, &args),
            Self::Doctor(args) => doctor::exec(context, &args),
            Self::Policy(command) => command.exec(context),
            Self::Config(command) => command.exec(context),
            Self::Meta(command) => command.exec(context),
            Self::Context(command) => command.exec(context),
        }
    }
}
