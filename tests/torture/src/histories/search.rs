//! Whether a history has an order: one in which every request, carried out by itself at some moment between its
//! beginning and its end, is answered as it was.
//!
//! - [`check`]: looks for one. [`Verdict`]: what came of it. [`Clash`]: the answer for which there is none.
//!
//! The events of the history are gone through in the order of time, with all boards that there may be then; each is a
//! state of the model, and which of the requests that are still open have been carried out in it (after Lowe,
//! "Testing for linearizability", 2017: just in time, with what was seen remembered). When a request ends, it must
//! have been carried out: of all boards, those remain that get there by carrying out some of the open ones, it last.
//! A request whose answer says that it changed nothing is carried out as soon as it may be: that takes nothing from
//! the others.
//!
//! A request whose answer nobody knows may be carried out at any time after it began, or never. If its process died,
//! that ends with the first request that began later and was carried out under the board's lock: whoever gets the
//! lock first finishes what the dead one had begun.
//!
//! A search that takes more than a stated number of steps ends undecided.

use std::collections::HashSet;

use super::model::{State, When};
use super::words::{Answer, Call, History, Op};

/// What was found out about a history.
#[derive(Debug, Clone)]
pub struct Searched {
    /// Whether it has an order.
    pub verdict: Verdict,
    /// How many times a request was carried out on a state of the model.
    pub steps: u64,
    /// How many boards there might have been at one time, at most.
    pub boards_max: usize,
}

/// Whether a history has an order.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It has.
    Ordered,
    /// It has none.
    Clash(Box<Clash>),
    /// The search was given up.
    Undecided,
}

/// Where a history stops having an order.
#[derive(Debug, Clone)]
pub struct Clash {
    /// The request whose answer can't be, by its place in the history.
    pub at: usize,
    /// Some of the boards that there may have been.
    pub instead: Vec<Instead>,
}

/// A board that there may have been when no order was found any more.
#[derive(Debug, Clone)]
pub struct Instead {
    /// The board.
    pub state: State,
    /// The open requests that weren't carried out on it, and what each of them would have been answered.
    pub answers: Vec<(usize, Vec<Answer>)>,
}

/// One board that there may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Board {
    /// The open requests that were carried out, or can't be any more, in order.
    done: Vec<usize>,
    state: State,
}

impl Board {
    fn has(&self, call: usize) -> bool {
        self.done.binary_search(&call).is_ok()
    }

    /// The board after a request was carried out, and others can't be any more.
    fn with(&self, call: usize, over: &[usize], after: Option<State>) -> Self {
        let mut done = self.done.clone();
        for call in over.iter().chain([&call]) {
            if let Err(place) = done.binary_search(call) {
                done.insert(place, *call);
            }
        }
        Self { done, state: after.unwrap_or_else(|| self.state.clone()) }
    }

    fn without(mut self, call: usize) -> Self {
        self.done.retain(|other| *other != call);
        self
    }
}

/// How many boards are told about where there is no order.
const TOLD_MAX: usize = 3;

/// Looks for an order, in at most so many steps.
pub fn check(history: &History, steps_max: u64) -> Searched {
    let mut search = Search {
        history,
        steps: 0,
        steps_max,
        open: Vec::new(),
        boards: HashSet::from([Board { done: Vec::new(), state: State::new(&history.start) }]),
    };
    let mut boards_max = 1;
    let mut verdict = Verdict::Ordered;
    for event in events(&history.calls) {
        match event {
            Event::Begins(call) => search.open.push(call),
            Event::Ends(call) => match search.end(call) {
                Some(boards) if boards.is_empty() => {
                    verdict = Verdict::Clash(Box::new(search.clash(call)));
                    break;
                }
                Some(boards) => search.boards = boards,
                None => {
                    verdict = Verdict::Undecided;
                    break;
                }
            },
        }
        boards_max = boards_max.max(search.boards.len());
    }
    Searched { verdict, steps: search.steps, boards_max }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Begins(usize),
    Ends(usize),
}

/// In the order of time. What begins in the nanosecond in which something else ends may come before it.
fn events(calls: &[Call]) -> Vec<Event> {
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        events.push((call.from_ns, false, at));
        if call.answer.is_some() {
            events.push((call.to_ns, true, at));
        }
    }
    events.sort_unstable();
    let event = |(_, ends, at)| if ends { Event::Ends(at) } else { Event::Begins(at) };
    events.into_iter().map(event).collect()
}

struct Search<'a> {
    history: &'a History,
    steps: u64,
    steps_max: u64,
    /// The requests that have begun and not ended.
    open: Vec<usize>,
    boards: HashSet<Board>,
}

