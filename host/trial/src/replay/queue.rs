//! What is still to come, in order.

use std::collections::BTreeMap;

use taskhost_board::{Millis, Status, TaskId, Token};

/// Something that is to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// An operator's change, by its place in the workload.
    Told(usize),
    /// An operator's answer to a task that came into a status so many times.
    Answer(TaskId, Status, usize),
    /// A worker may ask.
    Ask(usize),
    /// A holder's try ends.
    End(TaskId, Token),
    /// A holder extends its lease.
    Beat(TaskId, Token),
    /// A lease may be over.
    Due,
}

/// Steps by their time; at the same time in the order in which the history has them, then in the order in which they
/// were thought of.
#[derive(Debug, Default)]
pub(super) struct Queue {
    steps: BTreeMap<(Millis, u64, u64), Step>,
    count: u64,
}

/// What the history doesn't have comes after what it has.
pub(super) const NOT_RECORDED: u64 = u64::MAX;

impl Queue {
    pub(super) fn push(&mut self, at: Millis, sequence: u64, step: Step) {
        self.count += 1;
        self.steps.insert((at, sequence, self.count), step);
    }

    pub(super) fn next_at(&self) -> Option<Millis> {
        self.steps.first_key_value().map(|((at, _, _), _)| *at)
    }

    pub(super) fn pop(&mut self) -> Option<(Millis, Step)> {
        self.steps.pop_first().map(|((at, _, _), step)| (at, step))
    }
}
