//! Claims that many make at once.

use std::collections::BTreeMap;
use std::time::Duration;

use taskhost_board::{
    BoardSettings, Change, ClaimOutcome, ClaimRequest, Engine, Finish, NewTask, Space, Status, Task,
};

use crate::board::{Board, agent, board, proof, request, soon, task};
use crate::crowds::{COUNTED, GIVEN, HELD_MAX, Job, at_once, crew, number, plain};
use crate::{Kind, Plan};

const MANY: usize = 6;

/// The task that an agent of this name gets.
fn next(engine: &Engine, who: &str) -> Option<Task> {
    match engine.claim(&request(&agent(who)), soon()).unwrap() {
        ClaimOutcome::Claimed { task, .. } => Some(*task),
        ClaimOutcome::Nothing { .. } => None,
    }
}

fn complete(engine: &Engine, task: &Task) {
    let done = Finish::Complete(None);
    engine.finish(&task.id, &proof(task), &done, soon()).unwrap();
}

/// Of two who wanted the most urgent task at once, one got it, and the other got nothing or something that could wait,
/// although there was more of the same.
pub(crate) fn each_of_many_gets_the_most_urgent_that_nobody_else_takes(kind: &Kind) {
    const TASKS: usize = 60;
    let board = board(kind);
    let of = |n: usize| NewTask { priority: (n % 7) as i32, ..task(&format!("t{n}")) };
    board.add(&(0..TASKS).map(of).collect::<Vec<_>>()).unwrap();
    let engines = crew(&board, MANY, &plain());
    let jobs = engines.iter().enumerate().map(|(n, engine)| -> Job<'_, usize> {
        Box::new(move || std::iter::from_fn(|| next(engine, &format!("a{n}"))).count())
    });
    assert_eq!(at_once(jobs.collect()).iter().sum::<usize>(), TASKS);

    let changes = board.entries().into_iter().flat_map(|entry| entry.changes);
    let given: Vec<i32> = changes
        .filter_map(|change| match change {
            Change::Claimed { id, .. } => Some(board.task(id.as_str()).priority),
            _ => None,
        })
        .collect();
    assert_eq!(given.len(), TASKS, "each was given once");
    // Whoever takes a task may do so beside others who are just taking more urgent ones, but no more than those.
    let beside = if kind.is_serial { 0 } else { MANY - 1 };
    for (n, priority) in given.iter().enumerate() {
        let passed_over = given[n..].iter().filter(|later| *later > priority).count();
        assert!(passed_over <= beside, "{given:?}, at {n}");
    }
}

/// Whoever sent a request again before the first was answered had two tasks.
pub(crate) fn one_key_of_many_requests_is_one_claim(kind: &Kind) {
    let board = board(kind);
    let engines = crew(&board, MANY, &plain());
    for round in 0..kind.cases.min(16) {
        let tasks = [0, 1, 2].map(|n| task(&format!("t{round}-{n}")));
        board.add(&tasks).unwrap();
        let keyed = ClaimRequest { key: Some(format!("k{round}")), ..request(&agent("a")) };
        let keyed = &keyed;
        let jobs = engines.iter().map(|engine| -> Job<'_, (Task, bool)> {
            Box::new(move || match engine.claim(keyed, soon()).unwrap() {
                ClaimOutcome::Claimed { task, repeated } => (*task, repeated),
                ClaimOutcome::Nothing { why, .. } => panic!("nothing to claim: {why:?}"),
            })
        });
        let told = at_once(jobs.collect());
        assert_eq!(told.iter().filter(|(_, repeated)| !repeated).count(), 1);
        assert!(told.iter().all(|(task, _)| *task == told[0].0), "{told:?}");
    }
    let held = board.store.snapshot().unwrap().0.claims_held(&agent("a").name).unwrap();
    assert_eq!(held, kind.cases.min(16));
}

