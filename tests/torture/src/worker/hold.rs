//! Claims a task, says so, and keeps it until it is told to complete it or dies.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use taskhost::domain::Error as InBoard;
use taskhost::{ClaimOptions, ClaimOutcome, Error, Filter, Name, SessionOptions};

use super::{Common, forked, hear, say};

/// Claims a task and keeps it.
#[derive(Debug, Args)]
pub struct Hold {
    #[command(flatten)]
    common: Common,
    /// Of which type.
    task_type: String,
    /// For how long, in milliseconds, unless it is renewed.
    #[arg(long)]
    lease_ms: Option<u64>,
    /// Leaves a child that never becomes another program, until nobody talks to it any more.
    #[arg(long)]
    fork: bool,
    /// Its claim names this process, and it holds no life lock.
    #[arg(long)]
    by_pid: bool,
}

impl Hold {
    pub(super) fn play(&self) -> Result<()> {
        let board = self.common.open()?;
        let mut session = SessionOptions::new(&self.common.name);
        if self.by_pid {
            session.living = false;
            session.holder = Some(taskhost::process(std::process::id())?);
        }
        let session = board.session(&session)?;
        let options = ClaimOptions {
            filter: Filter { types: vec![Name::new(&*self.task_type)?], ..Filter::default() },
            lease: self.lease_ms.map(Duration::from_millis),
            ..ClaimOptions::default()
        };
        let ClaimOutcome::Claimed { task, .. } = session.claim_with(&options)? else {
            bail!("there is nothing to hold")
        };
        if self.fork {
            forked::leave_a_child()?;
        }
        let claim = session.claimed(*task);
        let token = claim.proof().token.map_or(0, |token| token.0);
        say(&format!("held {} {token}", claim.id()))?;
        while let Some(word) = hear()? {
            if word != "complete" {
                bail!("a holder completes, and knows no `{word}`");
            }
            match claim.complete(None) {
                Ok(_) => say("accepted")?,
                Err(Error::Board(InBoard::Stale { .. })) => say("refused")?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
