//! Combining: of those who wait for a board's lock, the one that holds it decides for the others as well.
//!
//! Handing a lock from process to process costs more than most decisions. So one who finds it taken posts what it wants,
//! and sleeps; whoever holds the lock makes that decision too, as a transaction and an entry of its own, and all of them
//! share the sync that follows. (The field's name for it is flat combining: Hendler, Incze, Shavit and Tzafrir, SPAA 2010.)
//!
//! - [`Posting`]: what one who waits asks for. [`Begun`]: what came of it.
//! - [`Combiner`]: decides what others have posted.
//!
//! Nobody has to serve anybody: what isn't served in time is withdrawn, and done by the one who wants it. What one has posted
//! that was killed then may still be served, for a tenth of a second: as a request may be that was sent just before. Invariant: a
//! posting is either served, once, or its poster goes on as if it had never posted it; and where it can't know which,
//! because whoever was at it has died, the journal says so: the entry of a posting has its seed.

use crate::{Aim, BeginError, CommitError, Entry, Opened};

/// Something to be decided in the place of one who waits.
#[derive(Debug, Clone, Copy)]
pub struct Posting<'a> {
    /// The seed of the decision: a random number, by which its entry is known.
    pub seed: u64,
    /// What is asked for, in whatever form posters and combiners agree on.
    pub request: &'a [u8],
    /// What the transaction would be for.
    pub aim: &'a Aim,
}

/// What came of asking for a transaction, or for what it was to be for.
pub enum Begun {
    /// A transaction: nobody has served the posting, and nobody will.
    Opened(Box<dyn Opened>),
    /// The posting was served, durably: this is the answer.
    Served(Vec<u8>),
    /// The same, but the answer was lost: this is the entry.
    Found(Box<Entry>),
}

/// Neither a transaction nor an answer was had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PostError {
    /// Nothing happened.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// What was posted may have happened.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// What was decided for another one.
#[derive(Debug)]
pub struct Decided {
    /// To be committed.
    pub entry: Entry,
    /// To be told once that is durable.
    pub answer: Vec<u8>,
}

/// Decides what others have posted, one after the other: each on the board with what was decided before it.
pub trait Combiner {
    /// Whether it decides anything.
    fn decides(&self) -> bool {
        true
    }
    /// Decides one posting on the board as `opened` sees it; `None` where its poster had better do it itself.
    fn decide(&mut self, opened: &mut dyn Opened, request: &[u8]) -> Option<Decided>;
    /// What was decided last isn't wanted any more.
    fn dropped(&mut self);
    /// Whether all that was decided and not dropped stands in the journal. Nothing is decided after it.
    fn ended(&mut self, is_appended: bool);
}

/// Decides for nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCombiner;

impl Combiner for NoCombiner {
    fn decides(&self) -> bool {
        false
    }

    fn decide(&mut self, _opened: &mut dyn Opened, _request: &[u8]) -> Option<Decided> {
        None
    }

    fn dropped(&mut self) {}

    fn ended(&mut self, _is_appended: bool) {}
}
