//! No fault does harm in silence.

use std::time::Duration;

use taskhost_simulated::{Count, Effort, Outcome, damage, fault, operations, recoveries};

fn effort() -> Effort {
    Effort::new(1, Duration::from_secs(60))
}

#[track_caller]
fn assert_nothing_wrong(outcome: &Outcome, faults_min: u64) {
    let (faults, reported) =
        (outcome.counted(Count::Faults), outcome.counted(Count::FaultsReported));
    println!("{faults} faults, {reported} of them reported");
    let wrong: Vec<&str> = outcome.wrong.iter().map(|wrong| &*wrong.what).collect();
    assert_eq!(wrong, Vec::<&str>::new(), "{} things are wrong", wrong.len());
    assert!(faults >= faults_min, "only {faults} faults were tried");
}

#[test]
fn whatever_fails_whenever_no_answer_is_a_lie() {
    let mut all = Outcome::default();
    for operation in operations() {
        all.merge(fault(operation, &effort(), None));
    }
    // Where each does something of its own, with others or without them: the same whatever the seed is.
    assert_nothing_wrong(&all, 2_800);
}

#[test]
fn whatever_is_damaged_is_repaired_refused_or_reported() {
    assert_nothing_wrong(&damage(&effort(), None), 1_400);
}

#[test]
fn recoveries_that_are_cut_short_one_after_the_other_are_done_by_the_next() {
    assert_nothing_wrong(&recoveries(&effort(), None), 300);
}
