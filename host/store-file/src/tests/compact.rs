//! Compaction by itself.

use super::*;

/// A board that is compacted from `bytes` on.
fn board_of(bytes: u64) -> (tempfile::TempDir, FileStore) {
    let directory = tempfile::tempdir().unwrap();
    let mut plan = plan();
    plan.settings.compact_bytes = Some(bytes);
    let store = FileStore::init(&board(&directory), &plan, OpenOptions::default()).unwrap();
    (directory, store)
}

#[test]
fn a_journal_is_made_short_once_it_is_long_enough_and_not_before() {
    let (directory, store) = board_of(4_000);
    let length =
        || files(&board(&directory)).into_iter().find(|(name, _)| name.starts_with("journal-"));
    let mut compactions = 0;
    for number in 0..60 {
        remember(&store, &format!("{number}")).unwrap();
        let before = length().unwrap().1.len();
        let snapshot = files(&board(&directory))
            .iter()
            .find(|(name, _)| name.starts_with("tasks-"))
            .map(|(_, content)| content.len());
        let due = before >= 4_000 && before >= snapshot.unwrap();
        assert_eq!(store.compaction_is_due(), due);
        assert_eq!(store.compact_if_due(far()).unwrap(), due);
        compactions += u32::from(due);
    }
    assert!(compactions >= 2, "{compactions}");
    assert_eq!(whole_history(&store), 60);
    assert_clean(&store);
}

#[test]
fn a_board_that_says_never_is_never_compacted_by_itself() {
    let (_directory, store) = board_of(0);
    for number in 0..20 {
        remember(&store, &format!("{number}")).unwrap();
        assert!(!store.compact_if_due(far()).unwrap());
    }
    store.compact(far()).unwrap();
    assert_clean(&store);
}

#[test]
fn nobody_waits_for_a_compaction_that_somebody_else_is_at() {
    let (directory, store) = board_of(1);
    for number in 0..20 {
        remember(&store, &format!("{number}")).unwrap();
    }
    let other = open(&board(&directory));
    let turn = store.inner.helpers.lock(
        &store.inner.disk,
        "",
        crate::format::names::SWITCH_LOCK,
        crate::disk::Hold::Exclusive,
        far(),
    );
    assert!(other.compaction_is_due());
    assert!(!other.compact_if_due(far()).unwrap());
    drop(turn);
    assert!(other.compact_if_due(far()).unwrap());
}

#[test]
fn handles_that_compact_by_themselves_at_once_lose_nothing_and_claims_go_on() {
    let (directory, first) = board_of(1_500);
    let path = board(&directory);
    let (told, compactions): (Vec<Vec<Sequence>>, Vec<u32>) = std::thread::scope(|scope| {
        let work = |who: usize| {
            let path = path.clone();
            scope.spawn(move || {
                let store = open(&path);
                let mut compactions = 0;
                let mut remember_one = |n| {
                    let told = remember(&store, &format!("{who}-{n}")).unwrap();
                    compactions += u32::from(store.compact_if_due(far()).unwrap());
                    told
                };
                let told = (0..60).map(&mut remember_one).collect::<Vec<_>>();
                (told, compactions)
            })
        };
        let threads: Vec<_> = (0..3).map(work).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).unzip()
    });
    let mut told = told.concat();
    told.sort_unstable();
    assert!(told == numbers(180));
    assert!(compactions.iter().sum::<u32>() >= 2, "{compactions:?}");
    assert_eq!(whole_history(&first), 180);
    assert_clean(&first);
}
