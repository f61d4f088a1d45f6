//! Claims that were posted, and decided by somebody who died before it could say so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Kind;
use crate::around::{Around, Otherwise};
use crate::board::{Board, agent, board, id, request, soon, task};
use taskhost_board::plain::PlainPolicies;
use taskhost_board::{Change, ClaimOutcome, Engine, Entry, Sequence, Store, Task};

/// The first posting is decided by somebody who dies; all that is found of it is its entry.
struct AnswerLost<D> {
    store: Arc<dyn Store>,
    /// Decides, and does what happens until the entry is found.
    decide: D,
    is_decided: AtomicBool,
}

impl<D: Fn() + Send + Sync> Otherwise for AnswerLost<D> {
    fn posted(&self) -> Option<Box<Entry>> {
        if self.is_decided.swap(true, Ordering::Relaxed) {
            return None;
        }
        (self.decide)();
        let mut found = None;
        let mut look = |_: Sequence, entry: Entry| {
            let is_claim = |change: &Change| matches!(change, Change::Claimed { .. });
            found = entry.changes.iter().any(is_claim).then_some(entry);
            found.is_none()
        };
        self.store.history(Sequence(0), &mut look).unwrap();
        found.map(Box::new)
    }
}

/// What an agent `a` is told on a board of two tasks where somebody claims the first one for it, and dies; then comes what
/// `then` does.
fn told(kind: &Kind, then: impl Fn(&Board) + Send + Sync + 'static) -> (Arc<Board>, Task) {
    let board = Arc::new(board(kind));
    board.add(&[task("first"), task("second")]).unwrap();
    let (store, other) = (board.store.clone(), board.clone());
    let decide = move || {
        assert_eq!(other.next("a").unwrap().id, id("first"));
        then(&other);
    };
    let otherwise = AnswerLost { store: store.clone(), decide, is_decided: AtomicBool::new(false) };
    let around = Around { store, otherwise };
    let engine =
        Engine::new(Arc::new(around), Arc::new(PlainPolicies::default()), Arc::new(|| 4711));
    match engine.claim(&request(&agent("a")), soon()).unwrap() {
        ClaimOutcome::Claimed { task, .. } => (board, *task),
        ClaimOutcome::Nothing { .. } => panic!("it got nothing"),
    }
}

fn claims(board: &Board) -> usize {
    let mut claims = 0;
    let mut count = |_: Sequence, entry: Entry| {
        let is_claim = |change: &&Change| matches!(change, Change::Claimed { .. });
        claims += entry.changes.iter().filter(is_claim).count();
        true
    };
    board.store.history(Sequence(0), &mut count).unwrap();
    claims
}

pub(crate) fn claim_of_which_only_the_entry_is_known_is_told(kind: &Kind) {
    let (board, task) = told(kind, |_| {});
    assert_eq!(task.id, id("first"));
    assert_eq!(claims(&board), 1);
}

pub(crate) fn claim_that_has_ended_before_anybody_was_told_of_it_is_made_anew(kind: &Kind) {
    // The asker was told that the outcome was unknown because writing to disk had failed, which was true of neither.
    let (board, task) = told(kind, |board| {
        board.advance(Duration::from_secs(2 * 60 * 60));
        assert_eq!(board.next("b").unwrap().id, id("first"));
    });
    assert_eq!(task.id, id("second"));
    assert_eq!(task.claim.unwrap().agent, agent("a").name);
    assert_eq!(claims(&board), 3);
}
