//! `block`: tasks are parked, usually with a question.

use anyhow::Result;
use taskhost::{Action, Board, Proof};

use super::changing::{Answer, Targets};
use super::holder::Claimant;
use crate::context::Context;
use crate::exit::{Code, Usage};

const EXAMPLES: &str = "\
Example: its holder can't go on without an answer

  taskhost block build_1a2b3c4d --agent alice --token 17 --reason 'which of the two licences?'

Example: an operator stops what nobody should work on now, whoever holds it

  taskhost block build_1a2b3c4d test_5e6f7a8b --force --reason 'the server is down'

Nobody can claim a parked task until `taskhost unblock`. A holder who parks its task gets the attempt back; somebody \
else's task is parked only with `--force`.";

/// Park tasks that can't be worked on now
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    claimant: Claimant,
    /// Park what somebody holds, too
    #[arg(long, conflicts_with_all = ["agent", "token"])]
    force: bool,
    /// Why, or what is to be answered first
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    if args.claimant.is_named() && args.targets.ids.len() > 1 {
        return Err(Usage("a token holds one task: park the others without it".into()).into());
    }
    let board = context.open()?;
    let proof = if args.force { None } else { proof(&board, &args)? };
    let action = Action::Block { reason: args.reason, proof, force: args.force };
    let request = args.targets.request(action);
    let changed = board.change(&request)?;
    Answer::new(&board, &request, &changed).give(context)
}

/// What is named on the command line is meant. What stands in the environment may be about another task, which the
/// agent works on while it parks this one: it is presented only for the task that it holds.
fn proof(board: &Board, args: &Args) -> Result<Option<Proof>> {
    if args.claimant.is_named() {
        return Ok(Some(args.claimant.proof()?));
    }
    let ([id], Some(proof)) = (&*args.targets.ids, Claimant::of_environment()?) else {
        return Ok(None);
    };
    let claim = board.task(id).ok().and_then(|task| task.claim);
    let holds = claim.is_some_and(|claim| {
        claim.agent == proof.agent && proof.token.is_none_or(|token| token == claim.token)
    });
    Ok(Some(proof).filter(|_| holds))
}
