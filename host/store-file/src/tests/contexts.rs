//! Large values beside the board.

use super::locks::{disk, lock_file, soon};
use taskhost_board::{BeginError, ContextFailure, Contexts, FileFailure, Owner, Place, Powers};

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

/// A board with this value, or with none.
fn world_with(value: Option<&[u8]>) -> (Arc<World>, FileStore) {
    let world = World::new();
    let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
    if let Some(value) = value {
        store.contexts().set(&task("t"), &id("k"), value, far()).unwrap();
    }
    (world, store)
}

/// What a crash may leave of a value that was `before`, if `act` makes `after` of it.
fn crash_everywhere(before: Option<&[u8]>, after: Option<&[u8]>, act: Act, fault: Fault) -> u64 {
    let mut at = 0;
    loop {
        let (world, _store) = world_with(before);
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

type Ask = fn(&dyn Contexts) -> String;

const ASK: [Ask; 3] = [
    |contexts| format!("{:?}", contexts.get(&task("t"), &id("k")).unwrap()),
    |contexts| {
        let listed = contexts.list(&task("t")).unwrap();
        format!("{:?}", listed.iter().map(|entry| (&entry.key, entry.bytes)).collect::<Vec<_>>())
    },
    |contexts| format!("{:?}", contexts.owners().unwrap()),
];

/// What somebody was told after a writer was killed while it did `act` is told after a power failure, too.
fn told_for_good(before: Option<&[u8]>, act: Act, is_lock_there: bool) -> u64 {
    let mut at = 0;
    loop {
        let (world, store) = world_with(before);
        let process = world.process();
        let writer = process.open(OpenOptions::default()).unwrap();
        process.plan(Counted::Changes, at, Fault::Stop);
        let _ = act(&*writer.contexts());
        if !process.is_stopped() {
            return at;
        }
        drop((store, writer));
        if !is_lock_there {
            for name in world.files().into_keys().filter(|name| name.starts_with("locks/context")) {
                world.tamper(&name, None);
            }
        }
        for (number, ask) in ASK.iter().enumerate() {
            let world = world.copy();
            let reader = world.process().open(OpenOptions::default()).unwrap();
            let told = ask(&*reader.contexts());
            for survivor in world.survivors() {
                let world = World::booted(&survivor);
                let store = world.process().open(OpenOptions::default()).unwrap();
                let found = ask(&*store.contexts());
                assert_eq!(found, told, "question {number}, stopped at {at}, {}", survivor.what);
            }
        }
        if world.files().contains_key("context/task/t/k") {
            too_large_for_good(&world);
        }
        at += 1;
    }
}

/// That there is no room for more says that something is there.
fn too_large_for_good(world: &World) {
    let world = world.copy();
    let reader = world.process().open(OpenOptions::default()).unwrap();
    let most = usize::try_from(taskhost_board::CONTEXT_BYTES_MAX).unwrap();
    let refused = reader.contexts().append(&task("t"), &id("k"), &vec![7; most], far());
    assert!(matches!(refused, Err(ContextFailure::TooLarge)), "{refused:?}");
    for survivor in world.survivors() {
        let store = World::booted(&survivor).process().open(OpenOptions::default()).unwrap();
        let found = store.contexts().get(&task("t"), &id("k")).unwrap();
        assert!(found.is_some(), "{}", survivor.what);
    }
}

/// A writer was killed between the rename and the sync of the directory, and the kernel let its lock go; somebody read the
/// new value, and the power failed, which took it back. The same happened without any death where the lock's file was made
/// just after the reader had looked for it.
#[test]
fn what_a_reader_was_told_is_not_taken_back_by_a_crash() {
    const SET: Act = |contexts| contexts.set(&task("t"), &id("k"), b"new", far());
    const REMOVE: Act = |contexts| contexts.remove(&task("t"), &id("k"), far()).map(|_| ());
    for is_lock_there in [true, false] {
        assert!(told_for_good(None, SET, is_lock_there) >= 8);
        assert!(told_for_good(Some(b"older"), SET, is_lock_there) >= 5);
        assert!(told_for_good(Some(b"older"), REMOVE, is_lock_there) >= 2);
    }
}

/// The same of a policy's file: its content, that there is none, and that it isn't what was expected.
#[test]
fn what_a_policy_was_told_of_a_file_is_not_taken_back_by_a_crash() {
    const PATIENCE: Duration = Duration::from_secs(20);
    let ask: [fn(&dyn Powers) -> String; 2] = [
        |powers| match powers.read(Place::Board, "quota", PATIENCE) {
            Ok(found) => format!("{found:?}"),
            Err(FileFailure::NotFound) => "there is none".into(),
            Err(other) => panic!("{other:?}"),
        },
        |powers| {
            let replaced = powers.replace(Place::Board, "quota", b"", Some(b"none"), PATIENCE);
            format!("{replaced:?}")
        },
    ];
    for before in [None, Some(b"none")] {
        let mut at = 0;
        loop {
            let world = World::new();
            let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
            if let Some(before) = before {
                store.powers().replace(Place::Board, "quota", before, None, PATIENCE).unwrap();
            }
            let process = world.process();
            let writer = process.open(OpenOptions::default()).unwrap();
            process.plan(Counted::Changes, at, Fault::Stop);
            let _ = writer.powers().replace(Place::Board, "quota", b"8", None, PATIENCE);
            if !process.is_stopped() {
                break;
            }
            drop((store, writer));
            for (number, ask) in ask.iter().enumerate() {
                let world = world.copy();
                let reader = world.process().open(OpenOptions::default()).unwrap();
                let told = ask(&*reader.powers());
                if told == "Ok(())" {
                    // It was replaced, which is another story.
                    continue;
                }
                for survivor in world.survivors() {
                    let world = World::booted(&survivor);
                    let store = world.process().open(OpenOptions::default()).unwrap();
                    let found = ask(&*store.powers());
                    assert_eq!(
                        found, told,
                        "question {number}, stopped at {at}, {}",
                        survivor.what
                    );
                }
            }
            at += 1;
        }
        assert!(at >= 5, "{at}");
    }
}
