//! [`Ledger`]: what the board's history says happened, beside what was acknowledged.
//!
//! - [`Ledger::entry`] takes in the history: nobody is given what somebody holds, a claim ends once, a key stands for one
//!   claim, and whoever lives isn't taken for dead.
//! - [`Ledger::said`] takes in what a worker was told; [`Ledger::finish`] compares, once both are complete.
//!
//! The numbers of entries and tokens may have gaps, and tokens need not be given in the order of the entries.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use taskhost_board::{Cause, Change, Command, Entry, Sequence, Status, Store};

use crate::said::Said;

/// When so much is wrong, the rest is no news.
const WRONG_MAX: usize = 20;

/// How a claim ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Completed,
    Released,
    /// It was taken from its holder.
    Taken,
}

/// A claim, as the history has it.
#[derive(Debug)]
struct Held {
    task: String,
    session: String,
    end: Option<End>,
}

/// A task, as the history has it.
#[derive(Debug, Default)]
struct Standing {
    holder: Option<u64>,
    is_finished: bool,
}

/// What the history says, and what was acknowledged.
#[derive(Debug, Default)]
pub struct Ledger {
    read_through: Sequence,
    claims: HashMap<u64, Held>,
    tasks: BTreeMap<String, Standing>,
    /// Which token each key stands for.
    keys: HashMap<String, u64>,
    /// Sessions that were about to be ended: only they may be found dead.
    ending: BTreeSet<String>,
    taken_as_dead: Vec<(String, String)>,
    said: Vec<Said>,
    wrong: Vec<String>,
    entries: u64,
    taken: u64,
}

impl Ledger {
    fn note(&mut self, what: String) {
        if self.wrong.len() < WRONG_MAX {
            self.wrong.push(what);
        }
    }

    /// Takes in what the history has beyond what was read.
    ///
    /// # Errors
    ///
    /// If it can't be read.
    pub fn read(&mut self, store: &dyn Store) -> Result<(), taskhost_board::ReadError> {
        let past = self.read_through;
        store.history(past, &mut |sequence, entry| {
            self.entry(sequence, &entry);
            true
        })
    }

    /// Takes in the next entry of the history.
    pub fn entry(&mut self, sequence: Sequence, entry: &Entry) {
        if sequence <= self.read_through {
            self.note(format!("entry {sequence} stands after {}", self.read_through));
        }
        self.read_through = sequence;
        self.entries += 1;
        for change in &entry.changes {
            self.change(change);
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Added(task) => self.added(task.id.as_str()),
            Change::Claimed { id, claim } => {
                self.claimed(id.as_str(), claim.token.0, claim.session.as_ref());
            }
            Change::Resumed { id, claim } => {
                let holder = self.tasks.get(id.as_str()).and_then(|task| task.holder);
                match holder.and_then(|token| self.claims.get_mut(&token)) {
                    Some(held) => held.session = claim.session.to_string(),
                    None => self.note(format!("`{id}` was taken up again, and nobody held it")),
                }
            }
            Change::Released { id, .. } => self.ended(id.as_str(), End::Released),
            Change::Recovered { id, cause, .. } => {
                if *cause == Cause::HolderDead {
                    self.found_dead(id.as_str());
                }
                self.taken += 1;
                self.ended(id.as_str(), End::Taken);
            }
            Change::Finished { id, status, .. } => {
                if *status != Status::Completed {
                    self.note(format!("`{id}` is {status}, which nobody asked for"));
                }
                self.ended(id.as_str(), End::Completed);
                self.tasks.entry(id.to_string()).or_default().is_finished = true;
            }
            Change::Keyed { command: Command::Claim, key, record } => {
                let token = record.token.unwrap_or_default().0;
                if let Some(before) = self.keys.insert(key.clone(), token) {
                    self.note(format!("key `{key}` stands for the claims {before} and {token}"));
                }
            }
            _ => {}
        }
    }