pub(crate) fn one_key_of_many_requests_adds_one_task(kind: &Kind) {
    let board = board(kind);
    let engines = crew(&board, MANY, &plain());
    for round in 0..kind.cases.min(16) {
        let keyed = NewTask { key: Some(format!("k{round}")), ..NewTask::new(agent("work").name) };
        let keyed = &keyed;
        let jobs = engines.iter().map(|engine| -> Job<'_, bool> {
            Box::new(move || engine.add(std::slice::from_ref(keyed), soon()).unwrap()[0].repeated)
        });
        let added = at_once(jobs.collect()).into_iter().filter(|repeated| !repeated);
        assert_eq!(added.count(), 1);
    }
    let (view, _) = board.store.snapshot().unwrap();
    assert_eq!(view.head().unwrap().counts.total(), u64::from(kind.cases.min(16)));
}

/// Two claims read how many had been given, each counted its own, and the second wrote the same number as the first; and
/// of two claims of one agent that was allowed one more, both were given.
pub(crate) fn what_a_policy_counts_is_as_much_as_was_given(kind: &Kind) {
    let plan = Plan::new(None, b"counted", &BoardSettings::default());
    let policies = COUNTED.policies();
    let board = Board::new(kind, &plan, policies.clone());
    let engines = crew(&board, MANY, &policies);
    let (names, mut claims) = (["ann", "bob", "cyd"], 0);
    for round in 0..kind.cases.min(8) {
        let of = |n: usize| task(&format!("t{round}-{n}"));
        board.add(&(0..names.len() * HELD_MAX as usize + 2).map(of).collect::<Vec<_>>()).unwrap();
        let jobs = engines.iter().enumerate().map(|(n, engine)| -> Job<'_, Vec<Task>> {
            Box::new(move || std::iter::from_fn(|| next(engine, names[n % 3])).collect())
        });
        let held: Vec<Task> = at_once(jobs.collect()).into_iter().flatten().collect();
        let mut by_name = BTreeMap::<_, u32>::new();
        for task in &held {
            *by_name.entry(task.claim.as_ref().unwrap().agent.clone()).or_default() += 1;
        }
        assert!(by_name.values().all(|held| *held == HELD_MAX), "{by_name:?}");
        assert_eq!(by_name.len(), names.len());
        claims += held.len() as u64;
        let (view, _) = board.store.snapshot().unwrap();
        assert_eq!(number(view.recall(Space::Standard, GIVEN).unwrap()), claims);
        held.iter().for_each(|task| complete(&board.engine, task));
    }
}

/// A task whose holder was late was given away while that one extended its lease, or completed it.
pub(crate) fn late_holder_keeps_its_task_or_loses_it_but_not_both(kind: &Kind) {
    let board = board(kind);
    let engines = crew(&board, 4, &plain());
    for round in 0..kind.cases.min(16) {
        let text = format!("t{round}");
        board.add(&[task(&text)]).unwrap();
        let late = ClaimRequest { lease_ms: Some(100_000), ..request(&agent("late")) };
        let ClaimOutcome::Claimed { task: held, .. } = board.claim(&late).unwrap() else {
            panic!("nothing to claim")
        };
        board.advance(Duration::from_millis(100_001));
        let (held, engines) = (&held, &engines);
        let completes = round % 2 == 0;
        let kept: Job<'_, bool> = Box::new(move || {
            let (id, proof) = (&held.id, proof(held));
            let done = Finish::Complete(None);
            match completes {
                true => engines[0].finish(id, &proof, &done, soon()).is_ok(),
                false => engines[0].heartbeat(id, &proof, None, soon()).is_ok(),
            }
        });
        let mut jobs = vec![kept];
        for engine in &engines[1..] {
            jobs.push(Box::new(move || next(engine, "next").is_some()));
        }
        let came = at_once(jobs);
        let given = came[1..].iter().filter(|given| **given).count();
        assert_eq!(given + usize::from(came[0]), 1, "kept: {}, given: {given}", came[0]);
        // Those who come too late change nothing.
        let task = board.task(&text);
        let status = if came[0] && completes { Status::Completed } else { Status::InProgress };
        assert_eq!(task.status, status);
        if task.status == Status::InProgress {
            complete(&board.engine, &task);
        }
    }
}
