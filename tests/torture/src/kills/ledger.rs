//! [`Ledger`]: what the board's history says happened, beside what was acknowledged; whatever doesn't agree is noted.
//!
//! - [`Ledger::entry`] takes in the history, entry by entry: no number may be missing, tokens grow, nobody is given
//!   what somebody holds, a claim ends once, a key stands for one claim, no lease is cut short.
//! - [`Ledger::said`] takes in an acknowledgement, once the history was read up to a later moment: what it says must
//!   have happened.
//! - [`Ledger::finish`] looks at the whole: what ended before something else began must stand before it.
//!
//! Of the tasks only those that are on the board are remembered, and a few dozen bytes of each claim.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use taskhost::{Change, Entry, Millis, Sequence, Status, Task};
use taskhost_board::{Cause, Command};
use taskhost_simulated::{Harm, Wrong};

use super::said::{End, Said, Span};

/// The wall clock is read a moment after the one by which leases are measured.
const CLOCKS_APART_MS: u64 = 20;
/// When so much is wrong, the rest is no news.
const WRONG_MAX: usize = 20;
/// Over how long claims are counted together.
const PACE_MS: u64 = 10_000;

/// A claim, as the history has it.
#[derive(Debug, Default)]
struct Held {
    task: u64,
    session: u64,
    sequence: u64,
    end: Option<(Ended, u64)>,
    renewals: u32,
    renewals_said: u32,
    /// Whether its beginning and its end were acknowledged as new.
    was_said: bool,
    end_was_said: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    ByHolder(End),
    /// It was taken from its holder.
    Recovered,
}

/// What is known of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Living,
    /// It was about to be ended, or was.
    Ending,
}

/// A task, as the history has it.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    holder: Option<(u64, Millis)>,
    attempts: u32,
    /// How it ended, if it has.
    finished: Option<Status>,
}

/// What the history says and what was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    sequence: u64,
    token: u64,
    claims: HashMap<u64, Held>,
    tasks: HashMap<String, Standing>,
    /// Which token each key stands for.
    keys: HashMap<u64, u64>,
    /// How many tasks of each batch were added.
    batches: HashMap<u64, u64>,
    /// What was acknowledged: which entry it was, and from when to when it took.
    spans: Vec<(u64, Span)>,
    /// The sessions that began, and whether they were about to be ended.
    sessions: HashMap<u64, Life>,
    /// Which tasks were taken since their holder was proved dead, and from which session; not yet judged.
    proved_dead: Vec<(u64, String)>,
    /// How many claims there were, by ten seconds.
    paces: BTreeMap<u64, u64>,
    pub(crate) claims_said: u64,
    pub(crate) refused: u64,
    pub(crate) recovered: u64,
    pub(crate) wrong: Vec<Wrong>,
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

impl Ledger {
    fn note(&mut self, harm: Harm, what: String) {
        if self.wrong.len() < WRONG_MAX {
            self.wrong.push(Wrong { harm, what });
        }
    }

    /// Up to where the history was read.
    pub(crate) fn read_through(&self) -> Sequence {
        Sequence(self.sequence)
    }

    /// Takes in the next entry of the history.
    pub(crate) fn entry(&mut self, sequence: Sequence, entry: &Entry) {
        let expected = self.sequence + 1;
        if sequence.0 != expected {
            let harm = if sequence.0 < expected { Harm::Doubled } else { Harm::Lost };
            self.note(harm, format!("entry {sequence} stands where {expected} should"));
        }
        self.sequence = sequence.0;
        for change in &entry.changes {
            self.change(entry.time, change);
        }
    }

