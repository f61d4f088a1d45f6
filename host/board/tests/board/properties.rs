//! Whatever is done to a board, what is derived from its tasks follows them, and its order is the order.

use std::time::Duration;

use crate::common::{agent, board, id, name, proof, request, soon};
use proptest::prelude::*;
use taskhost_board::{ClaimOutcome, Finish, NewTask, Order, OrderKey, Task};

#[derive(Debug, Clone)]
enum Step {
    Add {
        task_type: u8,
        priority: i32,
        labels: Vec<u8>,
        needs: Vec<u8>,
        parent: Option<usize>,
        after: Option<usize>,
    },
    Claim {
        agent: u8,
        capabilities: Vec<u8>,
        labels: Vec<u8>,
        types: Vec<u8>,
    },
    Finish {
        which: usize,
        how: u8,
    },
    Advance {
        ms: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let words = || prop::collection::vec(0_u8..3, 0..3);
    prop_oneof![
        3 => (0_u8..3, -2..3_i32, words(), words(), prop::option::of(0_usize..40), prop::option::of(0_usize..40))
            .prop_map(|(task_type, priority, labels, needs, parent, after)| Step::Add {
                task_type, priority, labels, needs, parent, after
            }),
        4 => (0_u8..4, words(), words(), words()).prop_map(|(agent, capabilities, labels, types)| Step::Claim {
            agent, capabilities, labels, types
        }),
        3 => (any::<usize>(), 0_u8..3).prop_map(|(which, how)| Step::Finish { which, how }),
        1 => (0_u64..3_000_000).prop_map(|ms| Step::Advance { ms }),
    ]
}

fn names(numbers: &[u8]) -> Vec<taskhost_board::Name> {
    numbers.iter().map(|n| name(&format!("w{n}"))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn claims_take_the_first_match_and_derived_records_never_drift(steps in prop::collection::vec(step(), 1..60)) {
        let board = board();
        let mut tasks: Vec<String> = Vec::new();
        let mut held: Vec<Task> = Vec::new();
        for step in steps {
            match step {
                Step::Add { task_type, priority, labels, needs, parent, after } => {
                    let text = format!("t{}", tasks.len());
                    let existing = |n: Option<usize>| n.and_then(|n| tasks.get(n)).map(|t| id(t));
                    let new = NewTask {
                        id: Some(id(&text)),
                        priority,
                        labels: names(&labels),
                        needs: names(&needs),
                        parent: existing(parent),
                        after: existing(after).into_iter().collect(),
                        ..NewTask::new(name(&format!("w{task_type}")))
                    };
                    board.add(&[new]).unwrap();
                    tasks.push(text);
                }
                Step::Claim { agent: number, capabilities, labels, types } => {
                    let mut who = agent(&format!("a{number}"));
                    who.capabilities = names(&capabilities);
                    let mut wanted = request(&who);
                    wanted.filter.labels = names(&labels);
                    wanted.filter.types = names(&types);
                    // What an index-free look at every task says, once due events are taken.
                    board.engine.upkeep(soon()).unwrap();
                    let all = tasks.iter().map(|text| board.task(text));
                    let best = all
                        .filter(|task| wanted.filter.matches(task))
                        .filter_map(|task| Some((OrderKey::new(Order::Rank, task.ready_rank()?, task.priority, task.born), task.id)))
                        .min();
                    let got = match board.claim(&wanted).unwrap() {
                        ClaimOutcome::Claimed { task, .. } => {
                            held.push((*task).clone());
                            Some(task.id)
                        }
                        ClaimOutcome::Nothing { .. } => None,
                    };
                    prop_assert_eq!(got, best.map(|(_, id)| id));
                }
                Step::Finish { which, how } => {
                    if held.is_empty() {
                        continue;
                    }
                    let task = held.remove(which % held.len());
                    let how = [Finish::Complete(None), Finish::Fail(None), Finish::Release(None)][how as usize].clone();
                    // It may have been recovered since; then nothing happens.
                    let _ = board.finish(task.id.as_str(), &proof(&task), &how);
                }
                Step::Advance { ms } => board.store.advance(Duration::from_millis(ms)),
            }
            board.assert_sound();
        }
    }

    #[test]
    fn order_keys_sort_as_their_bytes(ranks in prop::collection::vec((any::<i32>(), any::<i32>(), any::<u64>()), 2..20)) {
        for order in [Order::Rank, Order::Oldest, Order::Newest] {
            let mut keys: Vec<_> = ranks.iter().map(|(r, p, b)| OrderKey::new(order, *r, *p, *b)).collect();
            let mut bytes: Vec<_> = keys.iter().map(|key| key.to_bytes()).collect();
            keys.sort_unstable();
            bytes.sort_unstable();
            prop_assert_eq!(keys.iter().map(|key| key.to_bytes()).collect::<Vec<_>>(), bytes.clone());
            for bytes in bytes {
                prop_assert_eq!(OrderKey::from_bytes(bytes).to_bytes(), bytes);
            }
        }
    }
}
