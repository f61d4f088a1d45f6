//! What the search accepts and refuses.
//!
//! - `known`: small histories that are known to be right or wrong, told by a `Script`.
//! - `made_up`: many at random, about which a naive search has the last word.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod known;
mod made_up;
mod script;

use super::model::State;
use super::search::{Verdict, check, when};
use super::words::{History, ParentRule, Settings, Whole};

/// A board with nothing on it.
fn start() -> Whole {
    let settings = Settings {
        parent: ParentRule::Independent,
        cascade: false,
        max_attempts: 5,
        retries: 0,
        max_claims: 0,
    };
    Whole { token: 0, settings, tasks: Vec::new() }
}

fn has_order(history: &History) -> bool {
    match check(history, 1_000_000).verdict {
        Verdict::Ordered => true,
        Verdict::Clash(_) => false,
        Verdict::Undecided => panic!("a small history is decided"),
    }
}

/// Whether any order at all will do, tried one after another.
fn naive(history: &History) -> bool {
    fn go(history: &History, state: &State, left: &[usize]) -> bool {
        let calls = &history.calls;
        if left.iter().all(|call| calls[*call].answer.is_none()) {
            return true;
        }
        left.iter().any(|call| {
            let asked = &calls[*call];
            // Nothing that is left may have ended before this one began; what a dead process left undone must have
            // been done before anybody who came later changed anything.
            let comes_first = |other: &usize| {
                let other = &calls[*other];
                other.answer.is_some() && other.to_ns < asked.from_ns
            };
            if left.iter().any(comes_first) {
                return false;
            }
            let stays = |other: &&usize| {
                let is_dead =
                    calls[**other].answer.is_none() && calls[**other].to_ns < asked.from_ns;
                **other != *call && (asked.op.is_read() || !is_dead)
            };
            let rest: Vec<usize> = left.iter().filter(stays).copied().collect();
            let outcomes = state.outcomes(&asked.op, &when(history, asked)).into_iter();
            let after = outcomes.filter_map(|outcome| match &asked.answer {
                Some(answer) => outcome.accept(state, answer),
                None => Some(outcome.after),
            });
            after.into_iter().any(|after| go(history, after.as_ref().unwrap_or(state), &rest))
        })
    }
    let all: Vec<usize> = (0..history.calls.len()).collect();
    go(history, &State::new(&history.start), &all)
}
