//! `policy list`: the policies that are kept on a board.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use taskhost::{Board, Change, Digest, Error, Sequence, wire};

use crate::context::Context;
use crate::exit::Code;
use crate::output::table;

const EXAMPLES: &str = "\
Example:

  taskhost policy list

Example: back to one that led before, by as many digits of its digest as tell it from the others

  taskhost policy set fd210bfe";

/// List the policies that are kept on the board, and which of them decide
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

#[derive(Serialize)]
struct Answer {
    policies: Vec<Kept>,
    total: usize,
}

/// `role`: `leading`, `standard` (decides what the leading one leaves open), or nothing.
#[derive(Serialize)]
struct Kept {
    digest: String,
    name: String,
    version: String,
    role: Option<&'static str>,
    set_at: Option<String>,
}

pub fn exec(context: &Context, _: &Args) -> Result<Code> {
    let policies = kept(&context.open()?)?;
    let answer = Answer { total: policies.len(), policies };
    context.output.answer(&answer, |out| {
        let rows: Vec<[String; 5]> = answer.policies.iter().map(row).collect();
        table(out, ["NAME", "VERSION", "ROLE", "SET AT", "DIGEST"], &rows);
    })?;
    Ok(Code::Done)
}

/// Every policy that the board's history names, with the time at which it was last set to lead; and those that decide.
pub(super) fn known(board: &Board) -> Result<BTreeMap<Digest, Option<String>>, Error> {
    let mut known: BTreeMap<Digest, Option<String>> =
        board.policies()?.digests().map(|digest| (digest, None)).collect();
    board.history(Sequence(0), |_, entry| {
        for change in &entry.changes {
            if let Change::PoliciesSet(set) = change {
                known.insert(set.leading().digest, Some(wire::time(entry.time)));
                known.entry(set.standard.digest).or_default();
            }
        }
        true
    })?;
    Ok(known)
}

fn kept(board: &Board) -> Result<Vec<Kept>, Error> {
    let now = board.policies()?;
    let known = known(board)?;
    let mut kept = Vec::new();
    for (digest, set_at) in known {
        let in_use = now.digests().any(|used| used == digest);
        if !in_use && board.engine().store().component(digest).is_err() {
            continue;
        }
        let about = board.engine().describe(digest)?;
        let role = match () {
            () if now.leading().digest == digest => Some("leading"),
            () if now.standard.digest == digest => Some("standard"),
            () => None,
        };
        kept.push(Kept {
            digest: digest.to_string(),
            name: about.name,
            version: about.version,
            role,
            set_at,
        });
    }
    kept.sort_by(|a, b| (a.role, &b.set_at).cmp(&(b.role, &a.set_at)));
    Ok(kept)
}

fn row(kept: &Kept) -> [String; 5] {
    [
        kept.name.clone(),
        kept.version.clone(),
        kept.role.unwrap_or("-").into(),
        kept.set_at.clone().unwrap_or_else(|| "-".into()),
        kept.digest.clone(),
    ]
}
