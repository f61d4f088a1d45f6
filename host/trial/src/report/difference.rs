//! Where two courses gave different tasks.
//!
//! The n-th task that a worker got in one is set against the n-th that the same worker got in the other. After the
//! first difference the two boards are no longer the same, so later differences may only follow from earlier ones.

use std::collections::BTreeMap;

use serde::Serialize;
use taskhost_board::Millis;

use crate::course::{Course, Decision, Standing};

/// The tasks that workers got in two courses, set against each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Pairs {
    /// What the two are called.
    pub between: [String; 2],
    /// How many pairs there are.
    pub total: u64,
    /// In how many of them both gave the same task.
    pub same: u64,
    /// In how many they didn't.
    pub different: u64,
    /// The first of those, in the order of time.
    pub first: Vec<Pair>,
}

/// What one worker got in each of two courses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// When the earlier of the two answers was given.
    pub at: String,
    /// Who asked.
    pub agent: String,
    /// How many tasks it had got before, as one of the lines of work of its name.
    pub got_before: u64,
    /// What it got in the first course; `None` if nothing more.
    pub a: Option<Given>,
    /// What it got in the second course; `None` if nothing more.
    pub b: Option<Given>,
}

/// A task that was given, and what is known of why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Given {
    /// The task.
    pub task: String,
    /// Its type.
    #[serde(rename = "type")]
    pub task_type: String,
    /// When.
    pub at: String,
    /// How long it had been ready, in milliseconds.
    pub ready_ms: u64,
    /// Its rank.
    pub rank: i32,
    /// Its priority.
    pub priority: i32,
    /// How many were ready for the asker then; `None` if it asked for this one.
    pub ready: Option<u64>,
    /// Why, in plain words.
    pub why: String,
    /// What the policy wrote to its log about it.
    pub log: Vec<String>,
    /// What the asker was told before, when it got nothing although something was ready for it.
    pub held_back: Option<String>,
}

impl Pairs {
    pub(super) fn of(a: &(String, Course), b: &(String, Course), shown: usize) -> Self {
        let [of_a, of_b] = [&a.1, &b.1].map(by_worker);
        let mut workers: Vec<usize> = of_a.keys().chain(of_b.keys()).copied().collect();
        workers.sort_unstable();
        workers.dedup();
        let mut pairs = Self { between: [a.0.clone(), b.0.clone()], ..Self::default() };
        let mut found: Vec<(Millis, usize, usize, Both<'_>)> = Vec::new();
        for worker in workers {
            let [in_a, in_b] =
                [&of_a, &of_b].map(|of| of.get(&worker).map_or(&[][..], Vec::as_slice));
            for nth in 0..in_a.len().max(in_b.len()) {
                let both = Both(in_a.get(nth).copied(), in_b.get(nth).copied());
                pairs.total += 1;
                if both.is_same() {
                    pairs.same += 1;
                } else {
                    found.push((both.at(), worker, nth, both));
                }
            }
        }
        pairs.different = found.len() as u64;
        found.sort_by_key(|(at, worker, nth, _)| (*at, *worker, *nth));
        pairs.first = found.iter().take(shown).map(|(_, _, nth, both)| both.told(*nth)).collect();
        pairs
    }
}

fn by_worker(course: &Course) -> BTreeMap<usize, Vec<&Decision>> {
    let mut found: BTreeMap<usize, Vec<&Decision>> = BTreeMap::new();
    for decision in &course.decisions {
        found.entry(decision.worker).or_default().push(decision);
    }
    found
}

#[derive(Clone, Copy)]
struct Both<'a>(Option<&'a Decision>, Option<&'a Decision>);

impl Both<'_> {
    fn is_same(self) -> bool {
        match self {
            // That one held the asker back is a difference too, even if it gave the same in the end.
            Self(Some(a), Some(b)) => {
                a.task == b.task && a.held_back.is_some() == b.held_back.is_some()
            }
            _ => false,
        }
    }

    /// When the two went apart.
    fn at(self) -> Millis {
        let each = [self.0, self.1].into_iter().flatten();
        each.map(|decision| decision.asked_at).min().unwrap_or_default()
    }

    fn told(self, nth: usize) -> Pair {
        let agent = self.0.or(self.1).map(|decision| decision.agent.to_string());
        Pair {
            at: taskhost_wire::time(self.at()),
            agent: agent.unwrap_or_default(),
            got_before: nth as u64,
            a: self.0.map(Given::of),
            b: self.1.map(Given::of),
        }
    }
}

impl Given {
    fn of(decision: &Decision) -> Self {
        Self {
            task: decision.task.to_string(),
            task_type: decision.task_type.to_string(),
            at: taskhost_wire::time(decision.at),
            ready_ms: decision.waited_ms,
            rank: decision.rank,
            priority: decision.priority,
            ready: decision.standing.map(|standing| standing.ready),
            why: why(decision),
            log: decision.log.clone(),
            held_back: decision.held_back.clone(),
        }
    }
}

/// What can be told of a choice without knowing the policy: how the task stood among those that were ready.
fn why(decision: &Decision) -> String {
    let Some(standing) = decision.standing else {
        return "it was asked for by its id".into();
    };
    let Standing { ready, is_first, is_oldest, is_newest, is_reserved } = standing;
    let place = match () {
        () if is_reserved => format!("reserved for the asker, of {ready} ready"),
        () if ready <= 1 => "the only one ready".into(),
        () if is_first && is_oldest => {
            format!("the oldest of {ready} ready, and first by rank and priority")
        }
        () if is_first => format!("first by rank and priority of {ready} ready"),
        () if is_oldest => format!("the oldest of {ready} ready"),
        () if is_newest => format!("the newest of {ready} ready"),
        () => format!("one of {ready} ready"),
    };
    let mut why = place;
    if decision.rank != 0 {
        why.push_str(&format!(", rank {}", decision.rank));
    }
    if decision.priority != 0 {
        why.push_str(&format!(", priority {}", decision.priority));
    }
    why.push_str(&format!(
        ", ready for {}",
        taskhost_board::quantity::show_duration(decision.waited_ms)
    ));
    why
}
