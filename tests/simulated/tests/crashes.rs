//! Each kind of operation survives a crash at each of its steps.

use std::time::Duration;

use taskhost_simulated::{Count, Effort, crash, operations};

/// Stops one kind of operation everywhere, with the least effort.
#[track_caller]
fn survives(operation: &str) {
    let outcome = crash(operation, &Effort::new(1, Duration::from_secs(60)), None);
    let (points, states) =
        (outcome.counted(Count::CrashPoints), outcome.counted(Count::DiskStates));
    println!("{operation}: {points} crash points, {states} states of the disk");
    let wrong: Vec<&str> = outcome.wrong.iter().map(|wrong| &*wrong.what).collect();
    assert_eq!(wrong, Vec::<&str>::new(), "{} things are wrong", wrong.len());
}

/// A test for each kind of operation, and one that there are no others.
macro_rules! each_survives_a_crash_at_every_step {
    ($($test:ident: $operation:literal,)*) => {
        $(#[test] fn $test() { survives($operation); })*

        #[test]
        fn every_kind_of_operation_has_a_test_of_its_own() {
            assert_eq!(operations(), [$($operation),*]);
        }
    };
}

each_survives_a_crash_at_every_step! {
    add: "add",
    add_many_at_once: "add many at once",
    add_many_in_batches: "add many in batches",
    claim: "claim",
    look_and_find_nothing: "look and find nothing",
    assign: "assign",
    heartbeat: "heartbeat",
    complete: "complete, and what follows",
    fail: "fail",
    release: "release",
    cancel: "cancel, and what follows",
    retry: "retry",
    update: "update",
    block: "block",
    archive: "archive",
    meta_set: "meta set",
    board_settings: "board settings",
    unassign: "unassign",
    unblock: "unblock",
    complete_to_be_reviewed: "complete, to be reviewed",
    review_accepted: "review, accepted",
    review_sent_back: "review, sent back",
    fail_and_another_attempt: "fail, and another attempt",
    release_by_an_operator: "release by an operator",
    rescue_of_claims_whose_leases_are_over: "rescue of claims whose leases are over",
    claim_of_what_a_late_holder_had: "claim of what a late holder had",
    rescue_of_a_dead_holders_claim: "rescue of a dead holder's claim",
    end_of_a_task_whose_attempts_are_used_up: "end of a task whose attempts are used up",
    init: "init",
    policy_set: "policy set",
    policy_settings: "policy settings",
    compaction: "compaction",
    history_trimming: "history trimming",
    claim_by_a_sleeper: "claim by a handle that slept through a switch",
    repair_from_the_history: "repair from the history",
    repair_that_loses_something: "repair that loses something",
    import: "import",
    upgrade: "upgrade of format 1",
    recovery_from_a_torn_end: "recovery from a torn end",
    recovery_from_a_failed_sync: "recovery from a failed sync",
    recovery_from_a_failed_sync_whose_pages_were_dropped: "recovery from a failed sync, evicted",
    recovery_from_a_lost_index: "recovery from a lost index",
    context_set: "context set",
    first_context_set: "context set, the first of its owner",
    context_append: "context append",
    context_remove: "context remove",
    policy_file: "a policy's file",
    session_start: "session start",
    task_lock: "task lock by hand",
}
