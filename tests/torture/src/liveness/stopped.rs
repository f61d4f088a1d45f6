//! Holders whose death nobody can prove: those that are stopped, and processes that were named in a namespace which
//! others can't see into. What they hold comes back once its lease is over and not before, and then they are refused.

use std::collections::HashMap;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use taskhost::{Change, ClaimOptions, ClaimOutcome, Entry, Filter, Millis, Name, Sequence, TaskId};
use taskhost_simulated::{Count, Effort, Harm, Outcome};

use super::deaths::UNSHARE;
use super::{NEVER, Scene};
use crate::dice::Dice;
use crate::histories::bugs;
use crate::place::program;
use crate::program::{Worker, last_lines};
use crate::unlooked::{NO_NAMESPACES, can_unshare, not_looked_at};

/// How many are stopped at once.
const AT_ONCE: usize = 6;
/// How many rounds the full programme has.
const FULL_ROUNDS: usize = 100;
/// Leases are from this to so much more.
const LEASE_MS: u64 = 200;
const LEASE_MORE_MS: u64 = 700;
/// The wall clock is read a moment after the one by which leases are measured.
const CLOCKS_APART_MS: u64 = 20;

/// A holder that isn't dead, or not provably.
struct Holder {
    worker: Worker,
    heard: Receiver<String>,
    /// Whether it can go on afterwards.
    is_stopped: bool,
}

/// Stops holders, claims what they hold as soon as it can be had, and lets them go on.
pub(super) fn look(scene: &Scene, effort: &Effort, outcome: &mut Outcome) -> Result<()> {
    let mut dice = Dice::new(effort.seed ^ 4);
    let mut round = 0;
    loop {
        round += 1;
        one_round(scene, &format!("s{round}"), &mut dice, outcome)?;
        let is_enough = if effort.is_full { round >= FULL_ROUNDS } else { effort.is_done(outcome) };
        if is_enough {
            break;
        }
    }
    let mut leases = Leases::default();
    scene.board.history(Sequence(0), |_, entry| {
        leases.entry(&entry);
        true
    })?;
    let early = leases.early.len();
    for what in leases.early {
        outcome.wrong(Harm::Broken, what);
    }
    if !can_unshare(&UNSHARE) {
        not_looked_at(outcome, "a stopped holder in a namespace", NO_NAMESPACES);
    }
    outcome.figure(
        "tasks taken from stopped or unknown holders",
        format!("{}, {early} of them before the lease had ended", leases.taken),
    );
    Ok(())
}

fn one_round(scene: &Scene, task_type: &str, dice: &mut Dice, outcome: &mut Outcome) -> Result<()> {
    let mut holders = Vec::new();
    for n in 0..AT_ONCE {
        scene.add(task_type)?;
        let lease_ms = LEASE_MS + dice.roll() % LEASE_MORE_MS;
        // One of them is dead, where only those of its own namespace can see it.
        let holder = hold(scene, task_type, lease_ms, n == 0)?;
        if holder.is_stopped {
            holder.worker.signal(Signal::STOP);
            outcome.count(Count::Stops, 1);
        } else {
            holder.worker.signal(Signal::KILL);
            outcome.count(Count::Kills, 1);
        }
        holders.push(holder);
    }
    // Of the holders' name: it is the token that tells them apart.
    let session = scene.board.agent("holder")?;
    for _ in 0..AT_ONCE {
        let filter = Filter { types: vec![Name::new(task_type)?], ..Filter::default() };
        let options = ClaimOptions { filter, wait: NEVER, ..ClaimOptions::default() };
        let ClaimOutcome::Claimed { task, .. } = session.claim_with(&options)? else {
            bail!("what a stopped holder had didn't come back within {NEVER:?}")
        };
        outcome.count(Count::Claims, 1);
        // Held until the others were refused.
        ensure!(task.claim.is_some(), "a claimed task has a claim");
    }
    for mut holder in holders {
        if holder.is_stopped {
            holder.worker.signal(Signal::CONT);
            holder.worker.tell("complete");
            let said = holder.heard.recv_timeout(NEVER);
            let said = said.with_context(|| last_lines(&scene.complaints()))?;
            if said != "refused" {
                let what = format!("a holder that was stopped beyond its lease completed: {said}");
                outcome.wrong(Harm::Doubled, what);
            }
        }
        holder.worker.kill()?;
    }
    for claim in session.held()? {
        claim.complete(None)?;
    }
    Ok(())
}

