//! What must hold of every board at any time, whatever was done to it: its history is complete, each task's life in it is
//! one that a task can have, and the board is what comes of its history.
//!
//! - [`check`]: all of that; every board under test is checked so when it goes.
//! - `Lives`: the rules of a task's life, written down here once more, so that a mistake in how the domain folds entries
//!   isn't made here too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use taskhost_board::image::{self, ImageView};
use taskhost_board::memory::MemoryMap;
use taskhost_board::{
    Change, Entry, Family, Filter, Head, Instant, ListQuery, Order, ReadyQuery, Reservation,
    Sequence, Status, Store, Task, TaskId, Token, View, Vital,
};

/// How much is asked for at most where a question has a limit.
const ALL: usize = 100_000;
/// How many tasks are asked about one by one.
const ASKED_ABOUT_MAX: usize = 200;

/// Every entry, with its number.
pub(crate) fn entries(store: &dyn Store) -> Vec<(Sequence, Entry)> {
    let mut all = Vec::new();
    let mut take = |sequence, entry| {
        all.push((sequence, entry));
        true
    };
    store.history(Sequence(0), &mut take).unwrap();
    all
}

/// What is wrong with a board that isn't used meanwhile: with its history, and with what came of it.
///
/// # Panics
///
/// If it can't be read.
pub fn check(store: &dyn Store) -> Vec<String> {
    let (view, now) = store.snapshot().unwrap();
    wrong(&*view, &now, &entries(store))
}

/// What is wrong with a board of this history.
fn wrong(view: &dyn View, now: &Instant, entries: &[(Sequence, Entry)]) -> Vec<String> {
    let mut wrong = Vec::new();
    if !entries.is_sorted_by(|(earlier, _), (later, _)| earlier < later) {
        wrong.push("the numbers of the entries don't grow".into());
    }
    let mut lives = Lives::default();
    for (sequence, entry) in entries {
        let read = serde_json::from_str::<Entry>(&serde_json::to_string(entry).unwrap());
        if read.ok().as_ref() != Some(entry) {
            wrong.push(format!("entry {sequence} comes out of a file as another one"));
        }
        for change in &entry.changes {
            if let Err(why) = lives.take(change) {
                wrong.push(format!("entry {sequence}: {why}"));
            }
        }
    }
    match folded(view, now, entries) {
        Ok(folded) => compare(view, &folded, now, &mut wrong),
        Err(why) => wrong.push(why),
    }
    wrong
}

/// The board that comes of these entries.
fn folded(
    view: &dyn View,
    now: &Instant,
    entries: &[(Sequence, Entry)],
) -> Result<ImageView<MemoryMap>, String> {
    let mut map = MemoryMap::default();
    // What it was set to in the beginning is nowhere to be read; what was set later stands in the entries.
    let (policies, settings) = (view.policies().unwrap(), view.settings().unwrap());
    image::start(&mut map, &now.boot, &Head::default(), &policies, &settings).unwrap();
    // The numbers may have gaps, which an image's may not.
    for (number, (sequence, entry)) in (1..).zip(entries) {
        image::apply(&mut map, Sequence(number), entry)
            .map_err(|error| format!("entry {sequence} can't follow those before it: {error}"))?;
    }
    Ok(ImageView::new(map))
}

/// Asks both the same.
fn compare(view: &dyn View, folded: &dyn View, now: &Instant, wrong: &mut Vec<String>) {
    let mut both = |what: &str, ask: &dyn Fn(&dyn View) -> String| {
        let (is, should) = (ask(view), ask(folded));
        if is != should {
            wrong.push(format!("{what}: the board has {is}; of its history comes {should}"));
        }
    };
    both("policies", &|view| said(view.policies()));
    both("settings", &|view| said(view.settings()));
    both("census", &|view| said(view.census()));
    both("counts", &|view| said(view.head().map(|head| head.counts)));
    both("metadata", &|view| said(view.metas()));
    both("unasked", &|view| sorted(view.unasked(ALL).unwrap()));
    both("wakes", &|view| sorted(view.wakes(ALL).unwrap()));
    both("due", &|view| sorted(view.due(now, ALL).unwrap()));
    both("vitals", &|view| sorted(vitals(view)));
    for order in [Order::Rank, Order::Oldest, Order::Newest] {
        let filter = Filter::default();
        let query = ReadyQuery { filter, reserved: Reservation::Nobody, order };
        both("ready", &|view| said(view.ready(&query, None, ALL)));
    }
    let (is, should) = (view.next_due(now).unwrap(), folded.next_due(now).unwrap());
    // Of a session whose life lock was found free, only the store knows when that proves it dead.
    let may_end = is < should && is.is_some() && !vitals(view).is_empty();
    if is != should && !may_end {
        wrong.push(format!("next due: the board has {is:?}; of its history comes {should:?}"));
    }
    let (is, should) = (records(view, now), records(folded, now));
    wrong.extend(is.difference(&should).map(|record| format!("in the board only: {record}")));
    wrong.extend(should.difference(&is).map(|record| format!("in the history only: {record}")));
    for task in tasks(folded).iter().take(ASKED_ABOUT_MAX) {
        compare_task(view, folded, task, wrong);
    }
}

