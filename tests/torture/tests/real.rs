//! Each part that needs real processes, for a few seconds; and that it finds a bug when there is one.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::time::Duration;

use taskhost_simulated::{Bug, Count, Effort, Outcome};
use taskhost_store_file::PlantedBug as InStore;
use taskhost_torture::parts;

fn run(part: &str, seconds: u64, bug: Option<Bug>) -> Outcome {
    let part = parts().into_iter().find(|known| known.name == part).unwrap();
    let effort = Effort { first_only: true, ..Effort::new(20_251, Duration::from_secs(seconds)) };
    (part.run)(&effort, bug)
}

#[track_caller]
fn assert_clean(outcome: &Outcome) {
    assert!(outcome.wrong.is_empty(), "{:#?}", outcome.wrong);
    let without = std::env::var("TASKHOST_TORTURE_WITHOUT_NAMESPACES");
    if std::env::var_os("CI").is_some() && without.as_deref() != Ok("1") && has_namespaces() {
        let unlooked = |figure: &&(String, String)| figure.1.starts_with("not looked at");
        let found = outcome.figures.iter().find(unlooked);
        assert!(found.is_none(), "{found:?}; `TASKHOST_TORTURE_WITHOUT_NAMESPACES=1` allows it");
    }
}

/// Whether this machine lets this user make namespaces: many containers let nobody.
fn has_namespaces() -> bool {
    let probe = std::process::Command::new("unshare").args(["-Ur", "true"]).output();
    probe.is_ok_and(|output| output.status.success())
}

#[test]
fn killed_workers_lose_nothing_that_was_acknowledged() {
    let outcome = run("kills", 4, None);
    assert_clean(&outcome);
    let (claims, kills) = (outcome.counted(Count::Claims), outcome.counted(Count::Kills));
    assert!(claims > 0 && kills > 0, "{claims} claims, {kills} kills");
}

#[test]
fn board_in_postgresql_survives_whatever_fails() {
    let outcome = run("postgres", 8, None);
    assert_clean(&outcome);
    let (claims, kills) = (outcome.counted(Count::Claims), outcome.counted(Count::Kills));
    assert!(claims > 0 && kills > 0, "{claims} claims, {kills} kills");
    let servers = outcome.figures.iter().find(|(name, _)| name.starts_with("servers "));
    assert!(servers.is_some(), "the server never failed: {:?}", outcome.figures);
}

#[test]
fn worker_that_stays_with_its_generation_is_found_by_kills() {
    let outcome = run("kills", 60, Some(Bug::Store(InStore::GenerationNotRechecked)));
    assert!(!outcome.wrong.is_empty(), "nothing was found");
}

#[test]
fn dead_holders_tasks_come_back_at_once_and_living_ones_stay() {
    let outcome = run("liveness", 4, None);
    assert_clean(&outcome);
    let (kills, stops) = (outcome.counted(Count::Kills), outcome.counted(Count::Stops));
    assert!(kills > 0 && stops > 0, "{kills} kills, {stops} stops");
}

#[test]
fn stopped_holder_that_is_not_refused_is_found_by_liveness() {
    let bug = Bug::Board(taskhost_board::PlantedBug::TokenNotCompared);
    let outcome = run("liveness", 4, Some(bug));
    let found = outcome.wrong.iter().any(|wrong| wrong.what.contains("beyond its lease completed"));
    assert!(found, "{:#?}", outcome.wrong);
}

#[test]
fn processes_that_claim_at_once_all_get_their_share() {
    let outcome = run("fairness", 4, None);
    assert_clean(&outcome);
    assert_eq!(outcome.figures.len(), 4, "{:#?}", outcome.figures);
}

#[test]
fn opening_after_a_kill_is_measured_by_the_length_of_the_journal() {
    let outcome = run("recovery", 1, None);
    assert_clean(&outcome);
    let (name, figure) = outcome.figures.first().unwrap();
    assert!(name.contains("1000 entries") && figure.contains("entries/s"), "{name}: {figure}");
}

#[test]
fn disk_that_is_full_now_and_then_loses_nothing_that_was_acknowledged() {
    let outcome = run("full-disk", 3, None);
    assert_clean(&outcome);
    let (name, figure) = outcome.figures.first().unwrap();
    // Where no disk can be made, the part says so, and has nothing to count.
    if !figure.starts_with("not looked at") {
        let claims = outcome.counted(Count::Claims);
        let times: u64 = figure.split(' ').next().unwrap().parse().unwrap();
        assert!(claims > 0 && times > 0, "{claims} claims; {name}: {figure}");
    }
}