/// Starts a holder and waits until it holds. One that is to be `unseen` names its process in a namespace of its own,
/// where those can be made.
fn hold(scene: &Scene, task_type: &str, lease_ms: u64, unseen: bool) -> Result<Holder> {
    let unseen = unseen && can_unshare(&UNSHARE);
    let torture = program()?;
    let mut command = Command::new(if unseen { "unshare".into() } else { torture.clone() });
    if unseen {
        command.args(UNSHARE).arg(torture);
    }
    command.arg("hold").arg(scene.place.board()).args(["holder", task_type]);
    command.args(["--lease-ms", &lease_ms.to_string()]);
    if unseen {
        command.arg("--by-pid");
    }
    command.args(scene.bug.into_iter().flat_map(|bug| ["--bug".to_owned(), bugs::name(bug)]));
    let (hear, heard) = channel();
    let worker = Worker::spawn(&mut command, &scene.complaints(), move |line| {
        let _ = hear.send(line.to_owned());
    })?;
    let said = heard.recv_timeout(NEVER).with_context(|| last_lines(&scene.complaints()))?;
    ensure!(said.starts_with("held "), "a holder says `{said}`");
    Ok(Holder { worker, heard, is_stopped: !unseen })
}

/// Until when tasks are held, as the history says, and who lost one before that.
#[derive(Debug, Default)]
struct Leases {
    until: HashMap<TaskId, Millis>,
    taken: u64,
    early: Vec<String>,
}

impl Leases {
    fn entry(&mut self, entry: &Entry) {
        for change in &entry.changes {
            match change {
                Change::Claimed { id, claim } => {
                    self.until.insert(id.clone(), claim.lease.until);
                }
                Change::Recovered { id, cause, .. } => {
                    self.taken += 1;
                    let until = self.until.remove(id).unwrap_or_default();
                    if entry.time.plus(CLOCKS_APART_MS) < until {
                        let early_ms = until.0 - entry.time.0;
                        self.early.push(format!(
                            "`{id}` was taken from a living holder {early_ms} ms before its lease ended ({cause:?})"
                        ));
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use taskhost::{Agent, AgentKind, SessionId, Token};
    use taskhost_board::{BootId, Cause, Claim, Command, Instant, Request};

    use super::*;

    fn leases(recovered_at: u64, cause: Cause) -> Leases {
        let id = TaskId::new("a").unwrap_or_else(|_| unreachable!("it is a valid id"));
        let agent = Agent {
            name: Name::new("w").unwrap_or_else(|_| unreachable!("it is a valid name")),
            kind: AgentKind::Agent,
            session: SessionId::new("s").unwrap_or_else(|_| unreachable!("it is a valid id")),
            hostname: None,
            capabilities: Vec::new(),
            living: true,
            process: None,
        };
        let now = Instant { wall: Millis(1_000), boot: BootId("b".into()), boot_ms: 0 };
        let claim = Box::new(Claim::new(&agent, Token(1), &now, 500));
        let entry = |time, change| Entry {
            time: Millis(time),
            request: Request::of(Command::Claim),
            seed: 0,
            changes: vec![change],
        };
        let mut leases = Leases::default();
        leases.entry(&entry(1_000, Change::Claimed { id: id.clone(), claim }));
        let recovered = Change::Recovered { id, cause, reason: None, not_before: None };
        leases.entry(&entry(recovered_at, recovered));
        leases
    }

    #[test]
    fn early_recovery_is_found_whatever_its_cause() {
        assert!(leases(1_500, Cause::LeaseOver).early.is_empty());
        assert_eq!(leases(1_400, Cause::LeaseOver).early.len(), 1);
        assert_eq!(leases(1_400, Cause::HolderDead).early.len(), 1);
    }
}
