//! What `policies` says of boards in files alone.

use std::time::{Duration, Instant};

use taskhost_tests::{Holder, TestBoard, policy};

use crate::policies::set;

#[test]
fn lock_that_somebody_else_holds_is_waited_for_no_longer_than_the_deadline() {
    let board = TestBoard::new();
    board.add(&["t"]);
    set(&board, &policy("hostile"), &["mode=wait-lock", "target=shared"]).exits(0);
    let holder = Holder::flock(&board.path().join("locks/policy_shared.lock"));
    let began = Instant::now();
    let answer = board.run(&["claim", "--agent", "victim"]);
    assert!(began.elapsed() < Duration::from_secs(30), "{answer:?}");
    assert!([7, 8].contains(&answer.code), "{answer:?}");
    drop(holder);
    board.run(&["policy", "set", "standard"]).exits(0);
    board.claim("victim");
}
