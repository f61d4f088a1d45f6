//! What is tried beyond what a part promises: the same again, each time wider and with other lots, until the time is
//! over, so that a longer run tries more.
//!
//! - [`Round`]: how wide it is, and what is drawn by lot. [`first`] does what is promised, [`further`] goes through all
//!   rounds after it, both with as many threads as there are processors: a world has nothing in common with another.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;

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

    /// Whether it comes to what the first two came to, and only looks at more of it.
    pub(crate) fn is_repeated(self) -> bool {
        self.0 > 1
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

/// Does every unit once, however long that takes.
pub(crate) fn first<T: Sync>(
    units: &[T],
    effort: &Effort,
    each: impl Fn(&T) -> Outcome + Sync,
) -> Outcome {
    let mut outcome = Outcome::default();
    let is_enough = |outcome: &Outcome| effort.first_only && !outcome.wrong.is_empty();
    at_once(&(0..units.len()).collect::<Vec<_>>(), &mut outcome, &is_enough, |at| each(&units[at]));
    outcome
}

/// Does all `units` again and again in an order drawn by lot, until the time is over or nothing new comes up.
pub(crate) fn further<T: Sync>(
    part: &str,
    units: &[T],
    effort: &Effort,
    outcome: &mut Outcome,
    each: impl Fn(Round, &T) -> Outcome + Sync,
) {
    let tried =
        |outcome: &Outcome| outcome.counted(Count::DiskStates) + outcome.counted(Count::Faults);
    let (mut done, mut idle) = (0, 0);
    let mut round = Round::FIRST;
    while idle < IDLE_MAX && !effort.is_done(outcome) {
        round = Round(round.0 + 1);
        let before = tried(outcome);
        let order = order(units.len(), &mut round.dice(effort, part));
        let is_done = |outcome: &Outcome| effort.is_done(outcome);
        done += at_once(&order, outcome, &is_done, |at| each(round, &units[at]));
        let is_idle = tried(outcome) == before && round.0 >= DOUBLINGS_MAX;
        idle = if is_idle { idle + 1 } else { 0 };
    }
    let (rounds, more) = (done / units.len().max(1), done % units.len().max(1));
    let figure = format!("{rounds}, and {more} of {} parts of the next", units.len());
    outcome.figure("rounds after the one that is always made", figure);
}

/// Does these one after the other, as many at a time as there are processors, until it is enough, and how many that were.
/// What they found is taken in in their order, so that it doesn't depend on who was faster.
fn at_once(
    order: &[usize],
    outcome: &mut Outcome,
    is_enough: &(impl Fn(&Outcome) -> bool + Sync),
    each: impl Fn(usize) -> Outcome + Sync,
) -> usize {
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(is_enough(outcome)));
    let found = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    let Some(unit) = order.get(at) else { return };
                    let outcome = each(*unit);
                    is_over.fetch_or(is_enough(&outcome), Ordering::SeqCst);
                    found.lock().push((at, outcome));
                }
            });
        }
    });
    let mut found = found.into_inner();
    found.sort_unstable_by_key(|(at, _)| *at);
    let done = found.len();
    found.into_iter().for_each(|(_, found)| outcome.merge(found));
    done
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
    use crate::Harm;

    #[test]
    fn every_unit_has_its_turn_in_every_round_in_an_order_that_the_seed_says() {
        let turns = |seed| {
            let mut outcome = Outcome::default();
            let effort = Effort::new(seed, Duration::from_secs(600));
            further("part", &[0, 1, 2, 3, 4, 5, 6, 7], &effort, &mut outcome, |round, unit| {
                let mut turn = Outcome::default();
                turn.figure(round.to_string(), unit.to_string());
                turn
            });
            // The last figure says how many there were.
            outcome.figures.pop();
            outcome.figures
        };
        let (one, other) = (turns(1), turns(2));
        assert_eq!(one, turns(1));
        assert_ne!(one, other);
        // Nothing new ever came up, so it ends although there is time.
        assert_eq!(one.len(), 8 * (DOUBLINGS_MAX + IDLE_MAX - 1) as usize);
        for round in one.chunks(8) {
            assert!(round.iter().all(|(number, _)| *number == round[0].0), "{round:?}");
            let mut units: Vec<&str> = round.iter().map(|(_, unit)| &**unit).collect();
            units.sort_unstable();
            assert_eq!(units, ["0", "1", "2", "3", "4", "5", "6", "7"]);
        }
    }

    #[test]
    fn nothing_is_tried_further_once_the_time_is_over() {
        let mut outcome = Outcome::default();
        let effort = Effort::new(1, Duration::ZERO);
        further("part", &[()], &effort, &mut outcome, |_, ()| panic!("the time was over"));
        let expected = "0, and 0 of 1 parts of the next";
        assert_eq!(outcome.figures[0].1, expected);
    }

    #[test]
    fn what_is_promised_is_done_however_late_it_is_and_comes_in_its_order() {
        let effort = Effort::new(1, Duration::ZERO);
        let units: Vec<u64> = (0..100).collect();
        let outcome = first(&units, &effort, |unit| {
            // The later ones are done sooner.
            thread::sleep(Duration::from_micros(100 - unit));
            let mut outcome = Outcome::default();
            outcome.figure(unit.to_string(), "");
            outcome
        });
        let done: Vec<String> = outcome.figures.into_iter().map(|(name, _)| name).collect();
        assert_eq!(done, units.iter().map(u64::to_string).collect::<Vec<_>>());
    }

    #[test]
    fn one_thing_that_is_wrong_is_enough_where_nobody_wants_more() {
        let effort = Effort { first_only: true, ..Effort::new(1, Duration::from_secs(600)) };
        let mut outcome = first(&[(); 10_000], &effort, |()| {
            let mut outcome = Outcome::default();
            outcome.wrong(Harm::Broken, "it is broken");
            outcome
        });
        let found = outcome.wrong.len();
        assert!((1..10_000).contains(&found), "{found}");
        further("part", &[()], &effort, &mut outcome, |_, ()| panic!("it was enough"));
    }

    #[test]
    fn a_state_is_found_again_by_its_name() {
        for (round, number) in [(Round::FIRST, 7), (Round(3), 12)] {
            assert_eq!(Round::parse(&round.state(number)), Some((round, number)));
        }
        assert_eq!(Round::parse("killed"), None);
    }
}
