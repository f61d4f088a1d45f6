//! How long work took, and how it ended.
//!
//! - [`Attempt`]: one recorded try at a task. [`Ending`]: how a try ends.
//! - [`Attempts`]: all of them; says what becomes of a task's n-th try, also of one that the history doesn't have.

use std::collections::{BTreeMap, HashMap};

use taskhost_board::{Json, Name, TaskId};

/// How a try at a task ends, if nobody else ends it before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The holder completes the task.
    Completed(Option<Json>),
    /// The holder fails it.
    Failed(Option<String>),
    /// The holder hands it back.
    Released(Option<String>),
    /// The holder parks it.
    Parked(Option<String>),
    /// The holder dies, which shows at once.
    Died,
    /// The holder falls silent, and its lease runs out.
    Silent,
}

/// A recorded try at a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// How it ended; `None` if the holder didn't end it: somebody took the task away, or the history ends before.
    pub ending: Option<Ending>,
    /// The entry in which it ended.
    pub sequence: u64,
}

/// What becomes of a try at a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) ms: u64,
    pub(crate) ending: Ending,
    /// The entry in which it ended in the history, if it is there.
    pub(crate) sequence: Option<u64>,
}

/// Every recorded try.
#[derive(Debug, Clone, Default)]
pub struct Attempts {
    by_task: HashMap<TaskId, Vec<Attempt>>,
    by_type: BTreeMap<Name, u64>,
    of_all: u64,
    is_guessed: bool,
}

impl Attempts {
    pub(super) fn new(by_task: HashMap<TaskId, Vec<Attempt>>, types: &[(TaskId, Name)]) -> Self {
        let mut by_type: BTreeMap<Name, Vec<u64>> = BTreeMap::new();
        let mut all = Vec::new();
        for (id, task_type) in types {
            let ended = by_task.get(id).into_iter().flatten().filter(|one| one.is_whole());
            for attempt in ended {
                by_type.entry(task_type.clone()).or_default().push(attempt.ms);
                all.push(attempt.ms);
            }
        }
        // In the middle of a first run nothing may be done yet. It takes at least as long as it has taken.
        let is_guessed = all.is_empty() && by_task.values().any(|tries| !tries.is_empty());
        if is_guessed {
            all.extend(by_task.values().flatten().map(|one| one.ms.max(1)));
        }
        Self {
            is_guessed,
            by_task,
            by_type: by_type.into_iter().map(|(name, times)| (name, median(times))).collect(),
            of_all: median(all),
        }
    }

    /// Whether no try was ended, so that how long work takes is guessed.
    pub fn are_guessed(&self) -> bool {
        self.is_guessed
    }

    /// The recorded tries at this task.
    pub fn of(&self, id: &TaskId) -> &[Attempt] {
        self.by_task.get(id).map_or(&[], Vec::as_slice)
    }

    /// What becomes of the try number `nth`, from 0, at a task of this type.
    pub(crate) fn fate(&self, id: &TaskId, task_type: &Name, nth: usize) -> Fate {
        let recorded = self.of(id);
        let usual = || {
            let own = recorded.iter().filter(|one| one.is_whole()).map(|one| one.ms);
            let own: Vec<u64> = own.collect();
            if own.is_empty() {
                self.by_type.get(task_type).copied().unwrap_or(self.of_all)
            } else {
                median(own)
            }
        };
        match recorded.get(nth) {
            Some(Attempt { ms, ending: Some(ending), sequence }) => {
                Fate { ms: *ms, ending: ending.clone(), sequence: Some(*sequence) }
            }
            // It would have taken longer than it was let.
            Some(Attempt { ms, ending: None, .. }) => {
                Fate { ms: usual().max(*ms), ending: Ending::Completed(None), sequence: None }
            }
            None => {
                let last = recorded.iter().rev().find_map(|one| one.ending.clone());
                let ending = match last {
                    Some(ending @ (Ending::Failed(_) | Ending::Completed(_))) => ending,
                    _ => Ending::Completed(None),
                };
                Fate { ms: usual(), ending, sequence: None }
            }
        }
    }
}

impl Attempt {
    /// Whether it tells how long the work takes.
    fn is_whole(&self) -> bool {
        matches!(self.ending, Some(Ending::Completed(_) | Ending::Failed(_)))
    }
}

/// The middle one, or the lower of the two in the middle; 0 of none.
pub(crate) fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(attempts: Vec<Attempt>) -> Attempts {
        let (id, other) = (TaskId::new("t").unwrap(), TaskId::new("u").unwrap());
        let kind = Name::new("build").unwrap();
        let done = Attempt { ms: 70, ending: Some(Ending::Completed(None)), sequence: 9 };
        let by_task = HashMap::from([(id.clone(), attempts), (other.clone(), vec![done])]);
        Attempts::new(by_task, &[(id, kind.clone()), (other, kind)])
    }

    fn fate(attempts: Vec<Attempt>, nth: usize) -> (u64, Ending) {
        let id = TaskId::new("t").unwrap();
        let fate = of(attempts).fate(&id, &Name::new("build").unwrap(), nth);
        (fate.ms, fate.ending)
    }

    fn failed(ms: u64) -> Attempt {
        Attempt { ms, ending: Some(Ending::Failed(Some("no".into()))), sequence: 3 }
    }

    #[test]
    fn recorded_try_takes_as_long_and_ends_as_it_did() {
        assert_eq!(fate(vec![failed(5)], 0), (5, Ending::Failed(Some("no".into()))));
    }

    #[test]
    fn try_beyond_the_recorded_ones_takes_the_median_and_ends_as_the_last_one() {
        let three = vec![failed(5), failed(50), failed(6)];
        assert_eq!(fate(three, 3), (6, Ending::Failed(Some("no".into()))));
    }

    #[test]
    fn task_that_was_never_tried_takes_the_median_of_its_type_and_is_completed() {
        assert_eq!(fate(vec![], 0), (70, Ending::Completed(None)));
    }

    #[test]
    fn try_that_was_cut_off_takes_at_least_as_long_as_it_was_seen_to() {
        let cut = |ms| vec![Attempt { ms, ending: None, sequence: 3 }];
        assert_eq!(fate(cut(500), 0), (500, Ending::Completed(None)));
        assert_eq!(fate(cut(5), 0), (70, Ending::Completed(None)));
    }

    #[test]
    fn median_of_an_even_number_is_the_lower_one() {
        assert_eq!(median(vec![4, 1, 3, 2]), 2);
        assert_eq!(median(vec![]), 0);
    }
}
