//! Waits for a task of the type that it is told, says when it got it, completes it, and listens again.

use std::time::Duration;

use anyhow::Result;
use taskhost::{ClaimOptions, ClaimOutcome, Filter, Name};

use super::{Common, hear, say};
use crate::clock::monotonic_ns;

/// Longer than anybody lets it wait.
const WAIT: Duration = Duration::from_secs(120);

pub(super) fn play(common: &Common) -> Result<()> {
    let board = common.open()?;
    let session = board.agent(&common.name)?;
    while let Some(task_type) = hear()? {
        let options = ClaimOptions {
            filter: Filter { types: vec![Name::new(task_type)?], ..Filter::default() },
            wait: WAIT,
            ..ClaimOptions::default()
        };
        say("waiting")?;
        match session.claim_with(&options)? {
            ClaimOutcome::Claimed { task, .. } => {
                let at = monotonic_ns();
                let claim = session.claimed(*task);
                let token = claim.proof().token.map_or(0, |token| token.0);
                say(&format!("got {} {token} {at}", claim.id()))?;
                claim.complete(None)?;
            }
            ClaimOutcome::Nothing { .. } => say("nothing")?,
        }
    }
    Ok(())
}
