//! `context list`: which values there are.

use anyhow::{Context as _, Result};
use serde::Serialize;
use taskhost::{Owner, wire};

use super::{Whose, output};
use crate::context::Context;
use crate::exit::Code;
use crate::output::table;
use crate::outputs::Outputs;

const EXAMPLES: &str = "\
Example:

  taskhost context list --task build_1a2b3c4d

For a task, what `taskhost run` kept of its attempts is listed too, as `output/ATTEMPT/FILE`.";

/// List the values of a task or an agent
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    whose: Whose,
}

#[derive(Serialize)]
struct Answer {
    values: Vec<Entry>,
    total: usize,
}

#[derive(Serialize)]
struct Entry {
    key: String,
    bytes: u64,
    changed_at: String,
}

pub fn exec(context: &Context, args: &Args) -> Result<Code> {
    let board = context.open()?;
    let owner = args.whose.owner_of_old(&board)?;
    let own = board.contexts().list(&owner).map_err(taskhost::Error::from)?;
    let mut values: Vec<Entry> = own
        .iter()
        .map(|entry| Entry {
            key: entry.key.to_string(),
            bytes: entry.bytes,
            changed_at: wire::time(entry.changed_at),
        })
        .collect();
    if let Owner::Task(id) = &owner {
        let left = output::list(&Outputs::of(&board)?.path, id);
        let left = left.context("what `run` left can't be listed")?;
        values.extend(left.into_iter().map(|left| Entry {
            key: left.place.to_string(),
            bytes: left.bytes,
            changed_at: wire::time(left.changed_at),
        }));
    }
    let answer = Answer { total: values.len(), values };
    context.output.answer(&answer, |out| {
        let row =
            |entry: &Entry| [entry.key.clone(), entry.bytes.to_string(), entry.changed_at.clone()];
        let rows: Vec<[String; 3]> = answer.values.iter().map(row).collect();
        table(out, ["KEY", "BYTES", "CHANGED"], &rows);
    })?;
    Ok(Code::Done)
}
