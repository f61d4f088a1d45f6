//! Large values beside the board.

use super::locks::{disk, lock_file, soon};
use taskhost_board::{BeginError, ContextFailure, Contexts, Owner};

use super::*;
use crate::disk::Hold;
use crate::simulation::{Counted, Fault, World};

fn task(text: &str) -> Owner {
    Owner::Task(id(text))
}

fn agent_of(text: &str) -> Owner {
    Owner::Agent(name(text))
}

#[test]
fn values_are_set_read_appended_listed_and_removed() {
    let (directory, store) = fresh();
    let contexts = store.contexts();
    let (owner, key) = (task("t"), id("plan.md"));
    assert_eq!(contexts.get(&owner, &key).unwrap(), None);
    assert!(!contexts.remove(&owner, &key, far()).unwrap());
    assert_eq!(contexts.list(&owner).unwrap(), []);
    assert_eq!(contexts.owners().unwrap(), []);
    contexts.set(&owner, &key, b"one", far()).unwrap();
    assert_eq!(contexts.append(&owner, &key, b" two", far()).unwrap(), 7);
    assert_eq!(contexts.append(&owner, &id("log"), b"x", far()).unwrap(), 1);
    let other = open(&board(&directory)).contexts();
    assert_eq!(other.get(&owner, &key).unwrap().unwrap(), b"one two");
    let listed = other.list(&owner).unwrap();
    let said: Vec<_> = listed.iter().map(|e| (e.key.as_str(), e.bytes)).collect();
    assert_eq!(said, [("log", 1), ("plan.md", 7)]);
    assert!(listed.iter().all(|entry| entry.changed_at.0 > 1_600_000_000_000));
    let files = board(&directory).join("context/task/t");
    assert_eq!(std::fs::read(files.join("plan.md")).unwrap(), b"one two");
    contexts.set(&agent_of("t"), &key, b"another's", far()).unwrap();
    assert_eq!(other.owners().unwrap(), [owner.clone(), agent_of("t")]);
    assert!(other.remove(&owner, &key, far()).unwrap());
    assert!(!other.remove(&owner, &key, far()).unwrap());
    assert!(other.remove(&owner, &id("log"), far()).unwrap());
    assert_eq!(contexts.owners().unwrap(), [agent_of("t")]);
    assert_clean(&store);
}

#[test]
fn agents_may_have_any_name() {
    let (directory, store) = fresh();
    let contexts = store.contexts();
    let long = ["é/".repeat(42), "é~".repeat(42)];
    let names = ["a", "A", "..", ".", "a/b", "a%2Fb", "a b", "../../x", "ключ", &long[0], &long[1]];
    for name in names {
        contexts.set(&agent_of(name), &id("k"), name.as_bytes(), far()).unwrap();
    }
    let mut expected: Vec<Owner> = names.iter().map(|name| agent_of(name)).collect();
    expected.sort_unstable();
    std::fs::create_dir(board(&directory).join("context/agent/%zz")).unwrap();
    let other = open(&board(&directory)).contexts();
    assert_eq!(other.owners().unwrap(), expected);
    for name in names {
        assert_eq!(other.get(&agent_of(name), &id("k")).unwrap().unwrap(), name.as_bytes());
        assert_eq!(other.list(&agent_of(name)).unwrap().len(), 1);
    }
}

/// Two agents that appended at once read the same content, and one's line was gone.
#[test]
fn nothing_that_is_appended_is_lost() {
    let (directory, _store) = fresh();
    let path = board(&directory);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let contexts = open(path).contexts();
                for n in 0..10 {
                    let line = format!("{thread} {n}\n");
                    contexts.append(&task("t"), &id("log"), line.as_bytes(), far()).unwrap();
                }
            });
        }
    });
    let log = open(&path).contexts().get(&task("t"), &id("log")).unwrap().unwrap();
    let mut lines: Vec<&str> = std::str::from_utf8(&log).unwrap().lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 40);
}

