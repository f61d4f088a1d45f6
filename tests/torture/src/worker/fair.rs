//! Claims and completes for as long as it is told, and says how often it could, and how long it waited.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{Common, hear, say};
use crate::clock::quantile;

pub(super) fn play(common: &Common) -> Result<()> {
    let board = common.open()?;
    let session = board.agent(&common.name)?;
    // What is done once only is done now.
    session.claim()?.context("there is nothing to claim")?.complete(None)?;
    say("ready")?;
    let Some(word) = hear()? else { return Ok(()) };
    let time = Duration::from_millis(word.parse()?);
    let began = Instant::now();
    let mut claims: Vec<u64> = Vec::new();
    while began.elapsed() < time {
        let asked = Instant::now();
        let claim = session.claim()?.context("there is nothing left to claim")?;
        claims.push(u64::try_from(asked.elapsed().as_nanos())?);
        claim.complete(None)?;
    }
    claims.sort_unstable();
    let longest = claims.last().copied().unwrap_or_default();
    say(&format!("did {} {} {longest}", claims.len(), quantile(&claims, 0.99)))
}
