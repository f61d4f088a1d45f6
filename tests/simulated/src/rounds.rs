//! What is tried beyond what a part promises: the same again, each time wider and with other lots, until the time is
//! over, so that a longer run tries more.
//!
//! - [`Round`]: how wide it is, and what is drawn by lot. [`further`] goes through all rounds after the first.

use std::fmt;

use taskhost_store_file::simulation::Dice;

use crate::{Count, Effort, Outcome};

/// The first one is what a part promises; each later one is twice as wide as the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Round(u32);

/// After so many doublings it is wide enough.
const DOUBLINGS_MAX: u32 = 6;
/// So many rounds of the greatest width in which nothing new came up are the end.
const IDLE_MAX: u32 = 3;

impl Round {
    pub(crate) const FIRST: Self = Self(0);

    pub(crate) fn is_first(self) -> bool {
        self == Self::FIRST
    }

    pub(crate) fn is_odd(self) -> bool {
        self.0 % 2 == 1
    }

    /// How many there are of what the first round has so many of.
    pub(crate) fn wide(self, first: usize) -> usize {
        first << self.0.min(DOUBLINGS_MAX)
    }

    /// What is drawn by lot for this purpose.
    pub(crate) fn dice(self, effort: &Effort, purpose: &str) -> Dice {
        match self {
            Self::FIRST => Dice::new(effort.seed, purpose),
            Self(number) => Dice::new(effort.seed, &format!("{purpose}, round {number}")),
        }
    }

    /// How a state of the disk is named: its number, and before it the round unless that is the first.
    pub(crate) fn state(self, number: usize) -> String {
        if self.is_first() { number.to_string() } else { format!("{self}.{number}") }
    }

    /// The round and the number of a state that is named so.
    pub(crate) fn parse(state: &str) -> Option<(Self, usize)> {
        let (round, number) = state.split_once('.').unwrap_or(("0", state));
        Some((Self(round.parse().ok()?), number.parse().ok()?))
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Does all `units` again and again in an order drawn by lot, until the time is over or nothing new comes up.
pub(crate) fn further<T>(
    part: &str,
    units: &[T],
    effort: &Effort,
    outcome: &mut Outcome,
    mut each: impl FnMut(Round, &T, &mut Outcome),
) {
    let tried =
        |outcome: &Outcome| outcome.counted(Count::DiskStates) + outcome.counted(Count::Faults);
    let (mut done, mut idle) = (0, 0);
    let mut round = Round::FIRST;
    while idle < IDLE_MAX && !effort.is_done(outcome) {
        round = Round(round.0 + 1);
        let before = tried(outcome);
        for at in order(units.len(), &mut round.dice(effort, part)) {
            if effort.is_done(outcome) {
                break;
            }
            each(round, &units[at], outcome);
            done += 1;
        }
        let is_idle = tried(outcome) == before && round.0 >= DOUBLINGS_MAX;
        idle = if is_idle { idle + 1 } else { 0 };
    }
    let (rounds, more) = (done / units.len().max(1), done % units.len().max(1));
    let figure = format!("{rounds} rounds, and {more} of {} parts of the next", units.len());
    outcome.figure(format!("{part}, beyond what is always tried"), figure);
}

/// All numbers below this, each once.
fn order(count: usize, dice: &mut Dice) -> Vec<usize> {
    let mut all: Vec<usize> = (0..count).collect();
    for at in (1..count).rev() {
        all.swap(at, dice.below(at + 1));
    }
    all
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_unit_has_its_turn_in_every_round_in_an_order_that_the_seed_says() {
        let turns = |seed| {
            let (mut turns, mut outcome) = (Vec::new(), Outcome::default());
            let effort = Effort::new(seed, Duration::from_secs(600));
            further("part", &[0, 1, 2, 3, 4, 5, 6, 7], &effort, &mut outcome, |round, unit, _| {
                turns.push((round.0, *unit));
            });
            turns
        };
        let (one, other) = (turns(1), turns(2));
        assert_eq!(one, turns(1));
        assert_ne!(one, other);
        // Nothing new ever came up, so it ends although there is time.
        assert_eq!(one.len(), 8 * (DOUBLINGS_MAX + IDLE_MAX - 1) as usize);
        for round in one.chunks(8) {
            let mut units: Vec<i32> = round.iter().map(|(_, unit)| *unit).collect();
            units.sort_unstable();
            assert_eq!(units, [0, 1, 2, 3, 4, 5, 6, 7]);
        }
    }

    #[test]
    fn nothing_is_tried_further_once_the_time_is_over() {
        let mut outcome = Outcome::default();
        let effort = Effort::new(1, Duration::ZERO);
        further("part", &[()], &effort, &mut outcome, |_, (), _| panic!("the time was over"));
        let expected = "0 rounds, and 0 of 1 parts of the next";
        assert_eq!(outcome.figures[0].1, expected);
    }

    #[test]
    fn a_state_is_found_again_by_its_name() {
        for (round, number) in [(Round::FIRST, 7), (Round(3), 12)] {
            assert_eq!(Round::parse(&round.state(number)), Some((round, number)));
        }
        assert_eq!(Round::parse("killed"), None);
    }
}