    fn added(&mut self, id: &str) {
        if self.tasks.insert(id.to_owned(), Standing::default()).is_some() {
            self.note(format!("`{id}` was added twice"));
        }
    }

    fn claimed(&mut self, id: &str, token: u64, session: &str) {
        let Some(task) = self.tasks.get_mut(id) else {
            return self.note(format!("`{id}` was given with token {token}, and isn't there"));
        };
        let (before, is_finished) = (task.holder.replace(token), task.is_finished);
        if let Some(before) = before {
            self.note(format!("`{id}` was given with token {token} while {before} held it"));
        }
        if is_finished {
            self.note(format!("`{id}` was given with token {token} after it was completed"));
        }
        let held = Held { task: id.to_owned(), session: session.to_owned(), end: None };
        if self.claims.insert(token, held).is_some() {
            self.note(format!("token {token} was given twice, the second time for `{id}`"));
        }
    }

    fn ended(&mut self, id: &str, end: End) {
        let holder = self.tasks.get_mut(id).and_then(|task| task.holder.take());
        match holder.and_then(|token| self.claims.get_mut(&token)) {
            Some(held) => held.end = Some(end),
            None => self.note(format!("a claim of `{id}` was {end:?}, and nobody held it")),
        }
    }

    fn found_dead(&mut self, id: &str) {
        let holder = self.tasks.get(id).and_then(|task| task.holder);
        if let Some(held) = holder.and_then(|token| self.claims.get(&token)) {
            self.taken_as_dead.push((id.to_owned(), held.session.clone()));
        }
    }

    /// A session is about to be ended.
    pub fn ending(&mut self, session: &str) {
        self.ending.insert(session.to_owned());
    }

    /// Takes in what a worker was told.
    pub fn said(&mut self, said: Said) {
        if !matches!(said, Said::Began { .. } | Said::Asking { .. } | Said::Again { .. }) {
            self.said.push(said);
        }
    }

    /// How many entries there are.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// How many claims there were.
    pub fn claims(&self) -> u64 {
        self.claims.len() as u64
    }

    /// How many claims were taken from their holders.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// How often a worker was told that something had happened.
    pub fn acknowledged(&self) -> u64 {
        self.said.len() as u64
    }

    /// How many tasks aren't completed.
    pub fn open(&self) -> usize {
        self.tasks.values().filter(|task| !task.is_finished).count()
    }

    /// What is wrong, now that the history was read after everything was said.
    pub fn finish(mut self) -> Vec<String> {
        for (id, session) in std::mem::take(&mut self.taken_as_dead) {
            if !self.ending.contains(&session) {
                self.note(format!("`{id}` was taken from session `{session}`, which lived"));
            }
        }
        let mut given: HashMap<u64, String> = HashMap::new();
        let mut completed: BTreeMap<String, u64> = BTreeMap::new();
        for said in std::mem::take(&mut self.said) {
            match said {
                Said::Claimed { key, id, token } => {
                    if self.keys.get(&key) != Some(&token) {
                        let stands = self.keys.get(&key);
                        self.note(format!("key `{key}` was told token {token}, not {stands:?}"));
                    }
                    if self.claims.get(&token).is_none_or(|held| held.task != id) {
                        self.note(format!("`{id}` was given with token {token}, which is lost"));
                    }
                    if let Some(other) = given.insert(token, key.clone())
                        && other != key
                    {
                        self.note(format!("token {token} was given to `{other}` and to `{key}`"));
                    }
                }
                Said::Completed { id, token } => {
                    self.compare(&id, token, End::Completed);
                    if let Some(other) = completed.insert(id.clone(), token)
                        && other != token
                    {
                        self.note(format!("`{id}` was completed by {other} and by {token}"));
                    }
                }
                Said::Released { id, token } => self.compare(&id, token, End::Released),
                Said::Refused { id, token } => {
                    let end = self.claims.get(&token).and_then(|held| held.end);
                    if end != Some(End::Taken) {
                        self.note(format!("`{id}` was refused to its holder {token}: {end:?}"));
                    }
                }
                Said::Added { prefix, count } => self.check_added(&prefix, count),
                Said::Began { .. } | Said::Asking { .. } | Said::Again { .. } => {}
            }
        }
        self.wrong
    }

