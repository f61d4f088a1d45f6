//! What is told of a replay, worked out by hand.

use taskhost_board::Order;
use taskhost_board::plain::PlainPolicies;
use taskhost_trial::course::Course;
use taskhost_trial::history::Workload;
use taskhost_trial::picture;
use taskhost_trial::report::{Report, Share};

use crate::moody::{Mood, moody};
use crate::town::{Town, again, name, through, workload};

/// Three tasks come 10 ms after each other; ada begins 10 ms after the last of them and works 100 ms on each.
fn queue_of_three() -> Workload {
    let mut town = Town::new();
    for task in ["a", "b", "c"] {
        town.add(task, |new| new.task_type = name(if task == "c" { "docs" } else { "work" }));
        town.wait(10);
    }
    for _ in 0..3 {
        let task = town.claim("ada", |_| {}).unwrap();
        town.wait(100);
        town.complete(task.as_str());
    }
    workload(&town.store)
}

fn report(workload: &Workload, courses: &[(&str, Course)]) -> Report {
    let courses: Vec<(String, Course)> =
        courses.iter().map(|(name, course)| ((*name).to_owned(), course.clone())).collect();
    Report::of(workload, &courses, 10)
}

#[test]
fn waiting_times_are_those_worked_out_by_hand() {
    let workload = queue_of_three();
    // a: 30 ms; b: from 10 to 130; c: from 20 to 230.
    assert_eq!(workload.recorded.ready_ms, [30, 120, 210]);
    assert_eq!(workload.recorded.completed_ms, [130, 220, 310]);
    let newest = again(&workload, Order::Newest);
    // c: from 20 to 30; b as before; a: from 0 to 230.
    assert_eq!(newest.ready_ms, [10, 120, 230]);
    assert_eq!(newest.first_claim_ms, [10, 120, 230]);
    assert_eq!(newest.completed_ms, [110, 220, 330]);
    assert_eq!(newest.span, workload.recorded.span);
}

#[test]
fn first_difference_comes_with_both_reasons() {
    let workload = queue_of_three();
    let (oldest, newest) = (again(&workload, Order::Rank), again(&workload, Order::Newest));
    let pairs = report(&workload, &[("a", oldest), ("b", newest)]).differences;
    assert_eq!((pairs.total, pairs.same, pairs.different), (3, 1, 2));
    let first = &pairs.first[0];
    assert_eq!((first.agent.as_str(), first.got_before), ("ada", 0));
    assert!(first.at.ends_with(".030Z"), "{}", first.at);
    let (a, b) = (first.a.as_ref().unwrap(), first.b.as_ref().unwrap());
    assert_eq!((a.task.as_str(), b.task.as_str()), ("a", "c"));
    assert_eq!(a.why, "the oldest of 3 ready, and first by rank and priority, ready for 30ms");
    assert_eq!(b.why, "the newest of 3 ready, ready for 10ms");
}

#[test]
fn what_a_policy_wrote_is_among_its_reasons() {
    let workload = queue_of_three();
    let (plain, talks) = (again(&workload, Order::Newest), through(&workload, moody(Mood::Talks)));
    let pairs = report(&workload, &[("a", plain), ("b", talks)]).differences;
    let b = pairs.first[0].b.as_ref().unwrap();
    assert_eq!(b.log, ["the next one for ada"]);
}

#[test]
fn who_was_held_back_is_told_with_what_it_was_told() {
    let mut town = Town::new();
    for task in ["a", "b"] {
        town.add(task, |_| {});
    }
    for agent in ["ada", "bob"] {
        town.wait(5);
        town.claim(agent, |_| {}).unwrap();
    }
    town.wait(20);
    town.complete("a");
    town.complete("b");
    let workload = workload(&town.store);
    let course = through(&workload, moody(Mood::HoldsBack("ada")));
    let given: Vec<(&str, &str, Option<&str>, u64)> = course
        .decisions
        .iter()
        .map(|one| {
            let held_back = one.held_back.as_deref();
            (one.agent.as_str(), one.task.as_str(), held_back, one.at.0 - one.asked_at.0)
        })
        .collect();
    // Bob gets the first one at 10 ms; that wakes ada, who asked at 5 ms.
    assert_eq!(given, [("bob", "a", None, 0), ("ada", "b", Some("after bob"), 5)]);
    let pairs = report(&workload, &[("held back", course)]).differences;
    assert_eq!(pairs.between, ["recorded", "held back"]);
    assert_eq!(pairs.first[0].agent, "ada");
}

