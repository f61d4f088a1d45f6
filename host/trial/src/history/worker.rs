//! Who worked, when they asked, and how long they were away in between.
//!
//! - [`Worker`]: one line of work: an agent that asks, works, and asks again. Sessions of one agent that follow each
//!   other are one worker; claims of one agent that overlap are several.
//! - [`Asked`]: a recorded request that was answered with a task, and how long its worker took to make it.
//! - [`Lines`]: sorts claims into workers while a history is read.

use std::collections::HashMap;

use taskhost_board::{Agent, AgentKind, Claim, Filter, Millis, Name, SessionId, TaskId};

use crate::course::{Offer, Offers, Wish};

/// A line of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// The agent's name.
    pub name: Name,
    /// What kind of worker it is.
    pub kind: AgentKind,
    /// Its machine, if it said so.
    pub hostname: Option<Name>,
    /// The requests, in their order.
    pub asked: Vec<Asked>,
    /// When its last claim ended, or the history, if it was still working then; if it fell silent or died at its last
    /// work, when that began.
    pub until: Millis,
    /// Whether it may have been there still when the history ended, where nothing was left for it: then how long it
    /// must have taken to ask, in milliseconds, not to get what others got after its last work.
    pub stays_ms: Option<u64>,
}

/// A request that was answered with a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// When.
    pub at: Millis,
    /// In which entry.
    pub sequence: u64,
    /// By which session.
    pub session: SessionId,
    /// Whether that session's death showed at once.
    pub living: bool,
    /// For what.
    pub filter: Filter,
    /// For how long it was away after its last work, in milliseconds, before it would have taken something.
    pub away_ms: u64,
    /// How long it took to ask once there was something, in milliseconds.
    pub reaction_ms: u64,
}

impl Worker {
    /// The agent that makes this request.
    pub(crate) fn agent(&self, asked: &Asked) -> Agent {
        Agent {
            name: self.name.clone(),
            kind: self.kind,
            session: asked.session.clone(),
            hostname: self.hostname.clone(),
            capabilities: asked.filter.capabilities.clone(),
            living: asked.living,
            process: None,
        }
    }
}

/// A claim that is going on.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) worker: usize,
    pub(super) since: Millis,
}

/// Workers, as far as the history has been read.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) workers: Vec<Worker>,
    /// When each worker's last claim ended; `None` while one is going on.
    free_since: Vec<Option<Millis>>,
    by_agent: HashMap<(Name, &'static str, Option<Name>), Vec<usize>>,
    pub(super) open: HashMap<TaskId, Open>,
}

impl Lines {
    /// A task was given to an agent that asked for `filter`; `offer` is what there was for it just before. Says which
    /// worker that was.
    pub(super) fn claimed(
        &mut self,
        (at, sequence): (Millis, u64),
        id: &TaskId,
        claim: &Claim,
        filter: &Filter,
        offer: Option<Offer>,
    ) -> usize {
        let worker = self.line(claim, at);
        let free_since = self.free_since[worker].take();
        let (away_ms, reaction_ms) = free_since.map_or((0, 0), |free| gap(free, at, offer));
        self.workers[worker].asked.push(Asked {
            at,
            sequence,
            session: claim.session.clone(),
            living: claim.living || claim.process.is_some(),
            filter: filter.clone(),
            away_ms,
            reaction_ms,
        });
        let open = Open { worker, since: at };
        self.open.insert(id.clone(), open);
        worker
    }

    /// The worker of this agent that is free, the same session's if there is one, or else the one that was freed last.
    fn line(&mut self, claim: &Claim, at: Millis) -> usize {
        let kind = taskhost_wire::kind(claim.kind);
        let agent = (claim.agent.clone(), kind, claim.hostname.clone());
        let lines = self.by_agent.entry(agent).or_default();
        let free = lines.iter().copied().filter(|line| self.free_since[*line].is_some());
        let found = free.max_by_key(|line| {
            let last = self.workers[*line].asked.last();
            let same = last.is_some_and(|asked| asked.session == claim.session);
            (same, self.free_since[*line], std::cmp::Reverse(*line))
        });
        found.unwrap_or_else(|| {
            let line = self.workers.len();
            lines.push(line);
            self.workers.push(Worker {
                name: claim.agent.clone(),
                kind: claim.kind,
                hostname: claim.hostname.clone(),
                asked: Vec::new(),
                until: at,
                stays_ms: None,
            });
            self.free_since.push(None);
            line
        })
    }

    /// A claim ended. `is_lost` if its holder was dead or silent, and so hadn't been there for as long.
    pub(super) fn ended(&mut self, id: &TaskId, at: Millis, is_lost: bool) -> Option<Open> {
        let open = self.open.remove(id)?;
        self.free_since[open.worker] = Some(at);
        let worker = &mut self.workers[open.worker];
        worker.until = worker.until.max(if is_lost { open.since } else { at });
        Some(open)
    }
}

impl Lines {
    /// The history ends: says of each worker whether it may be there still.
    pub(super) fn close(&mut self, offers: &mut Offers) {
        for (worker, free_since) in self.workers.iter_mut().zip(&self.free_since) {
            // Whoever was lost at its last work isn't.
            let was_there = *free_since == Some(worker.until);
            let Some(last) = worker.asked.last().filter(|_| was_there) else { continue };
            if last.filter.only.is_none() {
                let wish = offers.wish(&last.filter);
                let missed = offers.longest_past(wish, worker.until);
                worker.stays_ms = missed.map(|open_ms| open_ms + 1);
            }
        }
    }
}

/// How the time between a worker's last work and its next request is divided: how long it was away, and how long it
/// took to ask once there was something.
///
/// Requests that got nothing leave no trace. So a worker that took something as soon as it was there is held to have
/// waited for it, and a worker that let something pass is held to have been away until then.
fn gap(free: Millis, at: Millis, offer: Option<Offer>) -> (u64, u64) {
    let passed = |from: Millis, to: Millis| to.0.saturating_sub(from.0);
    match offer {
        Some(Offer { since, ended }) if since > free => {
            let away = ended.map_or(0, |ended| passed(free, ended));
            (away, passed(since, at))
        }
        Some(_) | None => (passed(free, at), 0),
    }
}

/// What a worker wishes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Whatever matches.
    Any(Wish),
    /// One task.
    One,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(free: u64, at: u64, offer: Option<(u64, Option<u64>)>, expected: (u64, u64)) {
        let offer =
            offer.map(|(since, ended)| Offer { since: Millis(since), ended: ended.map(Millis) });
        assert_eq!(gap(Millis(free), Millis(at), offer), expected);
    }

    #[test]
    fn who_had_something_all_the_time_was_away() {
        check(100, 130, Some((90, None)), (30, 0));
        check(100, 130, Some((100, Some(80))), (30, 0));
    }

    #[test]
    fn who_took_it_as_soon_as_it_was_there_had_waited() {
        check(100, 130, Some((128, None)), (0, 2));
        check(100, 130, Some((128, Some(70))), (0, 2));
    }

    #[test]
    fn who_let_something_pass_was_away_until_then() {
        check(100, 130, Some((128, Some(115))), (15, 2));
    }
}
