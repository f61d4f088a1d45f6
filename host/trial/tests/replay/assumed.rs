//! What is assumed where a history can't tell, and what is done where a policy doesn't play along.

use taskhost_board::{Action, Finish, Millis, Order, Status, TaskId};
use taskhost_trial::course::Course;

use crate::moody::{Mood, moody};
use crate::town::{Town, again, id, name, through, workload};

fn given(course: &Course) -> Vec<(&str, &str)> {
    course.decisions.iter().map(|one| (one.agent.as_str(), one.task.as_str())).collect()
}

fn at_end(course: &Course, status: Status) -> u64 {
    course.at_end.get(&status).copied().unwrap_or_default()
}

#[test]
fn failing_policy_is_counted_and_the_replay_goes_on() {
    let mut town = Town::new();
    town.add("a", |_| {});
    town.claim("ada", |_| {}).unwrap();
    town.wait(10);
    town.complete("a");
    town.add("b", |_| {});
    let course = through(&workload(&town.store), moody(Mood::Fails));
    assert_eq!(given(&course), []);
    assert_eq!(at_end(&course, Status::Pending), 2);
    let trouble = &course.troubles[0];
    assert_eq!(trouble.what, "an agent asked for work: failed in `assignment`");
    assert_eq!(trouble.reason, "not today");
    assert!(trouble.count > 1, "it asked again when the next task came");
    assert!(!course.is_cut);
}

#[test]
fn completion_that_is_refused_fails_the_task() {
    let mut town = Town::new();
    town.add("a", |_| {});
    town.claim("ada", |_| {}).unwrap();
    town.wait(10);
    town.complete("a");
    let course = through(&workload(&town.store), moody(Mood::RefusesCompletion));
    assert_eq!(at_end(&course, Status::Failed), 1);
    assert_eq!(course.troubles[0].what, "a task was completed: refused");
    assert_eq!(course.troubles[0].reason, "never done");
}

/// A policy that retries for ever, and a task that always fails at once: the replay had no end.
#[test]
fn replay_that_goes_on_and_on_is_broken_off_and_says_so() {
    let mut town = Town::new();
    town.add("a", |_| {});
    town.claim("ada", |_| {}).unwrap();
    town.finish(&id("a"), &Finish::Fail(None));
    town.wait(60_000);
    town.add("b", |new| new.needs = vec![name("rust")]);
    town.claim("ada", |filter| filter.capabilities = vec![name("rust")]).unwrap();
    town.wait(10);
    town.complete("b");
    // Bob asks again at once whenever he is done, and is there for a minute.
    town.add("c", |_| {});
    town.claim("bob", |_| {}).unwrap();
    town.wait(60_000);
    town.complete("c");
    let mut workload = workload(&town.store);
    let bob = workload.workers.iter_mut().find(|worker| worker.name.as_str() == "bob").unwrap();
    bob.asked[0].at = Millis(bob.asked[0].at.0 - 120_000);
    let course = through(&workload, moody(Mood::Retries));
    assert!(course.is_cut, "{} tries", course.decisions.len());
    assert!(course.decisions.len() > 1_000);
}

#[test]
fn what_was_still_worked_on_at_the_end_is_done_in_the_replay() {
    let mut town = Town::new();
    town.add("a", |_| {});
    town.claim("ada", |_| {}).unwrap();
    town.wait(40);
    town.add("b", |_| {});
    let workload = workload(&town.store);
    let course = again(&workload, Order::Rank);
    assert_eq!(at_end(&workload.recorded, Status::InProgress), 1);
    assert_eq!((at_end(&course, Status::Completed), at_end(&course, Status::Pending)), (1, 1));
    assert_eq!(course.completed_ms, [40]);
}

#[test]
fn who_falls_silent_loses_the_task_with_its_lease() {
    const LEASE_MS: u64 = 30 * 60 * 1000;
    let mut town = Town::new();
    town.add("a", |_| {});
    town.claim("ada", |_| {}).unwrap();
    town.wait(LEASE_MS + 7);
    assert_eq!(town.claim("bob", |_| {}), Some(id("a")));
    town.wait(5);
    town.complete("a");
    let workload = workload(&town.store);
    let course = again(&workload, Order::Rank);
    assert_eq!(given(&course), [("ada", "a"), ("bob", "a")]);
    assert_eq!(at_end(&course, Status::Completed), 1);
}