/// Asks both about one task.
fn compare_task(view: &dyn View, folded: &dyn View, task: &Task, wrong: &mut Vec<String>) {
    let id = &task.id;
    let of = |view: &dyn View| {
        let families = [Family::Every, Family::Open, Family::Unsuccessful];
        let children = families.map(|which| said(view.children(id, which, None, ALL)));
        let waiters = said(view.waiters(id, None, ALL));
        let dependents = said(view.dependents(id, None, ALL));
        let held = task.claim.as_ref().map(|claim| said(view.claims_held(&claim.agent)));
        format!("children {children:?}, waiters {waiters}, dependents {dependents}, held {held:?}")
    };
    let (is, should) = (of(view), of(folded));
    if is != should {
        wrong.push(format!("`{id}`: the board has {is}; of its history comes {should}"));
    }
}

fn said<T: Debug, E: Debug>(answer: Result<T, E>) -> String {
    format!("{:?}", answer.unwrap())
}

/// In one order, where none is promised.
fn sorted<T: Debug>(all: Vec<T>) -> String {
    let mut texts: Vec<String> = all.iter().map(|one| format!("{one:?}")).collect();
    texts.sort_unstable();
    texts.join(", ")
}

fn vitals(view: &dyn View) -> Vec<(Vital, Vec<TaskId>)> {
    let all = view.vitals(ALL).unwrap().into_iter();
    all.map(|vital| {
        let mut claims = view.vital_claims(&vital, ALL).unwrap();
        claims.sort_unstable();
        (vital, claims)
    })
    .collect()
}

fn records(view: &dyn View, now: &Instant) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut take = |record| {
        all.insert(serde_json::to_string(&record).unwrap());
        true
    };
    view.dump(now.wall, &mut take).unwrap();
    all
}

/// Every task of a board, in the order of creation.
pub(crate) fn tasks(view: &dyn View) -> Vec<Task> {
    view.list(&ListQuery { limit: ALL, ..ListQuery::default() }).unwrap().tasks
}

/// What is known of a task.
struct Fact {
    status: Status,
    token: Option<Token>,
    /// The last token that it was given away with.
    last: Token,
}

/// Where each task stands, and which tokens were given.
#[derive(Default)]
struct Lives {
    tasks: BTreeMap<TaskId, Fact>,
    tokens: BTreeSet<Token>,
}

const OPEN: [Status; 4] = [Status::Pending, Status::InProgress, Status::InReview, Status::Blocked];

impl Lives {
    /// Takes the next change, if it can follow those before it.
    fn take(&mut self, change: &Change) -> Result<(), String> {
        use Status::{Blocked, Cancelled, Completed, Failed, InProgress, InReview, Pending};
        match change {
            Change::Added(task) => self.add(task),
            Change::Claimed { id, claim } => self.claim(id, claim.token),
            Change::Resumed { id, claim } => {
                let fact = self.stands(id, &[InProgress])?;
                match fact.token == Some(claim.token) {
                    true => Ok(()),
                    false => Err(format!("`{id}` was resumed with token {}", claim.token)),
                }
            }
            Change::Renewed { id, .. } | Change::Kept { id, .. } => {
                self.stands(id, &[InProgress]).map(|_| ())
            }
            Change::Released { id, .. }
            | Change::Recovered { id, .. }
            | Change::Retried { id, .. } => self.step(id, &[InProgress], Pending),
            Change::Finished { id, status, .. } => self.step(id, &OPEN, *status),
            Change::Blocked { id, .. } => self.step(id, &[Pending, InProgress], Blocked),
            Change::Unblocked { id, .. } => self.step(id, &[Blocked], Pending),
            Change::Reopened { id, .. } => self.step(id, &[Failed, Cancelled, InReview], Pending),
            Change::Accepted { id, .. } => self.step(id, &[InReview], Completed),
            Change::Answered { id, .. } => self.stands(id, &[Pending]).map(|_| ()),
            Change::Updated { id, .. } | Change::Assigned { id, .. } => {
                self.stands(id, &Status::ALL).map(|_| ())
            }
            Change::Archived(task) => {
                self.stands(&task.id, &[Completed, Failed, Cancelled])?;
                self.tasks.remove(&task.id);
                Ok(())
            }
            Change::Wake { .. }
            | Change::Woken { .. }
            | Change::Remembered { .. }
            | Change::Keyed { .. }
            | Change::PoliciesSet(_)
            | Change::SettingsSet(_)
            | Change::MetaSet { .. }
            | Change::FellBack { .. } => Ok(()),
        }
    }

