//! A history without an order, made short: what is left has none either, for the same reason or another one.
//!
//! Only what takes a condition away is left out: what began after the clash, and answers that changed nothing. What is
//! left then contradicts itself, whatever the rest was.

use super::search::{Clash, Verdict, check, is_idle};
use super::words::{Call, History};

/// How many steps all searches may take together: without some answers a search may take very much longer.
const STEPS_MAX: u64 = 200_000;

/// The short history, and where it stops having an order.
pub(super) fn shrunk(history: &History, clash: Clash) -> (History, Clash) {
    let end_ns = history.calls[clash.at].to_ns;
    let mut short = history.clone();
    short.calls.retain(|call| call.from_ns <= end_ns);
    short.calls.sort_by_key(|call| call.from_ns);
    let mut steps_left = STEPS_MAX;
    let Some(mut best) = clashes(&short, &mut steps_left) else { return (history.clone(), clash) };
    let mut size = short.calls.len().div_ceil(2);
    while size > 0 && steps_left > 0 {
        let mut from = 0;
        while from < short.calls.len() && steps_left > 0 {
            let to = (from + size).min(short.calls.len());
            let mut trial = short.clone();
            let needed = |(at, call): (usize, Call)| {
                let is_left = !(from..to).contains(&at) || !is_idle(&call);
                is_left.then_some(call)
            };
            trial.calls = trial.calls.into_iter().enumerate().filter_map(needed).collect();
            match clashes(&trial, &mut steps_left) {
                Some(found) if trial.calls.len() < short.calls.len() => {
                    (short, best) = (trial, found)
                }
                _ => from = to,
            }
        }
        size /= 2;
    }
    (short, best)
}

/// Where it stops having an order, if it has none and that is found in a part of the steps that are left.
fn clashes(history: &History, steps_left: &mut u64) -> Option<Clash> {
    let searched = check(history, *steps_left / 4);
    *steps_left = steps_left.saturating_sub(searched.steps);
    match searched.verdict {
        Verdict::Clash(clash) => Some(*clash),
        Verdict::Ordered | Verdict::Undecided => None,
    }
}
