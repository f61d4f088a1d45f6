//! `policy show`: which policy decides, and how it is set.

use anyhow::Result;
use serde::Serialize;
use taskhost::domain::PolicyPin;
use taskhost::{Board, Error};

use super::described::Described;
use crate::context::Context;
use crate::exit::Code;
use crate::output::line;

const EXAMPLES: &str = "\
Example:

  taskhost policy show --json";

/// Show the policy that decides, the standard policy behind it, and their settings
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

/// `leading` is asked first; `standard` decides what it leaves open, and is the same if nothing else was set.
#[derive(Serialize)]
struct Answer {
    leading: Described,
    standard: Described,
}

pub fn exec(context: &Context, _: &Args) -> Result<Code> {
    let board = context.open()?;
    let set = board.policies()?;
    let answer = Answer {
        leading: described(&board, set.leading())?,
        standard: described(&board, &set.standard)?,
    };
    context.output.answer(&answer, |out| {
        answer.leading.write(out);
        if set.custom.is_some() {
            line(out, "\nwhat it leaves open is decided by");
            answer.standard.write(out);
        }
    })?;
    Ok(Code::Done)
}

fn described(board: &Board, pin: &PolicyPin) -> Result<Described, Error> {
    Ok(Described::new(board.engine().describe(pin.digest)?, pin.digest, &pin.settings))
}
