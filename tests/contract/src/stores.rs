//! What a store gives besides transactions: the board at one instant, its history, waiting, lives, large values, and what
//! policies may do beyond the transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use taskhost_board::{
    CONTEXT_BYTES_MAX, ContextFailure, Digest, FILE_BYTES_MAX, FileFailure, ListQuery, LockFailure,
    NewTask, Owner, Place, Powers, ReadError, Sequence, TaskId,
};

use crate::Kind;
use crate::board::{Board, agent, board, id, name, soon, task};
use crate::crowds::{Job, at_once, crew, plain};
use crate::history::{entries, tasks};

/// A while in which nothing is to happen.
const MOMENT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(20);

/// A list counted tasks that it didn't show, because somebody had added them in between.
pub(crate) fn no_reader_sees_a_part_of_an_entry(kind: &Kind) {
    const AT_ONCE: usize = 5;
    let board = board(kind);
    let engines = crew(&board, 3, &plain());
    let rounds = kind.cases as usize;
    let adder = engines[0].clone();
    let mut jobs: Vec<Job<'_, usize>> = vec![Box::new(move || {
        for round in 0..rounds {
            let batch = [0, 1, 2, 3, 4].map(|n| task(&format!("t{round}-{n}")));
            adder.add(&batch, soon()).unwrap();
        }
        rounds * AT_ONCE
    })];
    for engine in &engines[1..] {
        jobs.push(Box::new(move || {
            let mut seen = 0;
            while seen < rounds * AT_ONCE {
                let (view, _) = engine.store().snapshot().unwrap();
                let counted = view.head().unwrap().counts.total() as usize;
                let census = view.census().unwrap().types;
                let of_type: u64 = census.values().flatten().sum();
                let listed = tasks(&*view).len();
                assert_eq!((counted, of_type as usize), (listed, listed));
                assert_eq!(listed % AT_ONCE, 0);
                assert!(listed >= seen, "{listed} after {seen}");
                seen = listed;
            }
            seen
        }));
    }
    assert_eq!(at_once(jobs), [rounds * AT_ONCE; 3]);
}

pub(crate) fn what_is_read_stays_as_it_was_when_the_reading_began(kind: &Kind) {
    let board = board(kind);
    board.add(&[task("a")]).unwrap();
    let (view, _) = board.store.snapshot().unwrap();
    let before = board.task("a");
    let held = board.next("ann").unwrap();
    board.add(&[task("b")]).unwrap();
    assert_eq!(view.task(&id("a")).unwrap(), Some(before));
    assert_eq!(view.task(&id("b")).unwrap(), None);
    assert_eq!(tasks(&*view).len(), 1);
    assert_eq!(board.task("a"), held);
}

pub(crate) fn history_is_handed_over_from_any_place_and_until_it_is_enough(kind: &Kind) {
    let board = board(kind);
    for text in ["a", "b", "c"] {
        board.add(&[task(text)]).unwrap();
    }
    let all = entries(&*board.store);
    for (place, (sequence, _)) in all.iter().enumerate() {
        let mut rest = Vec::new();
        let mut take = |sequence, entry| {
            rest.push((sequence, entry));
            true
        };
        board.store.history(*sequence, &mut take).unwrap();
        assert_eq!(rest, all[place + 1..]);
    }
    let mut handed = 0;
    let mut first = |sequence: Sequence, _| {
        handed += 1;
        assert_eq!(sequence, all[0].0);
        false
    };
    board.store.history(Sequence(0), &mut first).unwrap();
    assert_eq!(handed, 1);
}

pub(crate) fn whoever_waits_is_woken_by_what_was_committed_since_they_looked(kind: &Kind) {
    let board = board(kind);
    let other = board.another(plain(), 1_000);
    let before = board.store.mark().unwrap();
    assert_eq!(board.store.wait(before, MOMENT).unwrap().newest, before.newest);
    // What came before they began to wait.
    other.add(&[task("a")], soon()).unwrap();
    let began = Instant::now();
    let after = board.store.wait(before, LONG).unwrap();
    assert!(after.newest > before.newest);
    // What comes while they wait.
    let last = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut mark = after;
            while mark.newest == after.newest && began.elapsed() < LONG {
                mark = board.store.wait(mark, LONG).unwrap();
            }
            mark
        });
        other.add(&[task("b")], soon()).unwrap();
        waiter.join().unwrap()
    });
    assert!(last.newest > after.newest);
    assert!(began.elapsed() < LONG, "they were not woken");
}

pub(crate) fn component_is_what_its_digest_says(kind: &Kind) {
    let board = board(kind);
    assert_eq!(board.store.component(Digest::of(b"plain")).unwrap(), b"plain");
    let missing = board.store.component(Digest::of(b"nobody's"));
    assert!(matches!(missing, Err(ReadError::Damaged(_))), "{missing:?}");
}

