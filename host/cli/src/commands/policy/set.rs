//! `policy set`: another policy, or other settings.

use std::ffi::{OsStr, OsString};

use anyhow::Result;
use serde::Serialize;
use taskhost::domain::{Error as BoardError, PolicyPin};
use taskhost::{Digest, PolicyChange, PolicyTarget};

use super::target::target;
use crate::context::{Context, slowly};
use crate::exit::{Code, Usage};
use crate::output::line;
use crate::parse;

const EXAMPLES: &str = "\
Example: another policy, for agents that are running already too

  taskhost policy set newest-first.wasm

Example: the standard policy, with a setting

  taskhost policy set standard --setting parent=children-first

Example: another setting for whichever policy leads now, and one for the standard policy behind it

  taskhost policy set current --setting depth=3
  taskhost policy set current --standard-setting lease=1h

Example: back to one that led before, as `policy list` has it

  taskhost policy set fd210bfe

Example: a policy that gets less than the board allows; `host.memory` and `host.steps` are there for every policy, too

  taskhost policy set current --setting host.deadline=200ms

A setting that isn't named keeps its value; given its default, it is as if it had never been set.

A file called `standard` or `current` is named `./standard`.";

/// Set the policy that decides on the board, or its settings, for every process at one instant
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A component; or `standard`, the standard policy alone; or `current`, the one that leads now; or the digest of one
    /// that led before
    #[arg(value_name = "P.wasm|standard|current|DIGEST")]
    target: OsString,
    /// A setting of the policy that is to lead; may be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = parse::setting)]
    settings: Vec<(String, String)>,
    /// A setting of the standard policy, where another one leads; may be given several times
    #[arg(long = "standard-setting", value_name = "NAME=VALUE", value_parser = parse::setting)]
    standard_settings: Vec<(String, String)>,
    /// Only if the policy that leads now is this one, as `policy show` says it
    #[arg(long, value_name = "DIGEST")]
    expect: Option<Digest>,
}

#[derive(Serialize)]
struct Answer {
    leading: PolicyPin,
    standard: PolicyPin,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    let board = context.open()?;
    let change = PolicyChange {
        target: target(&board, &args.target)?,
        settings: args.settings.into_iter().collect(),
        standard_settings: args.standard_settings.into_iter().collect(),
        expect: args.expect,
    };
    let before = board.policies()?;
    let set = slowly("setting the policy, and asking it about every open task", || {
        board.set_policy(&change)
    })
    .map_err(|error| with_hint(error, &change, before.custom.is_some()))
    .map_err(|error| of_file(error, &args.target))?;
    let about = board.engine().describe(set.leading().digest).map_err(taskhost::Error::from)?;
    let answer = Answer { leading: set.leading().clone(), standard: set.standard.clone() };
    context.output.answer(&answer, |out| {
        let digest = answer.leading.digest.short();
        let (name, version) = (&about.name, &about.version);
        let decides = match before.leading().digest {
            old if old == answer.leading.digest => "goes on deciding: it led already".into(),
            old => format!("decides from now on, instead of {}", old.short()),
        };
        line(out, format_args!("{name} {version} ({digest}) {decides}"));
        for (name, value) in &answer.leading.settings {
            line(out, format_args!("  {name}={value}"));
        }
        if answer.standard.digest != answer.leading.digest {
            for (name, value) in &answer.standard.settings {
                line(out, format_args!("  of the standard policy behind it: {name}={value}"));
            }
        }
    })?;
    Ok(Code::Done)
}

/// Names the file of a component that isn't a policy: all that the failure knows is its digest.
fn of_file(error: anyhow::Error, target: &OsStr) -> anyhow::Error {
    match error.downcast_ref::<taskhost::Error>() {
        Some(taskhost::Error::Board(BoardError::Policy(_))) => {
            let shown = target.to_string_lossy().into_owned();
            error.context(format!("`{shown}` can't be set"))
        }
        _ => error,
    }
}

/// Who sets `lease` while a policy of their own leads may mean the standard one's.
fn with_hint(error: taskhost::Error, change: &PolicyChange, another_leads: bool) -> anyhow::Error {
    let another_leads = match change.target {
        PolicyTarget::Component(_) => true,
        PolicyTarget::Current => another_leads,
        PolicyTarget::Standard => false,
    };
    match error {
        taskhost::Error::Board(BoardError::Invalid(why)) if another_leads => {
            let is_unknown = |name: &String| why.contains(&format!("has no setting `{name}`"));
            let hint = if change.settings.keys().any(is_unknown) {
                "; the standard policy's are set with `--standard-setting`"
            } else {
                ""
            };
            Usage(format!("{why}{hint}")).into()
        }
        other => other.into(),
    }
}