    fn change(&mut self, time: Millis, change: &Change) {
        match change {
            Change::Added(task) => self.added(task),
            Change::Claimed { id, claim } => {
                *self.paces.entry(time.0 / PACE_MS).or_default() += 1;
                let session = hash(claim.session.as_ref());
                self.claimed(id.as_str(), claim.token.0, session, claim.lease.until);
            }
            Change::Renewed { id, lease } | Change::Kept { id, lease } => {
                let holder = self.tasks.get_mut(id.as_str()).and_then(|task| task.holder.as_mut());
                let Some((token, until)) = holder else {
                    let what = format!("the lease of `{id}` was extended, which nobody holds");
                    return self.note(Harm::Doubled, what);
                };
                *until = lease.until;
                let token = *token;
                if let Some(held) = self.claims.get_mut(&token) {
                    held.renewals += u32::from(matches!(change, Change::Renewed { .. }));
                }
            }
            Change::Released { id, .. } => {
                self.ended(id.as_str(), Ended::ByHolder(End::Released), false);
                let task = self.tasks.entry(id.to_string()).or_default();
                task.attempts = task.attempts.saturating_sub(1);
            }
            Change::Recovered { id, cause, .. } => self.taken(id.as_str(), *cause, time),
            Change::Retried { id, .. } => {
                self.ended(id.as_str(), Ended::ByHolder(End::Retried), false);
            }
            Change::Finished { id, status, verb, .. } => {
                let end = match (verb, status) {
                    (None, _) => Ended::Recovered,
                    (Some(_), Status::Completed) => Ended::ByHolder(End::Completed),
                    (Some(_), _) => Ended::ByHolder(End::Failed),
                };
                // The policy ends what was given back just before.
                let may_be_free = verb.is_none();
                self.ended(id.as_str(), end, may_be_free);
                self.finished(id.as_str(), *status);
            }
            Change::Accepted { id, .. } => self.finished(id.as_str(), Status::Completed),
            Change::Reopened { id, afresh, .. } => self.reopened(id.as_str(), *afresh),
            Change::Archived(task) => self.archived(task),
            Change::Keyed { command: Command::Claim, key, record } => {
                let token = record.token.unwrap_or_default().0;
                if let Some(before) = self.keys.insert(hash(key), token) {
                    let what = format!("key `{key}` stands for the claims {before} and {token}");
                    self.note(Harm::Doubled, what);
                }
            }
            _ => {}
        }
    }

    /// How many claims there were in the slowest ten seconds; `None` if there were none from end to end.
    pub(crate) fn slowest(&self) -> Option<u64> {
        let (first, last) = (self.paces.keys().next()?, self.paces.keys().next_back()?);
        (first + 1..*last).map(|at| self.paces.get(&at).copied().unwrap_or_default()).min()
    }

    fn added(&mut self, task: &Task) {
        if let Some((prefix, _)) = task.id.as_str().rsplit_once('-') {
            *self.batches.entry(hash(prefix)).or_default() += 1;
        }
        if self.tasks.insert(task.id.to_string(), Standing::default()).is_some() {
            self.note(Harm::Doubled, format!("`{}` was added twice", task.id));
        }
    }

    fn claimed(&mut self, id: &str, token: u64, session: u64, until: Millis) {
        if token <= self.token {
            let what = format!("`{id}` was given with token {token} after token {}", self.token);
            self.note(Harm::Doubled, what);
        }
        self.token = self.token.max(token);
        let task = self.tasks.entry(id.to_owned()).or_default();
        let (before, finished) = (task.holder.replace((token, until)), task.finished);
        task.attempts += 1;
        if let Some((before, _)) = before {
            let what = format!("`{id}` was given with token {token} while {before} held it");
            self.note(Harm::Doubled, what);
        }
        if let Some(status) = finished {
            let what = format!("`{id}` was given with token {token} after it had ended: {status}");
            self.note(Harm::Doubled, what);
        }
        let held = Held { task: hash(id), session, sequence: self.sequence, ..Held::default() };
        self.claims.insert(token, held);
    }

    fn ended(&mut self, id: &str, end: Ended, may_be_free: bool) {
        let holder = self.tasks.get_mut(id).and_then(|task| task.holder.take());
        match holder {
            Some((token, _)) => {
                if let Some(held) = self.claims.get_mut(&token) {
                    held.end = Some((end, self.sequence));
                }
            }
            None if may_be_free => {}
            None => {
                let what = format!("a claim of `{id}` was ended ({end:?}), which nobody held");
                self.note(Harm::Doubled, what);
            }
        }
    }

