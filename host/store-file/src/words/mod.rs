//! The words that all processes of one boot share about a board, outside the journal: what is current, how far
//! it was appended and synced, and whether a sync failed.
//!
//! They live in `index/shared`, a small file of 64-bit words that every process maps. They are derived: without
//! them (another boot, a deleted index, a copied board) they are made anew under the board's lock, after a sync
//! of the journal.
//!
//! | word | meaning |
//! | --- | --- |
//! | 0 | magic and version |
//! | 1 | home: a hash of boot, board and the lock file's inode, so that a copied board trusts nothing |
//! | 2 | generation that is current; marked while another one is about to be |
//! | 3 | epoch: which index of that generation is current |
//! | 4 | appended_through: the last sequence in the journal, counted once the index has it or has failed to take it |
//! | 5 | durable_through: the last sequence known to be durable |
//! | 6 | poisoned: the generation whose sync failed |
//! | 7 | turn: who is next at the board's lock |
//! | 8 | turn: who syncs the journal for all |
//!
//! Invariants: word 2 changes before anything is appended to the next generation's journal and before
//! `board.json` is replaced, so a process that finds its own generation in word 2 after reading word 4 knows that
//! word 4 speaks of its own journal; and it becomes the next generation only once the new `board.json` is
//! durable, so nobody answers from a generation that a crash could take back. `durable_through` only grows.

mod mapped;
mod slots;
mod turn;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

pub(crate) use mapped::MappedWords;
pub(crate) use slots::{Answer, Look, Posted, SLOTS_WORDS, Slots, Taken};
pub(crate) use turn::{Held, PATIENCE, Turn, Wake};

use taskhost_board::{Generation, Sequence};

/// How many words there are.
pub(crate) const WORDS: usize = 16;

const MAGIC: u64 = 0x7461_736b_686f_0001;
/// Set in word 2 while `board.json` is being replaced.
const SWITCHING: u64 = 1 << 63;
const WORD_MAGIC: usize = 0;
const WORD_HOME: usize = 1;
const WORD_GENERATION: usize = 2;
const WORD_EPOCH: usize = 3;
const WORD_APPENDED: usize = 4;
const WORD_DURABLE: usize = 5;
const WORD_POISONED: usize = 6;
const WORD_LOCK_TURN: usize = 7;
const WORD_SYNC_TURN: usize = 8;

/// Where the words are kept: mapped from a file, or shared by the handles of a simulated world.
pub(crate) trait Cells: Send + Sync {
    /// The word at `index`, which is less than [`WORDS`].
    fn cell(&self, index: usize) -> &AtomicU64;
    /// Whether newcomers find these very words too.
    fn is_linked(&self) -> bool;
    /// The half of a word that processes can sleep for, where they can.
    fn turn_word(&self, _index: usize) -> Option<&AtomicU32> {
        None
    }
    /// Called before each look at a word.
    fn before_look(&self) {}
    /// Called before each change; `false` if this process is no more, in a simulation.
    fn may_change(&self) -> bool {
        true
    }
}

/// What the words are made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) home: u64,
    pub(crate) generation: Generation,
    pub(crate) epoch: u64,
    pub(crate) through: Sequence,
    pub(crate) poisoned: bool,
}

impl Start {
    /// The words' values.
    pub(crate) fn values(&self) -> [u64; WORDS] {
        let mut values = [0; WORDS];
        values[WORD_MAGIC] = MAGIC;
        values[WORD_HOME] = self.home;
        values[WORD_GENERATION] = self.generation.0;
        values[WORD_EPOCH] = self.epoch;
        values[WORD_APPENDED] = self.through.0;
        values[WORD_DURABLE] = self.through.0;
        values[WORD_POISONED] = if self.poisoned { self.generation.0 } else { 0 };
        values
    }
}

/// The shared words of a board.
pub(crate) struct Words {
    cells: Arc<dyn Cells>,
    slots: Option<Arc<Slots>>,
}

// All accesses are sequentially consistent: the protocol above orders reads of different words, and a commit
// makes a handful of them beside system calls that cost a thousand times as much.
impl Words {
    pub(crate) fn new(cells: Arc<dyn Cells>) -> Self {
        Self { cells, slots: None }
    }