#[test]
fn what_is_too_large_changes_nothing_and_a_lock_is_waited_for_until_the_deadline() {
    let (directory, store) = fresh();
    let contexts = store.contexts();
    let (owner, key) = (task("t"), id("k"));
    let most = usize::try_from(taskhost_board::CONTEXT_BYTES_MAX).unwrap();
    let large = vec![7; most];
    contexts.set(&owner, &key, &large, far()).unwrap();
    let more = contexts.append(&owner, &key, b"x", far());
    assert!(matches!(more, Err(ContextFailure::TooLarge)));
    assert_eq!(contexts.list(&owner).unwrap()[0].bytes, most as u64);
    let disk = disk(&board(&directory));
    let held: Vec<_> = (0..16)
        .map(|n| {
            lock_file(&disk, &format!("locks/context_{n}.lock"), Hold::Exclusive, far()).unwrap()
        })
        .collect();
    let late = contexts.set(&owner, &key, b"x", soon(50));
    let Err(ContextFailure::Begin(BeginError::Timeout { holder, .. })) = late else {
        panic!("{late:?}")
    };
    assert!(holder.unwrap().contains(&std::process::id().to_string()));
    drop(held);
    contexts.set(&owner, &key, b"x", far()).unwrap();
}

#[test]
fn what_writers_that_died_left_is_neither_listed_nor_kept() {
    let (directory, store) = fresh();
    let contexts = store.contexts();
    contexts.set(&task("t"), &id("k-1"), b"x", far()).unwrap();
    let files = board(&directory).join("context/task/t");
    let (litter, others) = (".tmp-0123456789abcdef-k-1", ".tmp-0123456789abcdef-k");
    for name in [litter, others] {
        std::fs::write(files.join(name), "").unwrap();
    }
    assert_eq!(contexts.list(&task("t")).unwrap().len(), 1);
    contexts.set(&task("t"), &id("k-1"), b"y", far()).unwrap();
    assert!(!files.join(litter).exists());
    assert!(files.join(others).exists(), "its writer may be at work");
}

type Act = fn(&dyn Contexts) -> Result<(), ContextFailure>;

/// What a crash may leave of a value that was `before`, if `act` makes `after` of it.
fn crash_everywhere(before: Option<&[u8]>, after: Option<&[u8]>, act: Act, fault: Fault) -> u64 {
    let mut at = 0;
    loop {
        let world = World::new();
        let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
        if let Some(before) = before {
            store.contexts().set(&task("t"), &id("k"), before, far()).unwrap();
        }
        let process = world.process();
        let store = process.open(OpenOptions::default()).unwrap();
        process.plan(Counted::Changes, at, fault);
        let answer = act(&*store.contexts());
        let is_over = process.operations(Counted::Changes) <= at;
        let booted = world.survivors().into_iter().map(|survivor| World::booted(&survivor));
        for found in booted.chain([world.clone()]) {
            let store = found.process().open(OpenOptions::default()).unwrap();
            let contexts = store.contexts();
            let value = contexts.get(&task("t"), &id("k")).unwrap();
            let value = value.as_deref();
            match &answer {
                Ok(()) => assert_eq!(value, after, "acknowledged, {fault:?} at {at}"),
                Err(_) => {
                    assert!(value == before || value == after, "{value:?}, {fault:?} at {at}")
                }
            }
            contexts.set(&task("t"), &id("k"), b"afterwards", far()).unwrap();
            assert_eq!(contexts.owners().unwrap(), [task("t")]);
        }
        if is_over {
            return at;
        }
        at += 1;
    }
}

#[test]
fn a_value_survives_a_crash_at_every_operation_old_or_new_and_whole() {
    const SET: Act = |contexts| contexts.set(&task("t"), &id("k"), b"new", far());
    const APPEND: Act =
        |contexts| contexts.append(&task("t"), &id("k"), b" and new", far()).map(|_| ());
    const REMOVE: Act = |contexts| contexts.remove(&task("t"), &id("k"), far()).map(|_| ());
    for fault in [Fault::Stop, Fault::ShortWrite, Fault::LostSync] {
        assert!(crash_everywhere(None, Some(b"new"), SET, fault) >= 8);
        assert!(crash_everywhere(Some(b"old"), Some(b"new"), SET, fault) >= 5);
        assert!(crash_everywhere(Some(b"old"), Some(b"old and new"), APPEND, fault) >= 5);
        assert!(crash_everywhere(Some(b"old"), None, REMOVE, fault) >= 2);
    }
}
