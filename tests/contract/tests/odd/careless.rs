//! The contract finds stores out that let transactions run side by side and don't see to what that takes.

use std::any::Any;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Deadline};

use taskhost_board::memory::MemoryStore;
use taskhost_board::{
    BeginError, Change, CommitError, Committed, Entry, Instant, NoTaskLocks, Numbers, Opened,
    ReadError, Store, TaskId, TaskLocks, Token, View, Vital,
};
use taskhost_contract::{Bench, Kind, Plan, run};

const CARELESS: Kind =
    Kind { new: |plan| Arc::new(Careless::new(plan, false)), cases: 8, is_serial: false };
const HASTY: Kind =
    Kind { new: |plan| Arc::new(Careless::new(plan, true)), cases: 8, is_serial: false };

/// A board whose transactions read it as it was when they began, and commit whatever has become of it since.
#[derive(Clone)]
struct Careless {
    store: MemoryStore,
    numbers: Arc<AtomicU64>,
    /// Whether they look at least if the tasks that they change are as they were: what databases call snapshot
    /// isolation.
    looks_at_tasks: bool,
}

impl Careless {
    fn new(plan: &Plan, looks_at_tasks: bool) -> Self {
        let Plan { policies, components, settings } = plan;
        let store = MemoryStore::new(policies, components.clone(), settings).unwrap();
        Self { store, numbers: Arc::default(), looks_at_tasks }
    }
}

impl Bench for Careless {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }
    fn handle(&self) -> Arc<dyn Store> {
        self.store()
    }
    fn advance(&self, by: Duration) {
        self.store.advance(by);
    }
    fn lock_by_hand(&self, task: &TaskId) -> Box<dyn Any> {
        Box::new(self.store.lock_by_hand(task).unwrap())
    }
    fn check(&self) -> Vec<String> {
        self.store.check().unwrap()
    }
}

/// Tokens and places that at least nobody else is given.
struct Counted(Arc<AtomicU64>);

impl Numbers for Counted {
    fn token(&mut self, _task: &TaskId) -> Result<Token, ReadError> {
        Ok(Token(self.born()?))
    }
    fn born(&mut self) -> Result<u64, ReadError> {
        Ok(self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

struct CarelessOpened {
    of: Careless,
    view: Option<Box<dyn View>>,
    /// The same once more.
    before: Box<dyn View>,
    now: Instant,
}

impl Opened for CarelessOpened {
    fn now(&self) -> Instant {
        self.now.clone()
    }
    fn view(&mut self) -> Box<dyn View> {
        self.view.take().unwrap()
    }
    fn dead(&mut self, _holders: &[Vital]) -> Vec<Vital> {
        Vec::new()
    }
    fn task_locks(&mut self) -> Box<dyn TaskLocks> {
        Box::new(NoTaskLocks)
    }
    fn numbers(&mut self) -> Option<Box<dyn Numbers>> {
        Some(Box::new(Counted(self.of.numbers.clone())))
    }
    fn commit(self: Box<Self>, entry: Entry) -> Result<Committed, CommitError> {
        // Others have some time for the same.
        std::thread::sleep(Duration::from_millis(1));
        let soon = Deadline::now() + Duration::from_secs(10);
        let mut opened = self.of.store.begin(soon).unwrap();
        let now = opened.view();
        let changed = |id: &TaskId| now.task(id).unwrap() != self.before.task(id).unwrap();
        let mut tasks = entry.changes.iter().filter_map(Change::task);
        if self.of.looks_at_tasks && tasks.any(changed) {
            return Err(CommitError::Conflict);
        }
        drop(now);
        opened.commit(entry)
    }
    fn finish(self: Box<Self>) -> Result<(), CommitError> {
        Ok(())
    }
}

impl Store for Careless {
    fn begin(&self, deadline: Deadline) -> Result<Box<dyn Opened>, BeginError> {
        // Only until it was read twice.
        let opened = self.store.begin(deadline)?;
        let (view, now) = self.store.snapshot()?;
        let (before, _) = self.store.snapshot()?;
        drop(opened);
        Ok(Box::new(CarelessOpened { of: self.clone(), view: Some(view), before, now }))
    }

    delegate_store!(snapshot mark wait history);
    delegate_store!(rest);
}

/// Which of these tests find nothing wrong with a kind of store. What happens at once is chance, so it may take more than
/// one attempt.
fn blind<'a>(kind: &Kind, tests: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let finds = |of: &str, test: &str| catch_unwind(|| run(of, test, kind)).is_err();
    let blind = tests.iter().filter(|(of, test)| !(0..20).any(|_| finds(of, test)));
    blind.copied().collect()
}

/// What goes wrong although every task that is changed is as it was read: what was decided on others isn't.
const SKEWED: [(&str, &str); 8] = [
    ("crowd_changes", "nothing_is_given_by_the_old_policy_after_a_switch"),
    ("crowd_changes", "settings_that_are_changed_while_others_work_are_all_kept"),
    ("crowd_claims", "one_key_of_many_requests_adds_one_task"),
    ("crowd_families", "parts_that_end_at_once_complete_the_whole_once"),
    ("crowd_families", "parts_that_end_at_once_make_the_whole_ready"),
    ("crowd_families", "dependencies_that_end_at_once_make_what_comes_after_them_ready"),
    ("crowd_families", "what_is_added_while_that_ends_which_it_waits_for_is_ready"),
    ("crowd_families", "what_is_archived_is_nobodys_dependency"),
];

#[test]
fn store_that_looks_only_at_what_it_changes_is_found_out() {
    assert_eq!(blind(&HASTY, &SKEWED), []);
}

#[test]
fn store_that_looks_at_nothing_is_found_out() {
    let others = [
        ("crowd_claims", "each_of_many_gets_the_most_urgent_that_nobody_else_takes"),
        ("crowd_claims", "one_key_of_many_requests_is_one_claim"),
        ("crowd_claims", "what_a_policy_counts_is_as_much_as_was_given"),
        ("crowd_claims", "late_holder_keeps_its_task_or_loses_it_but_not_both"),
        ("crowd_families", "cascade_and_those_who_work_below_it_agree_on_what_was_done"),
    ];
    assert_eq!(blind(&CARELESS, &others), []);
    assert_eq!(blind(&CARELESS, &SKEWED), []);
}

#[test]
fn what_one_asker_after_the_other_does_is_right_even_so() {
    for kind in [CARELESS, HASTY] {
        run("claims", "voluntary_release_gives_its_attempt_back", &kind);
        run("adding", "one_batch_may_name_its_tasks_in_any_order", &kind);
        run("operating", "cancelling_ends_a_task_and_with_cascade_what_waits_for_it", &kind);
    }
}
