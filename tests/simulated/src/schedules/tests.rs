use std::time::Duration;

use super::*;
use taskhost_board::PlantedBug as InBoard;
use taskhost_store_file::PlantedBug as InStore;

const SEED: u64 = 20_260_721;

#[track_caller]
fn scenario(name: &str) -> &'static Scenario {
    ALL.iter().find(|known| known.name == name).unwrap()
}

/// Goes through some schedules of a scenario, none of which may go wrong.
#[track_caller]
fn holds(name: &str) -> Orders {
    let mut outcome = Outcome::default();
    let effort = Effort::new(SEED, Duration::ZERO);
    let orders = explore(scenario(name), &effort, None, 0..LEAST, &mut outcome);
    assert!(outcome.wrong.is_empty(), "{:#?}", outcome.wrong);
    assert_eq!(outcome.counted(Count::Schedules), LEAST);
    orders
}

macro_rules! scenarios_hold {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            holds($name);
        })*

        #[test]
        fn every_scenario_has_its_test() {
            let mut tested = vec![$($name),*];
            let mut all: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
            tested.sort_unstable();
            all.sort_unstable();
            assert_eq!(tested, all);
        }
    };
}

scenarios_hold! {
    one_task_is_given_once: "two claim one task",
    many_tasks_are_given_once_each: "three claim many tasks",
    sessions_of_one_name_share_nothing: "two sessions of one name claim",
    a_waiter_is_woken: "a waiter and those who add",
    a_late_holder_changes_nothing_any_more: "a lease ends and its holder comes late",
    compactions_lose_nothing: "a claim, its end and compactions",
    a_policy_is_set_among_claims: "a policy is set among claims",
    policies_are_set_one_after_the_other: "two set policies",
    a_board_is_upgraded_once: "an upgrade among writers",
    a_torn_end_is_mended_once: "all open a board with a torn end",
    a_failed_sync_is_recovered_from_once: "all open a board whose sync failed",
    an_index_is_made_once: "all open a board without its index",
    an_index_may_be_lost_at_any_time: "the index is lost among writers",
    a_sync_may_fail_at_any_time: "a sync fails among those who append",
    what_was_read_stays: "a reader among writers",
    settings_change_among_claims: "settings change among claims",
    a_release_meets_the_end_of_a_claim: "a release and a claim of the same task",
    a_reservation_meets_claims: "a reservation and claims",
    a_cancellation_meets_a_completion: "a cancellation and a completion",
    archiving_meets_adding: "archiving and adding after it",
    a_task_locked_by_hand_is_given_to_nobody: "a task locked by hand and claimed by id",
}

/// A race that is only hoped for is in no schedule, and a test that never sees it proves nothing.
#[test]
fn writers_really_come_between_the_steps_of_a_switch() {
    let orders = holds("a claim, its end and compactions");
    assert!(orders.before_lock > 0 && orders.while_waiting > 0 && orders.behind > 0, "{orders:?}");
}

/// One with an index of its own, beside the shared one, saw less than others had seen already.
#[test]
fn some_processes_have_numbers_that_others_have_too() {
    let is_drawn = |number: &u64| {
        let mut dice = Dice::of(SEED, "a reader among writers", !number);
        let _ = draw_mishap(&mut dice);
        draw_numbers(&mut dice) > 0
    };
    let drawn = (0..LEAST).filter(is_drawn).count() as u64;
    assert!(drawn > LEAST / 10 && drawn < LEAST / 2, "{drawn} of {LEAST}");
}

/// Without this, a failure that was found couldn't be looked at.
#[test]
fn a_schedule_is_the_same_when_it_is_gone_through_again() {
    for scenario in ALL {
        let run = || {
            let into = Arc::new(Mutex::new(Vec::new()));
            let number = Arc::new(AtomicU64::new(0));
            let count = number.clone();
            let whim = Whim::new(Box::new(move || {
                let at = count.fetch_add(1, Ordering::SeqCst);
                (at < 4).then(|| Dice::of(SEED, scenario.name, at).next())
            }));
            let all = into.clone();
            Runner::new(whim, config()).run(move || {
                let mut dice = Dice::of(SEED, scenario.name, number.load(Ordering::SeqCst));
                let (mishap, numbers) = (draw_mishap(&mut dice), draw_numbers(&mut dice));
                let case = Case::new(World::new(), mishap, numbers, None, Arc::default());
                (scenario.start)(&case);
                case.turns.end();
                all.lock().push((case.turns.done(), case.turns.turns()));
            });
            std::mem::take(&mut *into.lock())
        };
        let (one, two): (Vec<(Vec<Done>, u64)>, _) = (run(), run());
        assert!(one.len() == 4 && one == two, "{}", scenario.name);
    }
}