    fn compare(&mut self, id: &str, token: u64, end: End) {
        let held = self.claims.get(&token);
        if held.is_none_or(|held| held.task != id || held.end != Some(end)) {
            self.note(format!("`{id}` was {end:?} with token {token}; the history has {held:?}"));
        }
    }

    fn check_added(&mut self, prefix: &str, count: u64) {
        for n in 0..count {
            if !self.tasks.contains_key(&format!("{prefix}-{n}")) {
                self.note(format!("`{prefix}-{n}` was added, and isn't there"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use taskhost_board::memory::MemoryStore;
    use taskhost_board::plain::PlainPolicies;
    use taskhost_board::{BoardSettings, Engine, Finish, Name, NewTask};
    use taskhost_contract::Plan;

    use super::*;
    use crate::bench::{agent, claim, proof, soon, task_id};

    /// A board with a task that was added, claimed with a key and completed, what was said of that, and its entries.
    fn lived() -> (Vec<Said>, Vec<Entry>) {
        let Plan { policies, components, settings } =
            Plan::new(None, b"plain", &BoardSettings::default());
        let store = MemoryStore::new(&policies, components, &settings).expect("a board");
        let policies = Arc::new(PlainPolicies::default());
        let engine = Engine::new(Arc::new(store.clone()), policies, Arc::new(|| 7));
        let task = NewTask::new(Name::new("work").expect("a name"));
        engine.add(&[NewTask { id: Some(task_id("t-0")), ..task }], soon()).expect("it is added");
        let task = claim(&engine, &agent("a"), Some("k")).expect("an answer").expect("a task");
        let proof = proof(&task).expect("it is claimed");
        engine.finish(&task.id, &proof, &Finish::Complete(None), soon()).expect("it ends");
        let (id, token) = ("t-0".to_owned(), proof.token.expect("a token").0);
        let said = vec![
            Said::Added { prefix: "t".into(), count: 1 },
            Said::Claimed { key: "k".into(), id: id.clone(), token },
            Said::Completed { id, token },
        ];
        (said, store.entries())
    }

    fn wrong(said: &[Said], entries: &[Entry]) -> Vec<String> {
        let mut ledger = Ledger::default();
        for (number, entry) in (1..).zip(entries) {
            ledger.entry(Sequence(number), entry);
        }
        said.iter().cloned().for_each(|said| ledger.said(said));
        ledger.finish()
    }

    #[test]
    fn nothing_is_wrong_with_what_was_done_as_it_was_said() {
        let (said, entries) = lived();
        assert_eq!(wrong(&said, &entries), Vec::<String>::new());
    }

    #[test]
    fn an_entry_that_is_lost_or_there_twice_is_noticed() {
        let (said, entries) = lived();
        for place in 0..entries.len() {
            let mut others = entries.clone();
            let entry = others.remove(place);
            assert_ne!(wrong(&said, &others), Vec::<String>::new(), "without entry {place}");
            others.extend([entry.clone(), entry]);
            assert_ne!(wrong(&said, &others), Vec::<String>::new(), "entry {place} twice");
        }
    }

    #[test]
    fn two_who_were_given_the_same_are_noticed() {
        let (mut said, entries) = lived();
        let token = 1;
        said.push(Said::Claimed { key: "other".into(), id: "t-0".into(), token });
        assert_ne!(wrong(&said, &entries), Vec::<String>::new());
        let (mut said, entries) = lived();
        said.push(Said::Completed { id: "t-0".into(), token: 2 });
        assert_ne!(wrong(&said, &entries), Vec::<String>::new());
    }
}
