//! What becomes of a holder that is late or dead.

use std::collections::BTreeSet;

use super::{State, When};
use crate::histories::words::{Claim, Id, Session, Status};

impl State {
    /// All boards that this one may be once a claim has taken back what is due, itself first.
    ///
    /// A lease that surely ran out before is taken back; one that may have run out by then only if all that end
    /// earlier are. That a session died shows sooner or later, and then for all that it holds.
    pub(super) fn after_due(&self, when: &When<'_>) -> Vec<Self> {
        let mut sure: BTreeSet<Id> = BTreeSet::new();
        // What may have been noticed, a set of tasks at a time.
        let mut chances: Vec<(Moment, BTreeSet<Id>)> = Vec::new();
        for task in &self.tasks {
            let Some(claim) = &task.claim else { continue };
            let moment = match moment(claim, when) {
                Noticed::Surely => {
                    sure.insert(task.id);
                    continue;
                }
                Noticed::Never => None,
                Noticed::Perhaps(moment) => Some(moment),
            };
            let is_dead = claim.living
                && when.deaths.get(&claim.session).is_some_and(|from_ms| *from_ms <= when.to_ms);
            let dead = is_dead.then_some(Moment::Death(claim.session));
            for moment in moment.into_iter().chain(dead) {
                match chances.iter_mut().find(|(other, _)| *other == moment) {
                    Some((_, tasks)) => _ = tasks.insert(task.id),
                    None => chances.push((moment, BTreeSet::from([task.id]))),
                }
            }
        }
        let mut taken: Vec<(BTreeSet<Id>, u64)> = vec![(sure, 0)];
        chances.sort_by_key(|(moment, _)| *moment);
        for (moment, tasks) in &chances {
            for at in 0..taken.len() {
                let (before, passed) = &taken[at];
                let more: BTreeSet<Id> = before.union(tasks).copied().collect();
                match moment {
                    // Whoever saw this end saw all earlier ones.
                    Moment::End(ms) if earlier_ends(&chances, *ms) != *passed => {}
                    Moment::End(_) => taken.push((more, passed + 1)),
                    Moment::Roughly(_) | Moment::Death(_) => taken.push((more, *passed)),
                }
            }
        }
        let mut sets: Vec<BTreeSet<Id>> = taken.into_iter().map(|(ids, _)| ids).collect();
        sets.sort();
        sets.dedup();
        sets.iter().map(|ids| self.recovered(ids)).collect()
    }

    fn recovered(&self, ids: &BTreeSet<Id>) -> Self {
        let mut after = self.clone();
        let max = self.settings.max_attempts;
        for id in ids {
            let used_up = self.task(*id).is_ok_and(|task| max > 0 && task.attempts >= max);
            let _ = after.take(*id, if used_up { Status::Failed } else { Status::Pending });
        }
        after.settle();
        after
    }
}

/// How many of the leases that may have ended do so before this moment.
fn earlier_ends(chances: &[(Moment, BTreeSet<Id>)], ms: u64) -> u64 {
    chances.iter().filter(|(moment, _)| matches!(moment, Moment::End(at) if *at < ms)).count()
        as u64
}

/// Something that may have been noticed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// The end of leases, to the millisecond.
    End(u64),
    /// The end of one lease, of which only the token's number is sure.
    Roughly(u64),
    /// A session's death.
    Death(Session),
}

/// Whether a lease's end was noticed.
enum Noticed {
    Surely,
    Perhaps(Moment),
    Never,
}

fn moment(claim: &Claim, when: &When<'_>) -> Noticed {
    let ends = claim.ends;
    if ends.to_ms <= when.from_ms {
        Noticed::Surely
    } else if ends.from_ms > when.to_ms {
        Noticed::Never
    } else if ends.from_ms == ends.to_ms {
        Noticed::Perhaps(Moment::End(ends.to_ms))
    } else {
        Noticed::Perhaps(Moment::Roughly(claim.token))
    }
}
