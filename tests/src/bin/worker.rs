//! A process that works on a board until it is done or killed, and writes a line to standard output for each
//! answer that it got: what was acknowledged to it can't be lost.
//!
//! `worker drain BOARD NAME`: claims and completes until nothing is left.
//! `worker churn BOARD NAME`: adds, claims, heartbeats, completes, fails and releases for ever.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use taskhost::{Board, Claimed, Name, NewTask, Session, Status, TaskId};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, command, board, name] = arguments.as_slice() else {
        bail!("usage: worker drain|churn BOARD NAME")
    };
    let board = Board::open(board)?;
    let session = board.agent(name)?;
    match command.as_str() {
        "drain" => drain(&session),
        "churn" => churn(&board, &session, name),
        other => bail!("there is no command `{other}`"),
    }
}

/// One acknowledged fact. The line is written whole and at once: a killed process leaves no half one that counts.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())?;
    Ok(out.flush()?)
}

fn drain(session: &Session) -> Result<()> {
    while let Some(claim) = session.claim()? {
        let token = claim.proof().token.context("a claim has a token")?;
        claim.complete(None)?;
        say(&format!("completed {} {token}", claim.id()))?;
    }
    Ok(())
}

fn churn(board: &Board, session: &Session, name: &str) -> Result<()> {
    let mut held: Vec<Claimed> = Vec::new();
    for round in 0_u64.. {
        let dice = getrandom::u64()?;
        match dice % 8 {
            0..3 => {
                let id = TaskId::new(format!("{name}-{:x}-{round}", std::process::id()))?;
                let new = NewTask { id: Some(id.clone()), ..NewTask::new(Name::new("work")?) };
                board.add(&[new])?;
                say(&format!("added {id}"))?;
            }
            3..5 => {
                if let Some(claim) = session.claim()? {
                    say(&format!(
                        "claimed {} {}",
                        claim.id(),
                        claim.proof().token.context("a claim has a token")?
                    ))?;
                    held.push(claim);
                }
            }
            _ if held.is_empty() => {}
            choice => {
                let claim = held.swap_remove((dice >> 8) as usize % held.len());
                let token = claim.proof().token.context("a claim has a token")?;
                let status = match choice {
                    5 => claim.complete(None)?,
                    6 => claim.fail("tried")?,
                    _ => claim.release(None)?,
                };
                let word = match status {
                    Status::Completed => "completed",
                    Status::Failed => "failed",
                    _ => "released",
                };
                say(&format!("{word} {} {token}", claim.id()))?;
            }
        }
    }
    Ok(())
}