    /// It ended like this, or waits for review.
    fn finished(&mut self, id: &str, status: Status) {
        let task = self.tasks.entry(id.to_owned()).or_default();
        let before = task.finished;
        task.finished = status.is_finished().then_some(status);
        if let Some(before) = before {
            let what = format!("`{id}` became {status} after it had ended: {before}");
            self.note(Harm::Doubled, what);
        }
    }

    /// It is open again, as only what wasn't completed may be.
    fn reopened(&mut self, id: &str, afresh: bool) {
        let task = self.tasks.entry(id.to_owned()).or_default();
        let before = task.finished.take();
        if afresh {
            task.attempts = 0;
        }
        if before == Some(Status::Completed) {
            self.note(Harm::Lost, format!("`{id}` was open again after it was completed"));
        }
    }

    fn taken(&mut self, id: &str, cause: Cause, time: Millis) {
        self.recovered += 1;
        let holder = self.tasks.get(id).and_then(|task| task.holder);
        if let (Cause::HolderDead, Some((token, _))) = (cause, holder)
            && let Some(held) = self.claims.get(&token)
        {
            self.proved_dead.push((held.session, id.to_owned()));
        }
        let until = holder.map(|(_, until)| until);
        if let (Cause::LeaseOver, Some(until)) = (cause, until)
            && time.0 + CLOCKS_APART_MS < until.0
        {
            let early = until.0 - time.0;
            let what =
                format!("`{id}` was taken from its holder {early} ms before its lease ended");
            self.note(Harm::Broken, what);
        }
        self.ended(id, Ended::Recovered, false);
    }

    fn archived(&mut self, task: &Task) {
        match self.tasks.remove(task.id.as_str()) {
            Some(standing) => self.compare(task, standing),
            None => self.note(Harm::Doubled, format!("`{}` was archived twice", task.id)),
        }
    }

    /// Compares a task with what the history makes of it.
    fn compare(&mut self, task: &Task, standing: Standing) {
        let id = &task.id;
        if task.attempts != standing.attempts {
            let (says, were) = (task.attempts, standing.attempts);
            self.note(Harm::Broken, format!("`{id}` says {says} attempts, and there were {were}"));
        }
        let (says, is) = (task.claim.as_ref().map(|c| c.token.0), standing.holder.map(|h| h.0));
        let finished = task.status.is_finished().then_some(task.status);
        if says != is || finished != standing.finished {
            let status = standing.finished.map_or("open", Status::as_str);
            let what = format!(
                "`{id}` is {} and held by {says:?}; it should be {status} and held by {is:?}",
                task.status
            );
            self.note(Harm::Silent, what);
        }
    }

    /// Takes in an acknowledgement that was given before the history was read.
    pub(crate) fn said(&mut self, said: &Said) {
        match said {
            Said::Claimed { id, token, key, again, span } => {
                self.claims_said += u64::from(!again);
                self.said_claimed(id, *token, *again, *span);
                if let Some(key) = key
                    && self.keys.get(&hash(key)) != Some(token)
                {
                    let stands = self.keys.get(&hash(key)).copied();
                    let harm = if stands.is_some() { Harm::Doubled } else { Harm::Lost };
                    let what = format!("key `{key}` gave claim {token}, and stands for {stands:?}");
                    self.note(harm, what);
                }
            }
            Said::Ended { id, token, end, again, span } => {
                self.said_ended(id, *token, *end, *again, *span);
            }
            Said::Renewed { token, .. } => {
                let held = self.claims.get_mut(token);
                let is_there = held.is_some_and(|held| {
                    held.renewals_said += 1;
                    held.renewals_said <= held.renewals
                });
                if !is_there {
                    self.note(Harm::Lost, format!("a heartbeat of claim {token} isn't there"));
                }
            }
            Said::Added { prefix, count, .. } => {
                let there = self.batches.get(&hash(prefix)).copied().unwrap_or_default();
                if there != *count {
                    let what = format!("of {count} tasks of `{prefix}`, {there} are there");
                    self.note(if there < *count { Harm::Lost } else { Harm::Doubled }, what);
                }
            }
            Said::Began { session } => {
                self.sessions.entry(hash(session)).or_insert(Life::Living);
            }
            Said::Ending { session } => {
                self.sessions.insert(hash(session), Life::Ending);
            }
            Said::Refused => self.refused += 1,
            Said::Wrong { what } => self.note(Harm::Broken, what.clone()),
            Said::Asking { .. } | Said::Tended { .. } => {}
        }
    }

