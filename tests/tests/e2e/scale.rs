//! What a claim costs doesn't depend on the size of the board: counted in index pages, not timed.

use std::time::Duration;

use serde_json::{Value, json};
use taskhost::{Board, ClaimOptions, ClaimOutcome, Filter, Name, SessionOptions, TaskId};
use taskhost_store_file::{FileStore, OpenOptions};
use taskhost_tests::TestBoard;

const TASKS: usize = 100_000;

/// How many index pages a claim with this filter reads, on a board that is open already and on a fresh one.
fn pages(board: &TestBoard, filter: &Filter) -> [u64; 2] {
    let (resident, store) = open(board);
    claim(&resident, filter);
    let before = store.index_pages();
    claim(&resident, filter);
    let resident_pages = store.index_pages() - before;
    drop((resident, store));
    [resident_pages, pages_of_first(board, filter)]
}

/// The same for a claim that can be made only once: on a fresh board.
fn pages_of_first(board: &TestBoard, filter: &Filter) -> u64 {
    let (fresh, store) = open(board);
    claim(&fresh, filter);
    store.index_pages()
}

/// The board, and its store, which counts what it reads.
fn open(board: &TestBoard) -> (Board, FileStore) {
    let store = FileStore::open(&board.path(), OpenOptions::default()).unwrap();
    (Board::over(store.clone(), Duration::from_secs(30)).unwrap(), store)
}

fn claim(board: &Board, filter: &Filter) {
    let session =
        board.session(&SessionOptions { living: false, ..SessionOptions::new("a") }).unwrap();
    let options = ClaimOptions { filter: filter.clone(), ..ClaimOptions::default() };
    assert!(matches!(session.claim_with(&options).unwrap(), ClaimOutcome::Claimed { .. }));
}

/// A small multiple of log₂(100,000) ≈ 17: some twenty lookups and writes, each of a tree four pages deep.
const PAGES_MAX: u64 = 20 * 17;

#[test]
fn claim_reads_a_small_multiple_of_log_n_pages_when_all_are_ready() {
    let board = TestBoard::new();
    board.add_many(TASKS, |n, line| {
        if n % 10_000 == 0 {
            line["labels"] = json!(["rare"]);
        }
        line["type"] = Value::String(format!("type{}", n % 3));
    });
    let all = pages(&board, &Filter::default());
    let rare =
        pages(&board, &Filter { labels: vec![Name::new("rare").unwrap()], ..Filter::default() });
    let typed =
        pages(&board, &Filter { types: vec![Name::new("type2").unwrap()], ..Filter::default() });
    let wanted = TaskId::new("t54321").unwrap();
    let only = pages_of_first(&board, &Filter { only: Some(wanted), ..Filter::default() });
    for counted in [all, rare, typed, [only; 2]] {
        assert!(
            counted.iter().all(|pages| (1..=PAGES_MAX).contains(pages)),
            "{counted:?} of at most {PAGES_MAX}"
        );
    }
}

#[test]
fn claim_reads_as_few_pages_when_ten_of_a_hundred_thousand_are_ready() {
    let board = TestBoard::new();
    board.add(&["gate"]);
    board.run(&["claim", "gate", "--agent", "keeper"]).exits(0);
    board.add_many(TASKS, |n, line| {
        if n % 10_000 != 0 {
            line["after"] = json!(["gate"]);
        }
    });
    let counted = pages(&board, &Filter::default());
    assert!(
        counted.iter().all(|pages| (1..=PAGES_MAX).contains(pages)),
        "{counted:?} of at most {PAGES_MAX}"
    );
    assert!(board.open().task(&TaskId::new("gate").unwrap()).is_ok());
}

#[test]
fn claim_reads_as_few_pages_with_a_hundred_types() {
    // The first task of each type was looked up in a list of its own, so that a claim among a hundred types took 1.6 times
    // as long as one among a single type.
    let board = TestBoard::new();
    board.add_many(TASKS, |n, line| line["type"] = Value::String(format!("type{}", n % 100)));
    let counted = pages(&board, &Filter::default());
    assert!(
        counted.iter().all(|pages| (1..=PAGES_MAX / 2).contains(pages)),
        "{counted:?} of at most {}",
        PAGES_MAX / 2
    );
}