    /// The same with the slots that were made together with them, if there are any.
    pub(crate) fn with_slots(self, slots: Option<Slots>) -> Self {
        Self { slots: slots.map(Arc::new), ..self }
    }

    /// Where those who wait for the board's lock can post what they want.
    pub(crate) fn slots(&self) -> Option<&Arc<Slots>> {
        self.slots.as_ref()
    }

    /// Who is next at the board's lock; `None` where nobody can wait for that.
    pub(crate) fn lock_turn(&self) -> Option<Turn> {
        Turn::at(self.cells.clone(), WORD_LOCK_TURN)
    }

    /// Who syncs the journal; `None` where nobody can wait for that.
    pub(crate) fn sync_turn(&self) -> Option<Turn> {
        Turn::at(self.cells.clone(), WORD_SYNC_TURN)
    }

    fn get(&self, index: usize) -> u64 {
        self.cells.before_look();
        self.cells.cell(index).load(Ordering::SeqCst)
    }

    fn set(&self, index: usize, value: u64) {
        if self.cells.may_change() {
            self.cells.cell(index).store(value, Ordering::SeqCst);
        }
    }

    fn raise(&self, index: usize, value: u64) {
        if self.cells.may_change() {
            self.cells.cell(index).fetch_max(value, Ordering::SeqCst);
        }
    }

    /// Whether they are words of this version about the board whose home this is.
    pub(crate) fn are_of(&self, home: u64) -> bool {
        self.get(WORD_MAGIC) == MAGIC && self.get(WORD_HOME) == home
    }

    /// What board, place and boot they are about.
    pub(crate) fn home(&self) -> u64 {
        self.get(WORD_HOME)
    }

    /// Whether newcomers find these very words too. If not, somebody deleted or replaced the index.
    pub(crate) fn are_linked(&self) -> bool {
        self.cells.is_linked()
    }

    pub(crate) fn generation(&self) -> Generation {
        Generation(self.get(WORD_GENERATION))
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.get(WORD_EPOCH)
    }

    /// Says that `next` is about to become current: no handle finds its generation here meanwhile, so all wait
    /// for the lock. Only under the board's lock.
    pub(crate) fn begin_switch(&self, next: Generation) {
        self.set(WORD_GENERATION, next.0 | SWITCHING);
    }

    /// Points at an index and its generation. Only under the board's lock.
    pub(crate) fn point(&self, generation: Generation, epoch: u64) {
        self.set(WORD_EPOCH, epoch);
        self.set(WORD_GENERATION, generation.0);
    }

    pub(crate) fn appended_through(&self) -> Sequence {
        Sequence(self.get(WORD_APPENDED))
    }

    /// Whether [`Words::appended_through`] speaks of the journal of `generation`, which is current: also where a switch
    /// from it died before `board.json` was replaced, or one to it before it had said so here. Numbers go on from one
    /// journal to the next, and the next one's is counted only once it is current.
    pub(crate) fn count_for(&self, generation: Generation) -> bool {
        let said = self.generation().0;
        let switching = [generation, generation.next()].map(|next| next.0 | SWITCHING);
        said == generation.0 || switching.contains(&said)
    }

    /// Says how far the journal goes. Only under the board's lock.
    pub(crate) fn set_appended(&self, sequence: Sequence) {
        self.set(WORD_APPENDED, sequence.0);
    }

    pub(crate) fn durable_through(&self) -> Sequence {
        Sequence(self.get(WORD_DURABLE))
    }

    pub(crate) fn raise_durable(&self, sequence: Sequence) {
        self.raise(WORD_DURABLE, sequence.0);
    }

    pub(crate) fn is_poisoned(&self, generation: Generation) -> bool {
        self.get(WORD_POISONED) == generation.0
    }

    /// The same of this one, or of one after it.
    pub(crate) fn was_poisoned_since(&self, generation: Generation) -> bool {
        self.get(WORD_POISONED) >= generation.0
    }

    pub(crate) fn poison(&self, generation: Generation) {
        self.raise(WORD_POISONED, generation.0);
    }
}
