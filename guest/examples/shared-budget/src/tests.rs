//! Several boards, whose commits are lost now and then, draw on one file.

use proptest::prelude::*;
use taskhost_sdk::Status;
use taskhost_sdk::assignment::Answer;
use taskhost_sdk::files::Place;
use taskhost_sdk::mock::{Board, Task, asker};

use crate::SharedBudget;

const BUDGET: i64 = 40;
const TASKS: usize = 30;

/// What happens next on some board: a claim, or its holder fails.
#[derive(Debug, Clone, Copy)]
struct Move {
    board: usize,
    fails: bool,
    /// The process is killed after it replaced the file and before it committed.
    is_lost: bool,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = (0_usize..3, proptest::bool::weighted(0.2), proptest::bool::weighted(0.2))
        .prop_map(|(board, fails, is_lost)| Move { board, fails, is_lost });
    proptest::collection::vec(one, 1..80)
}

fn boards() -> Vec<Board> {
    let board = |number: usize| {
        let mut board = Board::new();
        board.set("budget", &BUDGET.to_string());
        // Decisions are named by their number: no two boards have the same.
        for _ in 0..number * 200 {
            assert_eq!(board.choose::<SharedBudget>(asker("nobody")), Answer::Nothing(None));
        }
        for n in 0..TASKS {
            let task = Task::new(&format!("t{n}"));
            board.add(task.data(&format!(r#"{{"cost": {}}}"#, 1 + (n + number) % 4)));
        }
        board
    };
    (0..3).map(board).collect()
}

/// What is paid for the tasks that are in progress.
fn granted(board: &Board) -> i64 {
    let prices = (0..TASKS).filter_map(|n| board.recall(&format!("price:t{n}")));
    prices.map(|price| String::from_utf8_lossy(price).parse::<i64>().expect("a number")).sum()
}

/// A claim; says whether it was granted.
fn claim(board: &mut Board, shared: &mut Vec<u8>) -> bool {
    board.put_file(Place::Shared, "budget", shared);
    let answer = board.choose::<SharedBudget>(asker("ada"));
    assert!(matches!(answer, Answer::Staged | Answer::Nothing(_)), "{answer:?}");
    *shared = board.file(Place::Shared, "budget").unwrap_or_default().to_vec();
    answer == Answer::Staged
}

/// The first task in progress fails, if there is any.
fn fail(board: &mut Board) {
    let held = (0..TASKS).find(|n| board.recall(&format!("price:t{n}")).is_some());
    let Some(id) = held.map(|n| format!("t{n}")) else { return };
    let mut task = board.task(&id).cloned().expect("it was claimed").status(Status::Failed);
    task.claim = None;
    board.add(task);
    board.on_event::<SharedBudget>(&id, "failed", "");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn budget_is_never_overspent_whatever_is_lost(moves in moves()) {
        let (mut boards, mut shared) = (boards(), Vec::new());
        for Move { board, fails, is_lost } in moves {
            let mut after = boards[board].clone();
            if fails {
                fail(&mut after);
            } else {
                claim(&mut after, &mut shared);
            }
            if !is_lost {
                boards[board] = after;
            }
            let granted: i64 = boards.iter().map(granted).sum();
            prop_assert!(granted <= BUDGET, "{} was granted", granted);
        }
        // What was lost on a board serves for its next claims: at most one claim of each that never spent is gone.
        let mut is_any = true;
        while is_any {
            is_any = false;
            for board in &mut boards {
                is_any |= claim(board, &mut shared);
            }
        }
        let granted: i64 = boards.iter().map(granted).sum();
        prop_assert!(granted <= BUDGET, "{} was granted", granted);
    }

    #[test]
    fn without_losses_the_whole_budget_is_spent(order in proptest::collection::vec(0_usize..3, 60)) {
        let (mut boards, mut shared) = (boards(), Vec::new());
        for board in order {
            claim(&mut boards[board], &mut shared);
        }
        for board in &mut boards {
            while claim(board, &mut shared) {}
        }
        prop_assert_eq!(boards.iter().map(granted).sum::<i64>(), BUDGET);
    }
}

/// A failure whose commit may still be lost must not pay for a claim of the same transaction.
#[test]
fn what_fails_is_paid_back_with_the_next_claim() {
    let (mut boards, mut shared) = (boards(), Vec::new());
    let (one, others) = boards.split_first_mut().expect("there are three");
    while claim(one, &mut shared) {}
    assert!(!claim(&mut others[0], &mut shared), "all is spent");
    fail(one);
    assert!(!claim(&mut others[0], &mut shared), "it isn't in the shared books yet");
    claim(one, &mut shared);
    fail(one);
    claim(one, &mut shared);
    assert_eq!(granted(one), BUDGET);
}