/// Every time that something happened, each agent that was held back set another clock, and went away for good once all
/// of them had rung: a policy that waits half a minute for an agent that has left was never asked again.
#[test]
fn who_is_held_back_for_a_while_is_still_there_after_the_history_ends() {
    let mut town = Town::new();
    for n in 0..300 {
        town.add(&format!("t{n}"), |_| {});
    }
    // One for ada, and one that is left, so that bob goes.
    town.add("late", |_| {});
    town.add("left", |_| {});
    for n in 0..300 {
        town.claim("bob", |_| {}).unwrap();
        town.wait(1);
        if n == 0 {
            town.claim("ada", |_| {}).unwrap();
        }
        let task = town.held.iter().find(|(_, held)| held.0.as_str() == "bob").unwrap().0.clone();
        town.complete(task.as_str());
    }
    town.complete("t1");
    let workload = workload(&town.store);
    let course = through(&workload, moody(Mood::HoldsBackFor("ada", 30_000)));
    let ada: Vec<u64> = course
        .decisions
        .iter()
        .filter(|one| one.agent.as_str() == "ada")
        .map(|one| one.at.0 - one.asked_at.0)
        .collect();
    assert_eq!(ada.len(), 1);
    assert!((29_000..40_000).contains(&ada[0]), "{ada:?}");
}

#[test]
fn shares_are_parts_of_all() {
    let workload = queue_of_three();
    let report = report(&workload, &[("a", again(&workload, Order::Rank))]);
    let shares = |shares: &[Share]| -> Vec<(String, u64, f64, u64)> {
        let told =
            |one: &Share| (one.name.clone(), one.claims, one.percent, one.ready_to_claim.max_ms);
        shares.iter().map(told).collect()
    };
    let replayed = &report.columns[1];
    assert_eq!(shares(&replayed.agents), [("ada".into(), 3, 100.0, 210)]);
    assert_eq!(replayed.agents[0].held_ms, 300);
    assert_eq!(
        shares(&replayed.types),
        [("work".into(), 2, 66.7, 120), ("docs".into(), 1, 33.3, 210)]
    );
}

#[test]
fn the_same_history_gives_the_same_bytes() {
    let tell = || {
        let workload = queue_of_three();
        let courses =
            [("a", again(&workload, Order::Rank)), ("b", again(&workload, Order::Newest))];
        let report = report(&workload, &courses);
        let drawn: Vec<(&str, &Course)> =
            courses.iter().map(|(name, course)| (*name, course)).collect();
        let svg = picture::svg(&workload.recorded, &drawn).unwrap();
        let page = picture::page("title", "text <b>", &svg);
        (serde_json::to_string(&report).unwrap(), svg, page)
    };
    let (json, svg, page) = tell();
    assert_eq!(tell(), (json.clone(), svg.clone(), page.clone()));
    assert!(json.contains(r#""p95_ms":230"#), "{json}");
    assert!(svg.starts_with("<svg ") && svg.contains("How many tasks were ready"), "{svg}");
    assert!(page.contains("text &lt;b&gt;") && page.contains(&svg));
}

#[test]
fn history_in_which_nothing_happened_can_be_told_and_drawn() {
    let workload = workload(&Town::new().store);
    let course = through(&workload, PlainPolicies::default());
    assert_eq!(course, Course::default());
    let report = report(&workload, &[("a", course.clone())]);
    assert_eq!((report.history.entries, report.differences.total), (0, 0));
    assert!(picture::svg(&workload.recorded, &[("a", &course)]).unwrap().ends_with("</svg>\n"));
}

#[test]
fn board_on_which_nobody_asked_has_its_tasks_waiting_at_the_end() {
    let town = Town::new();
    town.add("a", |_| {});
    town.wait(500);
    town.add("b", |_| {});
    let workload = workload(&town.store);
    let course = again(&workload, Order::Rank);
    assert_eq!((course.decisions.len(), course.ready_at_end, course.ready_at_end_ms), (0, 2, 500));
    assert!(picture::svg(&workload.recorded, &[("a", &course)]).is_ok());
}