pub(crate) fn session_lives_once(kind: &Kind) {
    let board = board(kind);
    let other = board.another(plain(), 1_000);
    let (ada, bob) = (agent("ada"), agent("bob"));
    let life = board.live(&ada);
    let _bobs = board.live(&bob);
    for store in [&board.store, other.store()] {
        assert!(matches!(store.live(&ada.session), Err(ReadError::Failed(_))));
    }
    board.let_die(life);
    drop(other.store().live(&ada.session).unwrap());
}

pub(crate) fn task_that_is_locked_by_hand_is_waited_for_and_others_are_not(kind: &Kind) {
    let board = board(kind);
    assert_eq!(board.store.task_locker(&id("a")).unwrap(), None);
    let lock = board.lock_by_hand(&id("a"));
    let hurried = || Instant::now() + MOMENT;
    assert!(board.store.lock_task(&id("a"), hurried()).is_err());
    assert!(board.store.lock_task(&id("b"), hurried()).is_ok());
    drop(lock);
    assert!(board.store.lock_task(&id("a"), soon()).is_ok());
    // Whoever gave up waiting may have it for a moment yet.
    let late = soon();
    while let Some(locker) = board.store.task_locker(&id("a")).unwrap() {
        assert!(Instant::now() < late, "it is locked by {locker}");
    }
}

fn owners() -> [Owner; 2] {
    [Owner::Task(id("t")), Owner::Agent(name("t"))]
}

pub(crate) fn large_values_are_kept_by_owner_and_key(kind: &Kind) {
    let board = board(kind);
    let (contexts, others) =
        (board.store.contexts(), board.another(plain(), 1_000).store().contexts());
    let (key, other_key) = (id("plan"), id("notes"));
    for (owner, value) in owners().iter().zip([&b"of a task"[..], b"of an agent"]) {
        assert_eq!(contexts.get(owner, &key).unwrap(), None);
        contexts.set(owner, &key, value, soon()).unwrap();
        assert_eq!(others.get(owner, &key).unwrap().as_deref(), Some(value));
        let bytes = others.append(owner, &key, b"!", soon()).unwrap();
        assert_eq!(bytes, value.len() as u64 + 1);
        contexts.append(owner, &other_key, &[0, 255], soon()).unwrap();
        let listed = contexts.list(owner).unwrap();
        let listed: Vec<_> = listed.iter().map(|entry| (entry.key.clone(), entry.bytes)).collect();
        assert_eq!(listed, [(other_key.clone(), 2), (key.clone(), bytes)]);
    }
    let mut all = contexts.owners().unwrap();
    all.sort_unstable();
    assert_eq!(all, owners());
    let [owner, other] = owners();
    assert!(others.remove(&owner, &key, soon()).unwrap());
    assert!(!contexts.remove(&owner, &key, soon()).unwrap());
    assert_eq!(contexts.get(&owner, &key).unwrap(), None);
    assert_eq!(contexts.get(&other, &key).unwrap().unwrap(), b"of an agent!");
}

pub(crate) fn value_that_is_too_large_is_refused_whole(kind: &Kind) {
    let contexts_of = board(kind);
    let contexts = contexts_of.store.contexts();
    let (owner, key) = (Owner::Task(id("t")), id("k"));
    let full = vec![7; CONTEXT_BYTES_MAX as usize];
    contexts.set(&owner, &key, &full, soon()).unwrap();
    let more = contexts.append(&owner, &key, b"x", soon());
    assert!(matches!(more, Err(ContextFailure::TooLarge)), "{more:?}");
    let larger = contexts.set(&owner, &key, &[full, vec![7]].concat(), soon());
    assert!(matches!(larger, Err(ContextFailure::TooLarge)), "{larger:?}");
    assert_eq!(contexts.list(&owner).unwrap()[0].bytes, CONTEXT_BYTES_MAX);
}

/// Two agents appended to one value at once, and what one of them wrote was gone.
pub(crate) fn what_many_append_to_one_value_is_all_there(kind: &Kind) {
    const EACH: usize = 10;
    let board = board(kind);
    let engines = crew(&board, 4, &plain());
    let jobs = (0_u8..).zip(&engines).map(|(n, engine)| -> Job<'_, ()> {
        Box::new(move || {
            let (contexts, [owner, _]) = (engine.store().contexts(), owners());
            for _ in 0..EACH {
                contexts.append(&owner, &id("k"), &[n; 3], soon()).unwrap();
            }
        })
    });
    at_once(jobs.collect());
    let [owner, _] = owners();
    let all = board.store.contexts().get(&owner, &id("k")).unwrap().unwrap();
    assert!(all.chunks(3).all(|three| three == [three[0]; 3]), "{all:?}");
    for n in 0..4 {
        assert_eq!(all.iter().filter(|byte| **byte == n).count(), 3 * EACH);
    }
}

