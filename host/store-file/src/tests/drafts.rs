//! Generations that were begun and not finished, one after the other.

use taskhost_board::SwitchError;

use super::*;
use crate::simulation::{Counted, Fault, World};

/// Begins a switch in a process that is stopped before this change; `false` if it came to its end.
fn cut_short(world: &Arc<World>, at: u64) -> bool {
    let process = world.process();
    let store = process.open(OpenOptions::default()).unwrap();
    process.plan(Counted::Changes, at, Fault::Stop);
    let _ = store.compact(far());
    process.is_stopped()
}

/// What was told is there, also after the index was made anew from the journal; and it can be worked on.
fn assert_whole(world: &Arc<World>, told: u64, when: &str) {
    let open = || world.process().open(OpenOptions::default()).unwrap();
    for number in [told + 1, told + 2] {
        let store = open();
        let committed = remember(&store, &format!("key-{number}")).unwrap();
        assert_eq!(committed, Sequence(number), "{when}");
        world.lose_index();
    }
    let store = open();
    assert_eq!(history(&store), numbers(told + 2), "{when}");
    let view = store.snapshot().unwrap().0;
    for number in 1..=told + 2 {
        assert!(recalls(&*view, &format!("key-{number}")), "{when}: {number} is missing");
    }
    assert_clean(&store);
}

/// A switch died before it published, and left an index of the next generation. Another one, later and from another
/// snapshot, died just after it had replaced `board.json`. Whoever came then took the first one's index for the second
/// one's, since nothing had been appended to either: what was answered between the two was gone.
#[test]
fn the_index_of_a_switch_that_died_is_not_taken_for_the_next_ones() {
    let mut both = 0;
    // Which of two indexes is found first is decided by random numbers.
    for (with_entry_between, drawn) in [(false, 0), (true, 0), (false, 1), (true, 1), (true, 2)] {
        for first in 0..64 {
            let world = World::new();
            let store = world.process().init(&plan(), OpenOptions::default()).unwrap();
            remember(&store, "key-1").unwrap();
            for _ in 0..drawn {
                store.inner.disk.random();
            }
            let mut told = 1;
            if !cut_short(&world, first) {
                break;
            }
            if with_entry_between {
                remember(&store, "key-2").unwrap();
                told = 2;
            }
            drop(store);
            // So that the two snapshots differ.
            world.advance(Duration::from_secs(1));
            for second in 0..64 {
                let world = world.copy();
                if !cut_short(&world, second) {
                    break;
                }
                both += 1;
                let when = format!("stopped before changes {first} and {second}");
                assert_whole(&world, told, &when);
            }
        }
    }
    assert!(both > 500, "{both}");
}

/// A switch that could not replace `board.json` left its index behind as well, without anybody dying.
#[test]
fn a_switch_that_was_refused_leaves_no_index() {
    let base = World::new();
    let store = base.process().init(&plan(), OpenOptions::default()).unwrap();
    remember(&store, "key-1").unwrap();
    let before = store.inner.platform.indexes().unwrap();
    let mut refused = 0;
    for at in 0..64 {
        let world = base.copy();
        let process = world.process();
        let store = process.open(OpenOptions::default()).unwrap();
        process.plan(Counted::Changes, at, Fault::Fail(std::io::ErrorKind::StorageFull));
        let result = store.compact(far());
        if matches!(result, Err(SwitchError::Commit(CommitError::NotWritten(_)))) {
            refused += 1;
            let left = store.inner.platform.indexes().unwrap();
            assert_eq!(left, before, "refused at change {at}");
        }
    }
    assert!(refused > 5, "{refused}");
}

/// A switch copied the lines that had come meanwhile up to the first that it could not read, took that for the end,
/// published, and reported a success: entries that were answered were gone, and their numbers were given again.
#[test]
fn a_switch_that_cannot_read_an_answered_line_says_where_and_changes_nothing() {
    let (directory, store) = fresh();
    let path = board(&directory).join("journal-1.jsonl");
    let writer = open(&board(&directory));
    // Nobody would be asked about a board without tasks.
    add(&engine(&writer), "before", &[]);
    for harmed in [2_usize, 3] {
        let whole = std::cell::RefCell::new(Vec::new());
        let digest = Digest::of(OTHER);
        let mut policies = plan().policies;
        policies.custom = Some(PolicyPin { digest, settings: BTreeMap::new() });
        let switch = taskhost_board::SwitchPlan {
            policies,
            components: BTreeMap::from([(digest, OTHER.to_vec())]),
            derived_from: plan().policies,
            expect: None,
            request: Request::of(Command::PolicySet),
        };
        let before = std::fs::read(&path).unwrap().len();
        let result = store.switch(
            switch,
            &mut |_, _, ids| {
                add(&engine(&writer), &format!("a-{harmed}"), &[]);
                add(&engine(&writer), &format!("b-{harmed}"), &[]);
                let mut content = std::fs::read(&path).unwrap();
                *whole.borrow_mut() = content.clone();
                // In the first or the second of the lines that came meanwhile.
                let at = if harmed == 2 { before + 40 } else { content.len() - 40 };
                content[at] ^= 1;
                std::fs::write(&path, content).unwrap();
                Ok(ids.into_iter().map(|task| (task, None)).collect())
            },
            far(),
        );
        let refused = result.unwrap_err().to_string();
        assert!(refused.contains("`journal-1.jsonl`, line"), "{refused}");
        assert!(refused.contains("can't be read back"), "{refused}");
        std::fs::write(&path, whole.into_inner()).unwrap();
        assert!(files(&board(&directory)).contains_key("journal-1.jsonl"));
        assert_clean(&store);
    }
    let view = open(&board(&directory)).snapshot().unwrap().0;
    assert!(["a-2", "b-2", "a-3", "b-3"].iter().all(|it| view.task(&id(it)).unwrap().is_some()));
}
