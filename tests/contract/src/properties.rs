//! Whatever is done to a board, what is derived from its tasks follows them, and its order is the order.

use std::time::Duration;

use crate::Kind;
use crate::board::{Board, agent, board, id, name, proof, request, soon};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use taskhost_board::{ClaimOutcome, ClaimRequest, Finish, NewTask, Order, OrderKey, Task, TaskId};

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

/// What an index-free look at every task says that an asker should get, once due events are taken.
fn best(board: &Board, tasks: &[String], wanted: &ClaimRequest) -> Option<TaskId> {
    board.engine.upkeep(soon()).unwrap();
    let all = tasks.iter().map(|text| board.task(text));
    let matching = all.filter(|task| wanted.filter.matches(task));
    let placed = matching.filter_map(|task| {
        let place = OrderKey::new(Order::Rank, task.ready_rank()?, task.priority, task.born);
        Some((place, task.id))
    });
    placed.min().map(|(_, id)| id)
}

/// A board, and what was done to it.
struct Done {
    board: Board,
    tasks: Vec<String>,
    held: Vec<Task>,
}

impl Done {
    fn add(&mut self, new: NewTask) {
        let text = format!("t{}", self.tasks.len());
        self.board.add(&[NewTask { id: Some(id(&text)), ..new }]).unwrap();
        self.tasks.push(text);
    }

    fn existing(&self, n: Option<usize>) -> Option<TaskId> {
        n.and_then(|n| self.tasks.get(n)).map(|text| id(text))
    }

    fn claim(&mut self, wanted: &ClaimRequest) {
        let best = best(&self.board, &self.tasks, wanted);
        let got = match self.board.claim(wanted).unwrap() {
            ClaimOutcome::Claimed { task, .. } => {
                self.held.push((*task).clone());
                Some(task.id)
            }
            ClaimOutcome::Nothing { .. } => None,
        };
        assert_eq!(got, best);
    }

    fn finish(&mut self, which: usize, how: u8) {
        if self.held.is_empty() {
            return;
        }
        let task = self.held.remove(which % self.held.len());
        let all = [Finish::Complete(None), Finish::Fail(None), Finish::Release(None)];
        // It may have been recovered since; then nothing happens.
        let _ = self.board.finish(task.id.as_str(), &proof(&task), &all[how as usize]);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Add { task_type, priority, labels, needs, parent, after } => self.add(NewTask {
                priority,
                labels: names(&labels),
                needs: names(&needs),
                parent: self.existing(parent),
                after: self.existing(after).into_iter().collect(),
                ..NewTask::new(name(&format!("w{task_type}")))
            }),
            Step::Claim { agent: number, capabilities, labels, types } => {
                let mut who = agent(&format!("a{number}"));
                who.capabilities = names(&capabilities);
                let mut wanted = request(&who);
                wanted.filter.labels = names(&labels);
                wanted.filter.types = names(&types);
                self.claim(&wanted);
            }
            Step::Finish { which, how } => self.finish(which, how),
            Step::Advance { ms } => self.board.advance(Duration::from_millis(ms)),
        }
    }
}

pub(crate) fn claims_take_the_first_match_and_derived_records_never_drift(kind: &Kind) {
    let config = ProptestConfig { cases: kind.cases, ..ProptestConfig::default() };
    let config = ProptestConfig { failure_persistence: None, ..config };
    let all = prop::collection::vec(step(), 1..60);
    let ran = TestRunner::new(config).run(&all, |steps| {
        let mut done = Done { board: board(kind), tasks: Vec::new(), held: Vec::new() };
        for step in steps {
            done.take(step);
            done.board.assert_sound();
        }
        Ok(())
    });
    if let Err(failed) = ran {
        panic!("{failed}");
    }
}
