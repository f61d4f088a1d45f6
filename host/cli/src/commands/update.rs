//! `update`: what tasks are is changed.

use anyhow::Result;
use taskhost::{Action, Json, Millis, Name, TaskUpdate};

use super::changing::{self, Targets};
use crate::context::Context;
use crate::exit::Code;
use crate::input::{self, Source};
use crate::parse;

const EXAMPLES: &str = "\
Example: more urgent

  taskhost update build_1a2b3c4d --priority 10

Example: another label, and one less, of several tasks

  taskhost update build_1a2b3c4d test_5e6f7a8b --add-label nightly --remove-label draft

Example: for any agent, at any time

  taskhost update build_1a2b3c4d --no-needs --not-before now

What isn't named stays as it is. Who works on a task already isn't disturbed.";

/// Change what tasks are: how urgent, for whom, with which data
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    /// Higher is more urgent
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    priority: Option<i32>,
    /// A label to have instead of those there are; may be given several times
    #[arg(long = "label", value_name = "LABEL", conflicts_with_all = ["add_labels", "remove_labels", "no_labels"])]
    labels: Vec<Name>,
    /// A label to have besides those there are; may be given several times
    #[arg(long = "add-label", value_name = "LABEL", conflicts_with = "no_labels")]
    add_labels: Vec<Name>,
    /// A label to have no longer; may be given several times
    #[arg(long = "remove-label", value_name = "LABEL", conflicts_with = "no_labels")]
    remove_labels: Vec<Name>,
    /// No labels any more
    #[arg(long)]
    no_labels: bool,
    /// Something an agent must be capable of, instead of what there is; may be given several times
    #[arg(long, value_name = "CAP", conflicts_with = "no_needs")]
    needs: Vec<Name>,
    /// Any agent is capable enough
    #[arg(long)]
    no_needs: bool,
    /// Other data: JSON, or `@FILE`, or `-` for standard input
    #[arg(long, value_name = "JSON", value_parser = input::source, allow_hyphen_values = true)]
    data: Option<Source>,
    /// Not to be claimed before this time, in RFC 3339, or `now` for at any time
    #[arg(long, value_name = "TIME", value_parser = not_before)]
    not_before: Option<Millis>,
}

pub fn exec(context: &Context, args: Args) -> Result<Code> {
    let data: Option<Json> = args.data.as_ref().map(Source::json).transpose()?;
    let update = TaskUpdate {
        priority: args.priority,
        labels: list(args.labels, args.no_labels),
        add_labels: args.add_labels,
        remove_labels: args.remove_labels,
        needs: list(args.needs, args.no_needs),
        data,
        not_before: args.not_before,
    };
    changing::exec(context, &args.targets.request(Action::Update(Box::new(update))))
}

/// A list to have instead of the one there is, if one was given.
fn list(names: Vec<Name>, none: bool) -> Option<Vec<Name>> {
    (none || !names.is_empty()).then_some(names)
}

/// A time, or 0 for at any time.
fn not_before(text: &str) -> Result<Millis, String> {
    if text == "now" { Ok(Millis(0)) } else { parse::time(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_that_was_not_named_stays() {
        let name = Name::new("x").unwrap();
        assert_eq!(list(vec![], false), None);
        assert_eq!(list(vec![], true), Some(vec![]));
        assert_eq!(list(vec![name.clone()], false), Some(vec![name]));
    }

    #[test]
    fn now_means_at_any_time() {
        assert_eq!(not_before("now"), Ok(Millis(0)));
        assert!(not_before("1970-01-01T00:00:01Z").is_ok_and(|time| time.0 == 1_000));
        assert!(not_before("later").is_err());
    }
}
