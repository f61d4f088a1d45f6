//! A history replayed through the policy that made it comes out as it was.

use taskhost_board::{Action, AgentKind, Assignee, Finish, Order, Status, TaskId, TaskUpdate};
use taskhost_trial::course::{Course, Decision};

use crate::town::{Town, again, id, name, workload};

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// What was decided, without what only a replay knows.
fn decided(course: &Course) -> Vec<(u64, usize, String, u64)> {
    let decided = |decision: &Decision| {
        (decision.at.0, decision.worker, decision.task.to_string(), decision.waited_ms)
    };
    course.decisions.iter().map(decided).collect()
}

/// Everything that operators do, once in a while.
fn operate(town: &mut Town, dice: &mut Dice, task: &TaskId) {
    let reason = Some("by hand".to_owned());
    let action = match dice.roll(9) {
        0 => Action::Cancel { cascade: dice.roll(2) == 0, reason },
        1 => Action::Update(Box::new(TaskUpdate {
            priority: Some(dice.roll(5) as i32),
            ..TaskUpdate::default()
        })),
        2 => Action::Block { reason, proof: None, force: dice.roll(2) == 0 },
        3 => Action::Unblock { reason },
        4 => Action::Retry { cascade: false, reason },
        5 => Action::Assign(Assignee {
            name: name("bob"),
            kind: AgentKind::Agent,
            hostname: None,
            by: None,
        }),
        6 => Action::Unassign(None),
        7 => Action::Release { reason },
        _ => Action::Archive,
    };
    town.change(task, action);
}

/// A board on which everything happens that can, at random times; nobody falls silent.
fn random_town(seed: u64, steps: u64) -> Town {
    let (mut town, mut dice) = (Town::new(), Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
    let agents = ["ada", "bob", "cy", "dora"];
    let mut added: Vec<TaskId> = Vec::new();
    for step in 0..steps {
        if dice.roll(4) > 0 {
            town.wait(dice.roll(50));
        }
        let agent = agents[dice.roll(4) as usize];
        match dice.roll(20) {
            0..6 => {
                let after = added.get(dice.roll(added.len() as u64 + 1) as usize).cloned();
                let after = after.filter(|id| town.status(id).is_some() && dice.roll(3) == 0);
                let (priority, label) = (dice.roll(3) as i32, dice.roll(3) == 0);
                town.add(&format!("t{step}"), |task| {
                    task.after.extend(after);
                    task.priority = priority;
                    task.labels = label.then(|| name("red")).into_iter().collect();
                });
                added.push(id(&format!("t{step}")));
            }
            6..12 => {
                let red = dice.roll(4) == 0;
                town.claim(agent, |filter| {
                    filter.labels = red.then(|| name("red")).into_iter().collect()
                });
            }
            12..18 => {
                let held: Vec<TaskId> = town.held.keys().cloned().collect();
                if held.is_empty() {
                    continue;
                }
                let task = &held[dice.roll(held.len() as u64) as usize];
                let how = match dice.roll(6) {
                    0 => Finish::Fail(Some("broken".into())),
                    1 => Finish::Release(None),
                    _ => Finish::Complete(None),
                };
                town.finish(task, &how);
            }
            18 if dice.roll(4) == 0 => town.die(agent),
            _ if !added.is_empty() => {
                let task = added[dice.roll(added.len() as u64) as usize].clone();
                operate(&mut town, &mut dice, &task);
            }
            _ => {}
        }
    }
    town
}

#[test]
fn history_of_everything_that_can_happen_comes_out_as_it_was() {
    for seed in 1..=40 {
        let town = random_town(seed, 400);
        let workload = workload(&town.store);
        let course = again(&workload, Order::Rank);
        assert_eq!(decided(&course), decided(&workload.recorded), "seed {seed}");
        assert_eq!(course.troubles, [], "seed {seed}");
    }
}

#[test]
fn no_task_is_lost_whatever_decides() {
    for seed in 1..=40 {
        let town = random_town(seed, 300);
        let workload = workload(&town.store);
        for order in [Order::Rank, Order::Newest] {
            let course = again(&workload, order);
            let stands: u64 = course.at_end.values().sum();
            assert_eq!(stands + course.not_added, workload.recorded.arrived, "seed {seed}");
            assert_eq!(course.arrived, stands, "seed {seed}");
            let held = course.at_end.get(&Status::InProgress).copied().unwrap_or_default();
            assert_eq!(held, 0, "every try ends, seed {seed}");
        }
    }
}
