//! A board that can't be read is not the policy's fault, and the transaction comes back from it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{guests, id, limits};
use taskhost_board::image::Record;
use taskhost_board::memory::MemoryStore;
use taskhost_board::{
    BoardSettings, BootId, Candidate, Census, Command, Digest, Due, Family, Head, HookError,
    Hooked, Instant, Json, KeyRecord, ListQuery, Millis, Name, OrderKey, Page, Policies,
    PolicyLimits, PolicySet, ReadError, ReadyQuery, Space, Store, Task, TaskId, Transaction, View,
    Vital, Wake,
};
use taskhost_policy::{Runtime, RuntimeOptions};

/// A board whose disk has gone.
struct Broken;

macro_rules! broken {
    ($($name:ident($($type:ty),*) -> $answer:ty;)*) => {
        impl View for Broken {
            fn head(&self) -> Result<Head, ReadError> {
                Ok(Head::default())
            }
            $(broken!(@ $name($($type),*) -> $answer);)*
        }
    };
    (@ $name:ident() -> $answer:ty) => {
        fn $name(&self) -> Result<$answer, ReadError> { gone() }
    };
    (@ $name:ident($a:ty) -> $answer:ty) => {
        fn $name(&self, _: $a) -> Result<$answer, ReadError> { gone() }
    };
    (@ $name:ident($a:ty, $b:ty) -> $answer:ty) => {
        fn $name(&self, _: $a, _: $b) -> Result<$answer, ReadError> { gone() }
    };
    (@ $name:ident($a:ty, $b:ty, $c:ty) -> $answer:ty) => {
        fn $name(&self, _: $a, _: $b, _: $c) -> Result<$answer, ReadError> { gone() }
    };
    (@ $name:ident($a:ty, $b:ty, $c:ty, $d:ty) -> $answer:ty) => {
        fn $name(&self, _: $a, _: $b, _: $c, _: $d) -> Result<$answer, ReadError> { gone() }
    };
}

fn gone<T>() -> Result<T, ReadError> {
    Err(ReadError::Damaged("the disk has gone".into()))
}

broken! {
    policies() -> PolicySet;
    settings() -> BoardSettings;
    task(&TaskId) -> Option<Task>;
    children(&TaskId, Family, Option<&TaskId>, usize) -> Vec<TaskId>;
    ready(&ReadyQuery, Option<OrderKey>, usize) -> Vec<Candidate>;
    claims_held(&Name) -> u32;
    recall(Space, &str) -> Option<Vec<u8>>;
    remembered(Space) -> u32;
    waiters(&TaskId, Option<&TaskId>, usize) -> Vec<TaskId>;
    unasked(usize) -> Vec<TaskId>;
    wakes(usize) -> Vec<Wake>;
    due(&Instant, usize) -> Vec<Due>;
    next_due(&Instant) -> Option<Millis>;
    vitals(usize) -> Vec<Vital>;
    vital_claims(&Vital, usize) -> Vec<TaskId>;
    dependents(&TaskId, Option<&TaskId>, usize) -> Vec<TaskId>;
    meta(&TaskId) -> Option<Json>;
    metas() -> Vec<(TaskId, Json)>;
    census() -> Census;
    dump(Millis, &mut dyn FnMut(Record) -> bool) -> ();
    key(Command, &str) -> Option<KeyRecord>;
    list(&ListQuery) -> Page;
}

#[test]
fn unreadable_board_is_not_the_policys_failure() {
    let standard = &guests().standard;
    let set = PolicySet { custom: None, standard: common::pin(standard, &[]) };
    let components = [(Digest::of(standard), standard.clone())].into();
    let store = MemoryStore::new(&set, components, &BoardSettings::default()).unwrap();
    let options =
        RuntimeOptions { limits: limits(), cache_dir: None, ..RuntimeOptions::new(store.powers()) };
    let runtime = Runtime::new(options).unwrap();
    let policy =
        runtime.prepare(&set, &PolicyLimits::default(), &mut |_| Ok(standard.clone())).unwrap();

    let now = Instant { wall: Millis(1), boot: BootId("test".into()), boot_ms: 1 };
    let tx = Transaction::new(Box::new(Broken), now, "decision-7".into(), 7, 256).unwrap();
    let mut hooks = policy.enter(false);
    let Hooked { tx, answer } = hooks.classify(tx, &id("t"));
    assert_eq!(tx.id(), "decision-7", "the same transaction comes back");
    match answer {
        Err(HookError::Read(ReadError::Damaged(text))) => assert_eq!(text, "the disk has gone"),
        other => panic!("{other:?}"),
    }
}
