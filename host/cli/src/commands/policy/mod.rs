//! `policy`: who decides on a board, and how one makes a policy.

mod build;
mod check;
mod compare;
mod described;
mod limits;
mod list;
mod new;
mod recorded;
mod replay;
mod replaying;
mod set;
mod show;
mod subject;
mod target;
mod test;

use anyhow::Result;

use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example: try a policy, then let it decide on the board, for every agent at one instant

  taskhost policy check newest-first.wasm
  taskhost policy test newest-first.wasm
  taskhost policy set newest-first.wasm

Example: a policy of your own, in Rust, Python, JavaScript or C

  taskhost policy new mine --lang python
  taskhost policy build mine

Example: back to the standard policy, with a setting

  taskhost policy set standard --setting parent=children-first";

/// See, make and set the policy that decides on the board: who gets which task, and what follows
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    List(list::Args),
    Show(show::Args),
    Set(set::Args),
    Check(check::Args),
    Test(test::Args),
    Compare(compare::Args),
    Replay(replay::Args),
    New(new::Args),
    Build(build::Args),
}

impl Command {
    /// Does it.
    pub fn exec(self, context: &Context) -> Result<Code> {
        match self {
            Self::List(args) => list::exec(context, &args),
            Self::Show(args) => show::exec(context, &args),
            Self::Set(args) => set::exec(context, args),
            Self::Check(args) => check::exec(context, &args),
            Self::Test(args) => test::exec(context, &args),
            Self::Compare(args) => compare::exec(context, &args),
            Self::Replay(args) => replay::exec(context, args),
            Self::New(args) => new::exec(context, &args),
            Self::Build(args) => build::exec(context, &args),
        }
    }
}