impl Search<'_> {
    /// The boards on which `last` was carried out; `None` if they took too long to find.
    fn end(&mut self, last: usize) -> Option<HashSet<Board>> {
        let mut found: HashSet<Board> = HashSet::new();
        let mut seen: HashSet<Board> = HashSet::new();
        let mut left: Vec<Board> = Vec::new();
        for board in std::mem::take(&mut self.boards) {
            if board.has(last) {
                found.insert(board);
            } else {
                left.push(board);
            }
        }
        // Kept for telling about them if nothing is found.
        self.boards = left.iter().take(TOLD_MAX).cloned().collect();
        while let Some(board) = left.pop() {
            let board = self.with_idle(board, last)?;
            if board.has(last) {
                found.insert(board);
                continue;
            }
            if !seen.insert(board.clone()) {
                continue;
            }
            for at in 0..self.open.len() {
                let call = self.open[at];
                if board.has(call) {
                    continue;
                }
                let over = self.over_with(call);
                for after in self.carried_out(&board.state, call)? {
                    if after.is_none() && self.history.calls[call].answer.is_none() {
                        // Whether it was done or not makes no difference, so it wasn't.
                        continue;
                    }
                    let next = board.with(call, &over, after);
                    if call == last {
                        found.insert(next);
                    } else {
                        left.push(next);
                    }
                }
            }
        }
        let over = self.over_with(last);
        self.open.retain(|call| *call != last && !over.contains(call));
        let without = |board: Board, call: &usize| board.without(*call);
        let kept = found.into_iter().map(|board| over.iter().fold(board.without(last), without));
        Some(kept.collect())
    }

    /// The board after all open requests that may be carried out on it and never change anything, or the last one, if
    /// that is one of them.
    fn with_idle(&mut self, board: Board, last: usize) -> Option<Board> {
        let mut board = board;
        for at in 0..=self.open.len() {
            // The last one first: if it is idle, nothing else needs to come before it.
            let call = if at == 0 { last } else { self.open[at - 1] };
            if board.has(call) || !is_idle(&self.history.calls[call]) {
                continue;
            }
            // It changes something after all if it ends what the dead could have done.
            let over = self.over_with(call);
            if over.iter().any(|call| !board.has(*call)) {
                continue;
            }
            if self.carried_out(&board.state, call)?.contains(&None) {
                board = board.with(call, &over, None);
                if call == last {
                    return Some(board);
                }
            }
        }
        Some(board)
    }

    /// The states after this request, if its answer may be the one that was given: `None` inside for the same one.
    fn carried_out(&mut self, state: &State, call: usize) -> Option<Vec<Option<State>>> {
        self.steps += 1;
        if self.steps > self.steps_max {
            return None;
        }
        let call = &self.history.calls[call];
        let outcomes = state.outcomes(&call.op, &when(self.history, call));
        let accepted = outcomes.into_iter().filter_map(|outcome| match &call.answer {
            Some(answer) => outcome.accept(state, answer),
            None => Some(outcome.after),
        });
        Some(accepted.collect())
    }

    /// The open requests of dead processes that can't be carried out any more after this one was.
    fn over_with(&self, call: usize) -> Vec<usize> {
        let calls = &self.history.calls;
        if calls[call].op.is_read() {
            return Vec::new();
        }
        let is_over = |other: &usize| {
            calls[*other].answer.is_none() && calls[*other].to_ns < calls[call].from_ns
        };
        self.open.iter().copied().filter(is_over).collect()
    }

    fn clash(&self, at: usize) -> Clash {
        let instead = self.boards.iter().map(|board| {
            let state = &board.state;
            let answers = |call: usize| {
                let asked = &self.history.calls[call];
                let outcomes = state.outcomes(&asked.op, &when(self.history, asked));
                (call, outcomes.iter().map(|outcome| outcome.answer(state)).collect())
            };
            let left = self.open.iter().copied().filter(|call| *call != at && !board.has(*call));
            Instead {
                state: state.clone(),
                answers: std::iter::once(at).chain(left).map(answers).collect(),
            }
        });
        Clash { at, instead: instead.collect() }
    }
}

/// Whether a request that was answered so has changed nothing, wherever in the order it stands. That it may be carried
/// out on one board without changing it isn't enough: on a later one it might have changed something, and had the same
/// answer.
pub(super) fn is_idle(call: &Call) -> bool {
    match &call.answer {
        None => false,
        // A claim takes back what is due, also one that is refused then.
        Some(Answer::No(_)) => !matches!(call.op, Op::Claim(_)),
        Some(Answer::Task(_, true)) => true,
        Some(Answer::Changed(done)) => !done.contains(&true),
        Some(_) => call.op.is_read(),
    }
}

/// Between which milliseconds a request was carried out.
pub(super) fn when<'a>(history: &'a History, call: &Call) -> When<'a> {
    When {
        from_ms: call.from_ns / 1_000_000,
        to_ms: call.to_ns / 1_000_000,
        deaths: &history.deaths,
    }
}