    /// Refuses what was taken as a dead holder's from one that nobody had ended. To be asked once all was taken in that
    /// was said up to a moment after the history was read: whoever ends a worker says so first.
    pub(crate) fn judge_deaths(&mut self) {
        let mut unknown = Vec::new();
        for (session, id) in std::mem::take(&mut self.proved_dead) {
            match self.sessions.get(&session) {
                Some(Life::Ending) => {}
                Some(Life::Living) => {
                    let what = format!("`{id}` was taken as a dead holder's, and its holder lived");
                    self.note(Harm::Broken, what);
                }
                // What its worker said of it is still on its way.
                None => unknown.push((session, id)),
            }
        }
        self.proved_dead = unknown;
    }

    fn said_claimed(&mut self, id: &str, token: u64, again: bool, span: Span) {
        let Some(held) = self.claims.get_mut(&token).filter(|held| held.task == hash(id)) else {
            let what = format!("the claim of `{id}` with token {token} isn't in the history");
            return self.note(Harm::Lost, what);
        };
        if again {
            return;
        }
        let twice = std::mem::replace(&mut held.was_said, true);
        let sequence = held.sequence;
        self.spans.push((sequence, span));
        if twice {
            self.note(Harm::Doubled, format!("`{id}` was given with token {token} to two"));
        }
    }

    fn said_ended(&mut self, id: &str, token: u64, end: End, again: bool, span: Span) {
        let held = self.claims.get_mut(&token).filter(|held| held.task == hash(id));
        let found = held.as_ref().and_then(|held| held.end);
        let (Some(held), Some((Ended::ByHolder(by), sequence))) = (held, found) else {
            let what = format!("claim {token} of `{id}` was {end}, and the history says {found:?}");
            return self.note(Harm::Lost, what);
        };
        let twice = !again && std::mem::replace(&mut held.end_was_said, true);
        if !again {
            self.spans.push((sequence, span));
        }
        if by != end {
            let what = format!("claim {token} of `{id}` was {end}, and the history says {by}");
            self.note(Harm::Lost, what);
        }
        if twice {
            self.note(Harm::Doubled, format!("claim {token} of `{id}` was {end} twice"));
        }
    }

    /// Looks at the whole once all is read; `board` is every task that the board says it has.
    pub(crate) fn finish(&mut self, board: &[Task]) {
        for task in board {
            match self.tasks.remove(task.id.as_str()) {
                Some(standing) => self.compare(task, standing),
                None => self.note(Harm::Silent, format!("`{}` was never added", task.id)),
            }
        }
        if let Some(id) = self.tasks.keys().next().cloned() {
            let count = self.tasks.len();
            self.note(Harm::Lost, format!("{count} tasks aren't on the board, such as `{id}`"));
        }
        self.check_order();
    }

    /// What had ended before something else began must stand before it.
    fn check_order(&mut self) {
        self.spans.sort_unstable_by_key(|(sequence, _)| *sequence);
        let mut latest = (0, 0);
        let mut wrong = None;
        for (sequence, span) in &self.spans {
            // Before it stands one that began only after this one had ended.
            if span.ended < latest.1 {
                wrong = Some((*sequence, latest.0));
            }
            if span.began > latest.1 {
                latest = (*sequence, span.began);
            }
        }
        if let Some((first, second)) = wrong {
            let what =
                format!("what entry {first} did had ended before entry {second} was asked for");
            self.note(Harm::Broken, what);
        }
    }
}
