//! Combining: what is posted is done once, by its poster or in its place, wherever either of them dies or is stopped.

use std::thread::ScopedJoinHandle;

use super::words::words;
use super::*;
use crate::combine::Served;
use crate::commit::FileOpened;
use crate::words::{Look, Slots, Taken};
use taskhost_board::{
    Aim, BeginError, Begun, Combiner, Decided, Opened, PostError, Posting, Tally,
};

const SEED: u64 = 4711;

/// Posts something, which `store`'s lock's holder may serve.
fn post(store: &FileStore, deadline: Deadline) -> Result<Begun, PostError> {
    store.begin_or_post(
        &Posting { seed: SEED, request: b"remember", aim: &Aim::default() },
        deadline,
    )
}

/// Does it as its poster does it by itself.
fn do_it(begun: Begun) -> Sequence {
    match begun {
        Begun::Opened(opened) => remember_in(opened, "by its poster").unwrap(),
        Begun::Served(answer) => panic!("it was served: {answer:?}"),
        Begun::Found(entry) => panic!("it was served: {entry:?}"),
    }
}

fn entry(opened: &FileOpened, seed: u64) -> Entry {
    let change = Change::Remembered {
        space: Space::Standard,
        key: "in its place".into(),
        value: Some(b"v".to_vec()),
    };
    Entry {
        time: opened.now().wall,
        request: Request::of(Command::Upkeep),
        seed,
        changes: vec![change],
    }
}

/// Says what was decided.
fn stage(opened: &FileOpened, taken: &Taken) -> bool {
    taken.stage(opened.current.generation, opened.next_sequence(), b"answer")
}

/// Appends what was posted.
fn append(opened: &mut FileOpened) -> Sequence {
    let sequence = opened.stage(&entry(opened, SEED)).unwrap();
    opened.append(&Served::default()).unwrap();
    sequence
}

