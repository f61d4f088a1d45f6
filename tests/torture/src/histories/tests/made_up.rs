//! Histories made up at random by the model, as they are and with answers that were changed.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::script::MS;
use super::{has_order, naive, start};
use crate::dice::Dice;
use crate::histories::model::State;
use crate::histories::requests::{Mind, settings};
use crate::histories::search::{Verdict, check, when};
use crate::histories::shrink::shrunk;
use crate::histories::words::{Agent, Answer, Call, History, No, Op, Status, Task, Whole};

/// What several workers may have asked and been answered, in one order that is chosen at random: each request begins
/// before its place in the order and ends after it, as far as its worker's others leave room.
fn made_up(seed: u64, calls: u64, workers: u32) -> History {
    let mut dice = Dice::new(seed);
    let start = Whole { settings: settings(&mut dice), ..start() };
    let mut history = History { start, deaths: BTreeMap::new(), calls: Vec::new() };
    let mut state = State::new(&history.start);
    let mut minds: Vec<Mind> = (0..workers)
        .map(|worker| {
            let agent = Agent::ALL[worker as usize % 2];
            Mind::new(agent, worker, dice.one_in(2), dice.roll())
        })
        .collect();
    let mut free_ms = vec![0; minds.len()];
    for place in 1..=calls {
        let worker = usize::try_from(dice.below(u64::from(workers))).unwrap();
        let (now_ms, mind) = (place * 10, &mut minds[worker]);
        let from_ms = (now_ms - dice.below(30).min(now_ms - 1)).max(free_ms[worker]);
        let op = mind.next();
        let by = mind.session;
        let exactly = Call { by, op, from_ns: now_ms * MS, to_ns: now_ms * MS, answer: None };
        let outcomes = state.outcomes(&exactly.op, &when(&history, &exactly));
        let chosen = usize::try_from(dice.below(outcomes.len() as u64)).unwrap();
        let outcome = outcomes.into_iter().nth(chosen).unwrap();
        let answer = outcome.answer(&state);
        mind.learn(&answer);
        let to_ms = now_ms + dice.below(30);
        free_ms[worker] = to_ms + 1;
        state = outcome.after.unwrap_or(state);
        let (from_ns, to_ns) = (from_ms.min(now_ms) * MS, to_ms * MS);
        history.calls.push(Call { from_ns, to_ns, answer: Some(answer), ..exactly });
    }
    history
}

