//! `release`: a holder hands its task back, or an operator takes it.

use anyhow::Result;
use serde::Serialize;
use taskhost::wire::WireTask;
use taskhost::{Action, ChangeRequest, Finish, TaskId};

use super::changing::{Answer, Asked};
use super::holder::{self, Claimant};
use crate::context::Context;
use crate::exit::Code;

const EXAMPLES: &str = "\
Example:

  taskhost release build_1a2b3c4d --agent alice --token 17 --reason 'needs a larger machine'

Example: an operator takes it from whoever holds it

  taskhost release build_1a2b3c4d --force --by olga --reason 'alice hangs'

Somebody else can claim the task at once. The attempt of a holder who hands its task back isn't counted, that of one \
who loses it is.";

/// Hand a claimed task back, or take it from its holder
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The task
    id: TaskId,
    #[command(flatten)]
    claimant: Claimant,
    /// Take it from its holder, without a token
    #[arg(long, conflicts_with_all = ["agent", "token"])]
    force: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

/// What a holder is answered, and what an operator is.
#[derive(Serialize)]
struct Taken {
    task: Option<WireTask>,
    repeated: bool,
    #[serde(flatten)]
    answer: Answer,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    if args.force {
        return take(context, args);
    }
    if args.asked.dry_run {
        let why = "`--dry-run` is for `--force`: a holder's release does nothing unexpected";
        return Err(crate::exit::Usage(why.into()).into());
    }
    let proof = args.claimant.proof()?;
    let held = context.open()?.finish(&args.id, &proof, &Finish::Release(args.reason))?;
    holder::answer(context, &held, |task| format!("is {} again", task.status))?;
    Ok(Code::Done)
}

fn take(context: &Context, args: Args) -> Result<Code> {
    let board = context.open()?;
    let request = ChangeRequest {
        ids: vec![args.id],
        action: Action::Release { reason: args.reason },
        by: args.asked.by,
        // One task: what goes wrong is the command's error.
        together: true,
        dry_run: args.asked.dry_run,
    };
    let changed = board.change(&request)?;
    let answer = Answer::new(&board, &request, &changed);
    let taken = Taken { task: answer.first().cloned(), repeated: answer.is_idle(), answer };
    context.output.answer(&taken, |out| taken.answer.write(out))?;
    taken.answer.say_more(context);
    Ok(Code::Done)
}