/// Takes what somebody else is about to post.
fn taken(store: &FileStore) -> Taken {
    let slots = slots(store);
    for _ in 0..10_000 {
        if let Some(taken) = slots.take(&mut 0, store.inner.platform.now().boot_ms) {
            return taken;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    panic!("nobody has posted anything")
}

fn slots(store: &FileStore) -> Arc<Slots> {
    let current = store.inner.open_generation().unwrap();
    current.words.slots().unwrap().clone()
}

/// How often something stands in the journal that was decided in the poster's place, and by the poster.
fn times(store: &FileStore) -> (usize, usize) {
    let (mut served, mut own) = (0, 0);
    let mut count = |_: Sequence, entry: Entry| {
        let is_of = |name: &str| matches!(&entry.changes[..], [Change::Remembered { key, .. }] if key == name);
        served += usize::from(is_of("in its place"));
        own += usize::from(is_of("by its poster"));
        true
    };
    store.history(Sequence(0), &mut count).unwrap();
    (served, own)
}

/// What becomes of a posting whose combiner does `act` with it, and then lets go of the lock as if it had died.
fn posted<T>(
    deadline: Deadline,
    act: impl FnOnce(&mut FileOpened, Taken) -> T,
    then: impl FnOnce(&FileStore, ScopedJoinHandle<'_, Result<Begun, PostError>>, T),
) {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    remember(&other, "k").unwrap();
    let mut opened = store.inner.begin(far()).unwrap();
    drop(opened.view());
    std::thread::scope(|scope| {
        let poster = scope.spawn(|| post(&other, deadline));
        let taken = taken(&store);
        assert_eq!(taken.request, b"remember");
        let left = act(&mut opened, taken);
        drop(opened);
        then(&store, poster, left);
    });
    remember(&store, "l").unwrap();
    assert_clean(&store);
    assert_clean(&other);
}

/// What becomes of a posting whose combiner holds the lock until its poster's deadline, `ms` from now, is over. Nothing of
/// it may stand in the journal then.
fn overdue(
    ms: u64,
    act: impl FnOnce(&mut FileOpened, Taken, ScopedJoinHandle<'_, Result<Begun, PostError>>),
) {
    let (directory, store) = fresh();
    let other = open(&board(&directory));
    remember(&other, "k").unwrap();
    let mut opened = store.inner.begin(far()).unwrap();
    std::thread::scope(|scope| {
        let deadline = Deadline::now() + Duration::from_millis(ms);
        let other = &other;
        let poster = scope.spawn(move || post(other, deadline));
        let taken = taken(&store);
        act(&mut opened, taken, poster);
    });
    drop(opened);
    assert_eq!(times(&store), (0, 0));
    assert_clean(&store);
}

#[test]
fn posting_whose_combiner_dies_while_it_decides_is_done_by_its_poster() {
    posted(
        far(),
        |_, _| {},
        |store, poster, ()| {
            do_it(poster.join().unwrap().unwrap());
            assert_eq!(times(store), (0, 1));
        },
    );
}

#[test]
fn posting_whose_combiner_dies_just_before_it_appends_is_done_by_its_poster() {
    posted(
        far(),
        |opened, taken| assert!(stage(opened, &taken) && taken.begin_appending()),
        |store, poster, ()| {
            do_it(poster.join().unwrap().unwrap());
            assert_eq!(times(store), (0, 1));
        },
    );
}

/// The poster found its entry, and then asked the board what became of the task: if its lease had been short, somebody
/// else had it by then, and the poster was told that the outcome was unknown. (Found by `cargo xtask torture`.)
#[test]
fn posting_whose_combiner_dies_just_after_it_has_appended_is_answered_as_it_was_decided() {
    posted(
        far(),
        |opened, taken| {
            assert!(stage(opened, &taken) && taken.begin_appending());
            append(opened)
        },
        |store, poster, sequence| {
            let Begun::Served(answer) = poster.join().unwrap().unwrap() else {
                panic!("it wasn't served")
            };
            assert_eq!(answer, b"answer");
            assert_eq!(times(store), (1, 0));
            assert!(words(store).durable_through() >= sequence);
        },
    );
}

/// The same where somebody who was stopped for long has written over the answer.
#[test]
fn answer_that_was_spoiled_is_looked_for_in_the_journal() {
    posted(
        far(),
        |opened, taken| {
            assert!(stage(opened, &taken) && taken.begin_appending());
            slots(&FileStore { inner: opened.inner.clone() }).spoil(SEED as usize % 64);
            append(opened)
        },
        |store, poster, sequence| {
            let Begun::Found(found) = poster.join().unwrap().unwrap() else {
                panic!("it wasn't found")
            };
            assert_eq!(found.seed, SEED);
            assert_eq!(times(store), (1, 0));
            assert!(words(store).durable_through() >= sequence);
        },
    );
}

/// A combiner that is killed between its answer and its sync has told its poster of something that may be lost.
#[test]
fn answer_is_believed_only_once_it_is_durable() {
    posted(
        far(),
        |opened, taken| {
            assert!(stage(opened, &taken) && taken.begin_appending());
            let sequence = append(opened);
            taken.answer();
            assert!(words(&FileStore { inner: opened.inner.clone() }).durable_through() < sequence);
            sequence
        },
        |store, poster, sequence| {
            let Begun::Served(answer) = poster.join().unwrap().unwrap() else {
                panic!("it wasn't served")
            };
            assert_eq!(answer, b"answer");
            assert!(words(store).durable_through() >= sequence);
            assert_eq!(times(store), (1, 0));
        },
    );
}

#[test]
fn posting_that_is_declined_is_done_by_its_poster() {
    posted(
        far(),
        |_, taken| taken.decline(),
        |store, poster, ()| {
            do_it(poster.join().unwrap().unwrap());
            assert_eq!(times(store), (0, 1));
        },
    );
}

/// One that is stopped with the lock goes on later, when whoever waited for it has been told that nothing was done.
#[test]
fn posting_that_was_taken_back_is_not_served_later() {
    overdue(100, |opened, taken, poster| {
        let late = poster.join().unwrap();
        assert!(matches!(late, Err(PostError::Begin(BeginError::Timeout { .. }))));
        assert!(!stage(opened, &taken) && !taken.begin_appending(), "it is nobody's any more");
    });
}

/// One that is stopped in the very middle of appending for another leaves that one in doubt, which must be said.
#[test]
fn poster_that_cannot_know_whether_it_was_served_says_so() {
    overdue(200, |opened, taken, poster| {
        assert!(stage(opened, &taken) && taken.begin_appending());
        let Err(PostError::Commit(CommitError::Unknown(why))) = poster.join().unwrap() else {
            panic!("it said that it knows")
        };
        assert!(why.contains("look at the board"), "{why}");
    });
}

#[test]
fn answer_of_a_slot_that_was_given_to_somebody_else_is_looked_for_in_the_journal() {
    posted(
        far(),
        |opened, taken| {
            assert!(stage(opened, &taken) && taken.begin_appending());
            append(opened);
            taken.answer();
            // As if its poster had been stopped for longer than anybody stays.
            slots(&FileStore { inner: opened.inner.clone() }).sweep(u64::MAX);
        },
        |store, poster, ()| {
            assert!(matches!(poster.join().unwrap().unwrap(), Begun::Found(_)));
            assert_eq!(times(store), (1, 0));
        },
    );
}

/// Whoever swept the slots in a transaction that had begun before something was posted took it for a thing of another
/// boot, and its poster slept until its patience was over; and so did the next one in that slot, for which it was woken.
#[test]
fn what_was_posted_since_a_transaction_began_is_not_swept_in_it() {
    let (_directory, store) = fresh();
    remember(&store, "k").unwrap();
    let slots = slots(&store);
    let posted = slots.post(b"r", 0, 5_001).unwrap();
    slots.sweep(5_000);
    assert_eq!(posted.look(), Look::Open);
}

#[test]
fn slots_of_dead_posters_are_given_to_others() {
    let (_directory, store) = fresh();
    remember(&store, "k").unwrap();
    let slots = slots(&store);
    let all: Vec<_> = std::iter::from_fn(|| slots.post(b"r", 0, 5)).collect();
    assert_eq!(all.len(), 64);
    slots.sweep(5_000);
    assert!(slots.post(b"r", 0, 5_000).is_none(), "their posters may live");
    slots.sweep(50_000);
    assert!(all.iter().all(|posted| posted.look() == Look::Lost && !posted.take_back()));
    let again = slots.post(b"again", 0, 50_000).unwrap();
    // Dropping what is lost takes nothing away from who has it now.
    drop(all);
    assert_eq!(again.look(), Look::Open);
    assert_eq!(slots.take(&mut 0, 50_000).unwrap().request, b"again");
    assert!(slots.take(&mut 0, 50_000).is_none());
}

/// Whoever waited for the lock was killed together with its holder, and an hour later the next one claimed a task for it.
#[test]
fn what_was_posted_long_ago_is_not_served() {
    let (_directory, store) = fresh();
    remember(&store, "k").unwrap();
    let slots = slots(&store);
    let posted = slots.post(b"r", 0, 5).unwrap();
    assert!(slots.take(&mut 0, 3_600_000).is_none());
    assert_eq!(posted.look(), Look::Declined);
}

/// What one process posts while another one holds the board's lock by hand was decided by whoever ran inside that.
#[test]
fn those_inside_a_lock_that_is_held_by_hand_serve_nobody_outside_it() {
    let (directory, outside) = fresh();
    remember(&outside, "k").unwrap();
    let held = outside.hold_board(None, far()).unwrap();
    let inherited = taskhost_board::InheritedLocks::parse(&held.marker());
    let options = OpenOptions { inherited, ..OpenOptions::default() };
    let inside = FileStore::open(&board(&directory), options).unwrap();
    std::thread::scope(|scope| {
        let poster = scope.spawn(|| post(&outside, far()));
        while slots(&outside).count_posted() == 0 {
            std::thread::sleep(Duration::from_micros(100));
        }
        let mut willing = Willing::default();
        let mut opened: Box<dyn Opened> = Box::new(inside.inner.begin(far()).unwrap());
        let own = willing.decide(&mut *opened, b"own").unwrap();
        willing.dropped();
        opened.commit_and_combine(own.entry, &mut willing).unwrap();
        assert_eq!(willing.ended, 0, "it was decided inside");
        drop((inside, held));
        do_it(poster.join().unwrap().unwrap());
    });
}

/// One whose deadline is over while others are still being decided takes its own back, and the rest is done anew.
#[test]
fn posting_that_is_taken_back_after_it_was_decided_is_in_no_journal() {
    overdue(100, |opened, taken, poster| {
        assert!(stage(opened, &taken));
        opened.stage(&entry(opened, SEED)).unwrap();
        let late = poster.join().unwrap();
        assert!(matches!(late, Err(PostError::Begin(BeginError::Timeout { .. }))));
        let served = Served::of(taken);
        assert!(matches!(opened.append(&served), Err(CommitError::Conflict)));
    });
}

#[test]
fn request_that_somebody_else_has_written_over_is_declined() {
    let (_directory, store) = fresh();
    remember(&store, "k").unwrap();
    let slots = slots(&store);
    let first = slots.post(b"first", 7, 5).unwrap();
    // As if it was stopped while it wrote, until the slot was another one's, and then went on.
    slots.sweep(50_000);
    let second = slots.post(b"second", 7, 50_000).unwrap();
    slots.spoil(7);
    assert!(slots.take(&mut 0, 50_000).is_none());
    assert_eq!((first.look(), second.look()), (Look::Lost, Look::Declined));
}

/// Decides whatever is posted.
#[derive(Default)]
struct Willing {
    decided: usize,
    ended: usize,
}

impl Combiner for Willing {
    fn decide(&mut self, opened: &mut dyn Opened, request: &[u8]) -> Option<Decided> {
        let change = Change::Remembered {
            space: Space::Standard,
            key: String::from_utf8(request.to_vec()).unwrap(),
            value: Some(vec![1]),
        };
        let view = opened.view();
        assert!(!recalls(&*view, str::from_utf8(request).unwrap()), "it was done before");
        drop(view);
        let entry = Entry {
            time: opened.now().wall,
            request: Request::of(Command::Upkeep),
            seed: 7,
            changes: vec![change],
        };
        self.decided += 1;
        Some(Decided { entry, answer: request.to_vec() })
    }

    fn dropped(&mut self) {
        self.decided -= 1;
    }

    fn ended(&mut self, is_appended: bool) {
        self.ended += usize::from(is_appended) * std::mem::take(&mut self.decided);
    }
}

#[test]
fn those_who_wait_at_once_are_served_together_and_each_gets_its_own_answer() {
    const HANDLES: usize = 8;
    const EACH: usize = 200;
    let (directory, store) = fresh();
    let path = board(&directory);
    let done: Vec<(usize, usize)> = std::thread::scope(|scope| {
        let work = |who: usize| {
            let path = path.clone();
            scope.spawn(move || {
                let (store, mut willing, mut served) = (open(&path), Willing::default(), 0);
                for number in 0..EACH {
                    let name = format!("{who}-{number}");
                    let seed = (who * EACH + number) as u64;
                    let aim = &Aim::default();
                    let posting = Posting { seed, request: name.as_bytes(), aim };
                    loop {
                        match store.begin_or_post(&posting, far()).unwrap() {
                            Begun::Served(answer) => {
                                assert_eq!(answer, name.as_bytes());
                                served += 1;
                            }
                            Begun::Found(entry) => panic!("nobody died: {entry:?}"),
                            Begun::Opened(mut opened) => {
                                let own = willing.decide(&mut *opened, name.as_bytes()).unwrap();
                                willing.dropped();
                                match opened.commit_and_combine(own.entry, &mut willing) {
                                    Ok(_) => {}
                                    // The index was full, which comes early in tests.
                                    Err(CommitError::Conflict) => continue,
                                    Err(error) => panic!("{error}"),
                                }
                            }
                        }
                        break;
                    }
                }
                (served, willing.ended)
            })
        };
        let threads: Vec<_> = (0..HANDLES).map(work).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let served: usize = done.iter().map(|(served, _)| served).sum();
    let for_others: usize = done.iter().map(|(_, for_others)| for_others).sum();
    assert_eq!(served, for_others);
    assert!(served > 0, "nobody was served by another");
    assert_eq!(store.figures().unwrap().all.counts[&Tally::Combined], served as u64);
    assert_eq!(whole_history(&store), (HANDLES * EACH) as u64);
    assert_clean(&store);
}