/// Changes one answer, or forgets one.
fn spoiled(history: &mut History, dice: &mut Dice) {
    let others: Vec<Answer> = history.calls.iter().filter_map(|call| call.answer.clone()).collect();
    let call = usize::try_from(dice.below(history.calls.len() as u64)).unwrap();
    let other = dice.pick(&others).cloned();
    let call = &mut history.calls[call];
    let lie = |task: &mut Task, dice: &mut Dice| match dice.below(5) {
        0 => task.priority += 1,
        1 => task.status = dice.among([Status::Pending, Status::Completed, Status::Failed]),
        2 => task.attempts += 1,
        3 => task.claim = None,
        _ => {
            if let Some(claim) = &mut task.claim {
                claim.token += 1;
            }
        }
    };
    match &mut call.answer {
        _ if dice.one_in(4) => call.answer = other,
        _ if dice.one_in(4) => call.answer = None,
        Some(Answer::Task(task, _)) => lie(task, dice),
        Some(Answer::Whole(whole)) if !whole.tasks.is_empty() => {
            let at = usize::try_from(dice.below(whole.tasks.len() as u64)).unwrap();
            lie(&mut whole.tasks[at], dice);
        }
        Some(Answer::Changed(done)) => done.iter_mut().for_each(|done| *done = !*done),
        answer => *answer = Some(Answer::No(dice.among([No::Taken, No::Missing, No::Invalid]))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_has_an_order_is_found_to_have_one(seed: u64, workers in 1..6_u32) {
        let history = made_up(seed, 120, workers);
        let searched = check(&history, 1_000_000);
        prop_assert!(matches!(searched.verdict, Verdict::Ordered), "{:#?}", searched.verdict);
    }

    #[test]
    fn search_says_what_a_naive_one_says(seed: u64, lies in 0..3_u32) {
        let mut history = made_up(seed, 7, 3);
        let mut dice = Dice::new(!seed);
        for _ in 0..lies {
            spoiled(&mut history, &mut dice);
        }
        prop_assert_eq!(has_order(&history), naive(&history), "{:#?}", history.calls);
    }
}

/// A search that accepts everything would agree with most histories.
#[test]
fn most_spoiled_histories_have_no_order() {
    let spoil = |seed| {
        let mut history = made_up(seed, 40, 3);
        spoiled(&mut history, &mut Dice::new(!seed));
        !has_order(&history)
    };
    let refused = (0..100).filter(|seed| spoil(*seed)).count();
    assert!(refused > 50, "{refused} of 100");
}

#[test]
fn what_is_left_of_a_history_without_an_order_has_none_either() {
    let mut lengths = (0, 0);
    for seed in 0..100 {
        let mut history = made_up(seed, 60, 3);
        spoiled(&mut history, &mut Dice::new(!seed));
        let Verdict::Clash(clash) = check(&history, 1_000_000).verdict else { continue };
        let (short, _) = shrunk(&history, *clash);
        assert!(!has_order(&short), "{:#?}", short.calls);
        assert!(short.calls.iter().all(|call| history.calls.contains(call)));
        lengths = (lengths.0 + history.calls.len(), lengths.1 + short.calls.len());
    }
    assert!(lengths.1 * 2 < lengths.0, "{lengths:?}");
}

/// A request and its answer in two or three words, such as `Finish: No(Taken)`.
fn corner(call: &Call) -> String {
    let first = |text: String| text.split([' ', '(']).next().unwrap_or_default().to_owned();
    let what = match &call.op {
        Op::Finish { how, .. } => first(format!("{how:?}")),
        Op::Change { action, .. } => first(format!("{action:?}")),
        other => first(format!("{other:?}")),
    };
    match &call.answer {
        Some(Answer::Task(_, true)) => format!("{what}: repeated"),
        Some(Answer::Changed(done)) if done.contains(&true) => format!("{what}: done"),
        Some(Answer::Changed(_)) => format!("{what}: already"),
        Some(Answer::No(no)) => format!("{what}: {no:?}"),
        Some(Answer::Nothing(why)) => format!("{what}: {why:?}"),
        _ => format!("{what}: done"),
    }
}

/// Requests that get nowhere would find nothing.
#[test]
fn requests_reach_every_corner() {
    let mut corners: BTreeMap<String, u64> = BTreeMap::new();
    for seed in 0..100 {
        for call in &made_up(seed, 200, 5).calls {
            *corners.entry(corner(call)).or_default() += 1;
        }
    }
    for wanted in [
        "Add: done",
        "Add: repeated",
        "Add: Invalid",
        "Add: Missing",
        "Add: Refused",
        "Archive: done",
        "Archive: Invalid",
        "Assign: done",
        "Assign: Taken",
        "Block: done",
        "Block: Taken",
        "Cancel: done",
        "Claim: done",
        "Claim: repeated",
        "Claim: Empty",
        "Claim: Invalid",
        "Claim: NoMatch",
        "Claim: Taken",
        "Claim: Waiting",
        "Complete: done",
        "Complete: repeated",
        "Complete: Invalid",
        "Complete: Refused",
        "Complete: Taken",
        "Fail: done",
        "Fail: repeated",
        "Heartbeat: done",
        "Heartbeat: Taken",
        "Need: done",
        "Prioritize: done",
        "Release: done",
        "Release: repeated",
        "Retry: done",
        "Unassign: done",
        "Unblock: done",
    ] {
        assert!(corners.contains_key(wanted), "`{wanted}` never came up in {corners:#?}");
    }
}
