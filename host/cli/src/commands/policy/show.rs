//! `policy show`: which policy decides, and how it is set.

use anyhow::Result;
use serde::Serialize;
use taskhost::Error;
use taskhost::domain::PolicyPin;

use super::described::Described;
use super::limits::{self, Limit};
use crate::context::Context;
use crate::exit::Code;
use crate::output::line;
use taskhost_answers::HookFigures;

const EXAMPLES: &str = "\
Example:

  taskhost policy show --json";

/// Show the policy that decides, the standard policy behind it, their settings and limits, and what asking them takes
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

/// `leading` is asked first; `standard` decides what it leaves open, and is the same if nothing else was set.
#[derive(Serialize)]
struct Answer {
    leading: OnBoard,
    standard: OnBoard,
    asked: HookFigures,
}

/// A policy, and the limits of its own that it was given.
#[derive(Serialize)]
struct OnBoard {
    #[serde(flatten)]
    policy: Described,
    limits: Vec<Limit>,
}

impl OnBoard {
    fn write(&self, out: &mut String) {
        self.policy.write(out);
        limits::write(out, &self.limits);
    }
}

pub fn exec(context: &Context, _: &Args) -> Result<Code> {
    let board = context.open()?;
    let view = board.view()?;
    let (set, allowed) = (view.policies()?, view.settings()?.policy_limits);
    let described = |pin: &PolicyPin| -> Result<OnBoard, Error> {
        let about = board.engine().describe(pin.digest)?;
        let policy = Described::new(about, pin.digest, &pin.settings);
        Ok(OnBoard { policy, limits: limits::limits(pin, &allowed) })
    };
    let answer = Answer {
        leading: described(set.leading())?,
        standard: described(&set.standard)?,
        asked: HookFigures::new(&board.figures()?),
    };
    context.output.answer(&answer, |out| {
        answer.leading.write(out);
        if set.custom.is_some() {
            line(out, "");
            line(out, "what it leaves open is decided by");
            answer.standard.write(out);
        }
        crate::commands::hook_figures::write_table(&answer.asked, out);
    })?;
    Ok(Code::Done)
}