#[test]
fn retry_by_hand_comes_as_long_after_the_failure_as_it_did() {
    let mut town = Town::new();
    town.add("a", |_| {});
    town.add("b", |_| {});
    town.claim("ada", |_| {}).unwrap();
    town.wait(10);
    town.finish(&id("a"), &Finish::Fail(None));
    town.wait(3);
    assert!(town.change(&id("a"), Action::Retry { cascade: false, reason: None }));
    let b: Vec<TaskId> = (0..2)
        .map(|_| {
            let task = town.claim("ada", |_| {}).unwrap();
            town.wait(20);
            town.complete(task.as_str());
            task
        })
        .collect();
    assert_eq!(b, [id("a"), id("b")]);
    let workload = workload(&town.store);
    let course = again(&workload, Order::Newest);
    // The newest first: b takes 20 ms, a fails after 10 ms, and is there again 3 ms later.
    assert_eq!(given(&course), [("ada", "b"), ("ada", "a"), ("ada", "a")]);
    let failed_at = course.decisions[1].at.0 + 10;
    assert_eq!(course.decisions[2].at.0, failed_at + 3);
    assert_eq!(at_end(&course, Status::Completed), 2);
}

/// The older journals of a board are removed after a while, as its settings say.
#[test]
fn history_without_its_beginning_begins_with_what_stood_there() {
    let mut town = Town::new();
    for task in ["done", "held", "waits", "left"] {
        town.add(task, |new| new.after.extend((task == "waits").then(|| id("done"))));
    }
    assert_eq!(town.claim("ada", |_| {}), Some(id("done")));
    town.wait(10);
    town.complete("done");
    assert_eq!(town.claim("ada", |_| {}), Some(id("held")));
    town.wait(10);
    // So much isn't kept.
    town.store.take_entries();
    assert_eq!(town.claim("bob", |_| {}), Some(id("waits")));
    town.wait(30);
    town.complete("held");
    town.complete("waits");
    let workload = workload(&town.store);
    assert_eq!((workload.basis.first, workload.basis.tasks_before), (8, 4));
    assert_eq!(workload.recorded.arrived, 4);
    let course = again(&workload, Order::Rank);
    assert_eq!(given(&course), [("bob", "waits")]);
    assert_eq!(course.at_end, workload.recorded.at_end);
    assert_eq!((at_end(&course, Status::Completed), at_end(&course, Status::Pending)), (3, 1));
    assert_eq!(given(&again(&workload, Order::Newest)), [("bob", "left")]);
}

#[test]
fn claims_of_one_agent_at_one_time_are_several_workers() {
    let mut town = Town::new();
    for task in ["a", "b", "c"] {
        town.add(task, |_| {});
    }
    town.claim("ada", |_| {}).unwrap();
    town.claim("ada", |_| {}).unwrap();
    town.wait(10);
    town.complete("b");
    town.claim("ada", |_| {}).unwrap();
    town.wait(10);
    town.complete("a");
    town.complete("c");
    let workload = workload(&town.store);
    assert_eq!(workload.workers.len(), 2);
    assert_eq!(workload.workers[1].asked.len(), 2);
}

#[test]
fn request_for_one_task_that_is_gone_comes_to_nothing() {
    let mut town = Town::new();
    town.add("a", |_| {});
    town.add("b", |_| {});
    town.claim("ada", |_| {}).unwrap();
    town.wait(10);
    assert_eq!(town.claim("bob", |filter| filter.only = Some(id("b"))), Some(id("b")));
    town.wait(10);
    town.complete("a");
    town.complete("b");
    let workload = workload(&town.store);
    assert_eq!(given(&again(&workload, Order::Rank)), [("ada", "a"), ("bob", "b")]);
    let newest = again(&workload, Order::Newest);
    // Ada has b when bob asks for it, and time for another one.
    assert_eq!((given(&newest), newest.moot), (vec![("ada", "b"), ("ada", "a")], 1));
}