/// How many faults there are in a schedule with this mishap.
fn faults_with(mishap: case::Mishap) -> u64 {
    let (found, number) = (Arc::new(AtomicU64::new(0)), AtomicU64::new(0));
    let once = Box::new(move || (number.fetch_add(1, Ordering::SeqCst) == 0).then_some(SEED));
    let into = found.clone();
    Runner::new(Whim::new(once), config()).run(move || {
        let case = Case::new(World::new(), mishap, 0, None, Arc::default());
        (scenario("two claim one task").start)(&case);
        into.store(case.faults(), Ordering::SeqCst);
    });
    found.load(Ordering::SeqCst)
}

/// A mishap that was drawn was counted, also one that was to come when everything was over.
#[test]
fn a_mishap_counts_only_if_it_happens() {
    use case::Mishap::{Fails, IndexFails, None, PowerFails, Stopped};
    use taskhost_store_file::simulation::Fault::LostSync;

    let late = u64::MAX - 1;
    for never in [
        None,
        Stopped { process: 0, at: late },
        Stopped { process: 99, at: 0 },
        Fails { process: 0, at: late, how: LostSync },
        PowerFails { at: late },
    ] {
        assert_eq!(faults_with(never), 0, "{never:?}");
    }
    for happens in [
        Stopped { process: 0, at: 0 },
        Fails { process: 0, at: 0, how: LostSync },
        IndexFails { process: 0 },
        PowerFails { at: 0 },
    ] {
        assert_eq!(faults_with(happens), 1, "{happens:?}");
    }
}

#[track_caller]
fn is_found(bug: Bug) {
    let effort = Effort { first_only: true, ..Effort::new(SEED, Duration::from_secs(60)) };
    let outcome = run(&effort, Some(bug));
    assert!(!outcome.wrong.is_empty());
    let wrong = &outcome.wrong[0];
    println!(
        "{bug:?}: {} schedules: {}: {}",
        outcome.counted(Count::Schedules),
        wrong.harm,
        wrong.what
    );
}

#[test]
fn a_handle_that_sleeps_through_a_switch_is_found() {
    is_found(Bug::Store(InStore::GenerationNotRechecked));
}

#[test]
fn an_answer_before_the_sync_is_found() {
    is_found(Bug::Store(InStore::AnsweredBeforeSync));
}

#[test]
fn a_sync_that_counts_for_later_lines_is_found() {
    is_found(Bug::Store(InStore::SyncCoversLater));
}

#[test]
fn a_poisoned_generation_that_is_used_on_is_found() {
    is_found(Bug::Store(InStore::PoisonIgnored));
}

/// Python's filelock reintroduced this in 3.20.4.
#[test]
fn a_lock_file_that_is_removed_is_found() {
    is_found(Bug::Store(InStore::LockFileUnlinked));
}

#[test]
fn a_token_that_is_not_compared_is_found() {
    is_found(Bug::Board(InBoard::TokenNotCompared));
}

#[test]
fn the_part_goes_through_each_scenario_however_little_time_there_is() {
    let outcome = run(&Effort::new(SEED + 1, Duration::ZERO), None);
    assert!(outcome.wrong.is_empty(), "{:#?}", outcome.wrong);
    assert!(outcome.counted(Count::Schedules) >= LEAST * ALL.len() as u64);
    assert!(outcome.counted(Count::Claims) > 0 && outcome.counted(Count::DiskStates) > 0);
}

/// The text of a failure names the one schedule that is to be looked at.
#[test]
fn a_failure_is_seen_again_in_its_schedule_alone() {
    let bug = Some(Bug::Store(InStore::GenerationNotRechecked));
    let scenario = scenario("a claim, its end and compactions");
    let mut outcome = Outcome::default();
    let effort = Effort { first_only: true, ..Effort::new(SEED, Duration::ZERO) };
    explore(scenario, &effort, bug, 0..2_000, &mut outcome);
    let number = outcome.counted(Count::Schedules) - 1;
    let alone = again(scenario.name, SEED, number, bug).unwrap();
    let texts = |outcome: &Outcome| {
        outcome.wrong.iter().map(|wrong| wrong.what.clone()).collect::<Vec<_>>()
    };
    assert!(!alone.wrong.is_empty() && texts(&alone) == texts(&outcome), "{:#?}", outcome.wrong);
    assert!(again("no such scenario", SEED, number, bug).is_none());
}