fn read(powers: &dyn Powers, file: &str) -> Result<Vec<u8>, FileFailure> {
    powers.read(Place::Board, file, LONG)
}

fn replace(
    powers: &dyn Powers,
    file: &str,
    content: &[u8],
    expected: Option<&[u8]>,
) -> Result<(), FileFailure> {
    powers.replace(Place::Board, file, content, expected, LONG)
}

pub(crate) fn policies_replace_their_files_whole_and_only_what_they_expect(kind: &Kind) {
    let board = board(kind);
    let other = board.another(plain(), 1_000);
    let (powers, others) = (board.store.powers(), other.store().powers());
    assert!(matches!(read(&*powers, "f"), Err(FileFailure::NotFound)));
    replace(&*powers, "f", b"one", None).unwrap();
    assert_eq!(read(&*others, "f").unwrap(), b"one");
    let wrong = replace(&*others, "f", b"two", Some(b"zero"));
    assert!(matches!(wrong, Err(FileFailure::Changed)), "{wrong:?}");
    replace(&*others, "f", b"two", Some(b"one")).unwrap();
    let large = replace(&*others, "f", &vec![0; FILE_BYTES_MAX + 1], None);
    assert!(matches!(large, Err(FileFailure::TooLarge)), "{large:?}");
    assert_eq!(read(&*powers, "f").unwrap(), b"two");
    assert!(matches!(read(&*powers, "g"), Err(FileFailure::NotFound)));
}

/// Counts in a policy's file, each step from what it found there.
fn count_in_file(powers: &dyn Powers, steps: usize) {
    for _ in 0..steps {
        loop {
            let before = read(powers, "count").unwrap();
            let number: u64 = std::str::from_utf8(&before).unwrap().parse().unwrap();
            match replace(powers, "count", (number + 1).to_string().as_bytes(), Some(&before)) {
                Ok(()) => break,
                Err(FileFailure::Changed) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

pub(crate) fn what_many_count_in_one_file_is_all_counted(kind: &Kind) {
    const EACH: usize = 10;
    let board = board(kind);
    replace(&*board.store.powers(), "count", b"0", None).unwrap();
    let engines = crew(&board, 4, &plain());
    let jobs = engines.iter().map(|engine| -> Job<'_, ()> {
        Box::new(move || count_in_file(&*engine.store().powers(), EACH))
    });
    at_once(jobs.collect());
    assert_eq!(read(&*board.store.powers(), "count").unwrap(), (4 * EACH).to_string().as_bytes());
}

pub(crate) fn policys_lock_is_held_by_one(kind: &Kind) {
    let board = board(kind);
    let other = board.another(plain(), 1_000);
    let (powers, others) = (board.store.powers(), other.store().powers());
    let lock = powers.lock("budget", LONG).unwrap();
    let all: [&Arc<dyn Powers>; 2] = [&powers, &others];
    for powers in all {
        assert!(matches!(powers.lock("budget", MOMENT), Err(LockFailure::Timeout)));
        drop(powers.lock("another", MOMENT).unwrap());
    }
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| others.lock("budget", LONG).map(drop));
        drop(lock);
        waiter.join().unwrap().unwrap();
    });
    drop(powers.lock("budget", LONG).unwrap());
}

/// The pages of a list, one after the other.
fn pages(board: &Board, limit: usize) -> Vec<TaskId> {
    let (view, _) = board.store.snapshot().unwrap();
    let mut query = ListQuery { limit, ..ListQuery::default() };
    let mut all = Vec::new();
    loop {
        let page = view.list(&query).unwrap();
        assert!(page.tasks.len() <= limit);
        all.extend(page.tasks.into_iter().map(|task| task.id));
        query.past = page.next;
        if page.next.is_none() {
            return all;
        }
    }
}

pub(crate) fn list_is_in_the_order_of_creation_however_it_is_paged(kind: &Kind) {
    let board = board(kind);
    let texts: Vec<String> = (0..25).map(|n| format!("t{}", (n * 7) % 25)).collect();
    for part in texts.chunks(4) {
        let part: Vec<NewTask> = part.iter().map(|text| task(text)).collect();
        board.add(&part).unwrap();
    }
    let expected: Vec<TaskId> = texts.iter().map(|text| id(text)).collect();
    for limit in [1, 4, 24, 25, 100] {
        assert_eq!(pages(&board, limit), expected, "{limit} at a time");
    }
}