    fn add(&mut self, task: &Task) -> Result<(), String> {
        let token = task.claim.as_ref().map(|claim| claim.token);
        self.give(&task.id, token)?;
        let last = token.unwrap_or_default();
        let fact = Fact { status: task.status, token, last };
        match self.tasks.insert(task.id.clone(), fact) {
            None => Ok(()),
            Some(_) => Err(format!("`{}` was added twice", task.id)),
        }
    }

    fn claim(&mut self, id: &TaskId, token: Token) -> Result<(), String> {
        self.give(id, Some(token))?;
        let fact = self.stands(id, &[Status::Pending])?;
        if token <= fact.last {
            return Err(format!("`{id}` was given token {token} after {}", fact.last));
        }
        *fact = Fact { status: Status::InProgress, token: Some(token), last: token };
        Ok(())
    }

    fn give(&mut self, id: &TaskId, token: Option<Token>) -> Result<(), String> {
        match token {
            Some(token) if !self.tokens.insert(token) => {
                Err(format!("`{id}` was given token {token}, which was given before"))
            }
            _ => Ok(()),
        }
    }

    fn step(&mut self, id: &TaskId, from: &[Status], to: Status) -> Result<(), String> {
        let fact = self.stands(id, from)?;
        (fact.status, fact.token) = (to, None);
        Ok(())
    }

    fn stands(&mut self, id: &TaskId, among: &[Status]) -> Result<&mut Fact, String> {
        match self.tasks.get_mut(id) {
            Some(fact) if among.contains(&fact.status) => Ok(fact),
            Some(fact) => Err(format!("`{id}` was {}, not one of {among:?}", fact.status)),
            None => Err(format!("there was no `{id}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use taskhost_board::memory::MemoryStore;
    use taskhost_board::plain::PlainPolicies;
    use taskhost_board::{BoardSettings, ClaimOutcome, Engine, Finish};

    use super::*;
    use crate::Plan;
    use crate::board::{agent, numbers, proof, request, soon, task};

    /// A board with one task that was added, claimed, kept, handed back, claimed again and completed.
    fn lived() -> MemoryStore {
        let Plan { policies, components, settings } =
            Plan::new(None, b"plain", &BoardSettings::default());
        let store = MemoryStore::new(&policies, components, &settings).unwrap();
        let policies = Arc::new(PlainPolicies::default());
        let engine = Engine::new(Arc::new(store.clone()), policies, numbers(1));
        engine.add(&[task("t")], soon()).unwrap();
        for how in [Finish::Release(None), Finish::Complete(None)] {
            let claimed = engine.claim(&request(&agent("a")), soon()).unwrap();
            let ClaimOutcome::Claimed { task, .. } = claimed else { panic!("{claimed:?}") };
            store.advance(Duration::from_secs(1));
            engine.heartbeat(&task.id, &proof(&task), None, soon()).unwrap();
            engine.finish(&task.id, &proof(&task), &how, soon()).unwrap();
        }
        store
    }

    #[track_caller]
    fn assert_noticed(store: &MemoryStore, entries: Vec<Entry>, what: &str) {
        let (view, now) = store.snapshot().unwrap();
        let numbered: Vec<_> = (1..).map(Sequence).zip(entries).collect();
        assert_ne!(wrong(&*view, &now, &numbered), Vec::<String>::new(), "{what}");
    }

    #[test]
    fn board_is_what_comes_of_its_history() {
        assert_eq!(check(&lived()), Vec::<String>::new());
    }

    #[test]
    fn entry_that_is_missing_or_there_twice_or_in_the_wrong_place_is_noticed() {
        let store = lived();
        let entries = store.entries();
        for place in 0..entries.len() {
            let mut without = entries.clone();
            let entry = without.remove(place);
            // Of how long a claim held nothing is left once it has ended.
            if !matches!(entry.changes[0], Change::Renewed { .. }) {
                assert_noticed(&store, without, &format!("without entry {place}"));
                let mut twice = entries.clone();
                twice.insert(place, entry);
                assert_noticed(&store, twice, &format!("entry {place} twice"));
            }
            let mut swapped = entries.clone();
            if place > 0 {
                swapped.swap(place - 1, place);
                assert_noticed(&store, swapped, &format!("entry {place} too early"));
            }
        }
    }

    #[test]
    fn token_that_is_given_twice_is_noticed() {
        let store = lived();
        let mut entries = store.entries();
        for change in entries.iter_mut().flat_map(|entry| &mut entry.changes) {
            if let Change::Claimed { claim, .. } = change {
                claim.token = Token(1);
            }
        }
        assert_noticed(&store, entries, "one token twice");
    }
}
