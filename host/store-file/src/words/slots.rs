//! Where those who wait for the board's lock post what they want, for the one that holds it to serve.
//!
//! The slots live in `index/slots`, a file that every process maps, made together with the shared words. A slot is a
//! state, a header, and room for a request and then for its answer.
//!
//! | state | meaning | who moves it on |
//! | --- | --- | --- |
//! | 0 | free | a poster |
//! | 1 | being written | its poster |
//! | 2 | posted | its poster takes it back, or the lock's holder takes it |
//! | 3 | taken: it is being decided | its poster takes it back, or the lock's holder |
//! | 8 | staged: it was decided, and this is the answer if it comes to be | its poster takes it back, or the lock's holder |
//! | 4 | its entry is being appended | the lock's holder |
//! | 5 | answered: its entry is in the journal | its poster |
//! | 6 | declined | its poster |
//! | 7 | posted, and called: the lock is free | as 2; its poster, before it tries the lock, makes it 2 |
//!
//! Beside the state stands a ticket, which every poster raises, so that who was stopped for long finds that the slot isn't
//! its own any more.
//!
//! Invariants: an entry is appended only between states 4 and 5, and nobody comes from 8 to 4 who was taken back; so who
//! has taken back its posting knows that nothing was done, and who finds 4 when nobody holds the lock looks into the
//! journal: if the entry is there, what stands in the slot is the answer. What a slot says is believed only if its checksum is right: whoever writes to one that isn't its own any more
//! spoils what is in it, and nothing else; and what was posted in another boot, or on another board, has another one. What
//! was posted long ago is left to its poster, who is dead.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant as Deadline;

use rustix::thread::futex::{self, Flags};
use taskhost_board::{Generation, Sequence};

use super::MappedWords;
use super::turn::{PATIENCE, timeout_until};

/// How many may wait with something posted; more wait for the lock itself.
const SLOTS: usize = 64;
/// How many words a slot's header has: a line of the processor's cache.
const HEADER_WORDS: usize = 8;
/// How many words a slot has for what is said in it.
const CONTENT_WORDS: usize = 1024;
/// How many words there are.
pub(crate) const SLOTS_WORDS: usize = SLOTS * (HEADER_WORDS + CONTENT_WORDS);
/// After how long a slot that isn't free is a dead process's, in milliseconds: nobody stays in one for so long.
const LEFT_AFTER_MS: u64 = 10_000;
/// After how long what was posted isn't served any more, in milliseconds: nobody waits with it for so long. The longer it
/// is, the later something is claimed for one that was killed while it waited.
const POSTED_MS_MAX: u64 = 2 * PATIENCE.as_millis() as u64;

const FREE: u32 = 0;
const WRITING: u32 = 1;
const POSTED: u32 = 2;
const TAKEN: u32 = 3;
const APPENDING: u32 = 4;
const ANSWERED: u32 = 5;
const DECLINED: u32 = 6;
const CALLED: u32 = 7;
const STAGED: u32 = 8;
/// The state is in these bits, the ticket in those above.
const STATE_BITS: u32 = 4;

/// A slot's header, word by word; the first one is state and ticket.
const WORD_SINCE: usize = 1;
const WORD_LENGTH: usize = 2;
const WORD_SUM: usize = 3;
const WORD_SEQUENCE: usize = 4;
const WORD_GENERATION: usize = 5;

/// A slot's state with a ticket.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Standing(u32);

impl Standing {
    fn state(self) -> u32 {
        self.0 & ((1 << STATE_BITS) - 1)
    }

    fn with(self, state: u32) -> Self {
        Self(self.0 - self.state() + state)
    }

    /// The same state of the next poster.
    fn next(self) -> Self {
        Self(self.0.wrapping_add(1 << STATE_BITS))
    }
}

/// The slots of a board.
pub(crate) struct Slots {
    words: MappedWords,
    /// That of the shared words.
    home: u64,
}

/// What came of a posting so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing, or it is being decided.
    Open,
    /// Its entry is being appended, or was.
    Appending,
    /// It was served.
    Answered(Answer),
    /// Its poster is to do it.
    Declined,
    /// The slot was taken for a dead process's, and is somebody else's now.
    Lost,
}

/// The answer to a posting.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Where its entry stands.
    pub(crate) generation: Generation,
    /// Its entry's number.
    pub(crate) sequence: Sequence,
    /// What was answered.
    pub(crate) content: Vec<u8>,
}

/// Something that was posted. Dropping it takes it back, if it still can be.
pub(crate) struct Posted {
    slots: Arc<Slots>,
    slot: usize,
    /// As it was posted.
    posted: Standing,
}

/// A posting that the lock's holder has taken.
pub(crate) struct Taken {
    slots: Arc<Slots>,
    slot: usize,
    taken: Standing,
    pub(crate) request: Vec<u8>,
}

impl Slots {
    pub(crate) fn new(words: MappedWords, home: u64) -> Self {
        Self { words, home }
    }

    fn state(&self, slot: usize) -> &AtomicU32 {
        self.words.half(slot * HEADER_WORDS)
    }

    fn standing(&self, slot: usize) -> Standing {
        Standing(self.state(slot).load(SeqCst))
    }

    fn change(&self, slot: usize, from: Standing, to: Standing) -> bool {
        self.state(slot).compare_exchange(from.0, to.0, SeqCst, SeqCst).is_ok()
    }

    fn header(&self, slot: usize, word: usize) -> u64 {
        self.words.word(slot * HEADER_WORDS + word).load(Relaxed)
    }

    fn set_header(&self, slot: usize, word: usize, value: u64) {
        self.words.word(slot * HEADER_WORDS + word).store(value, Relaxed);
    }

    fn content(slot: usize) -> usize {
        SLOTS * HEADER_WORDS + slot * CONTENT_WORDS
    }

    /// Whether so many bytes can be said in a slot.
    pub(crate) fn has_room_for(bytes: usize) -> bool {
        bytes <= CONTENT_WORDS * 8
    }

    fn write(&self, slot: usize, holder: Standing, content: &[u8]) {
        for (number, bytes) in content.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            self.words.word(Self::content(slot) + number).store(u64::from_ne_bytes(word), Relaxed);
        }
        self.set_header(slot, WORD_LENGTH, content.len() as u64);
        self.set_header(slot, WORD_SUM, self.sum(slot, holder, content));
    }

    /// What is said in a slot, if it was written whole by the holder of this ticket.
    fn read(&self, slot: usize, holder: Standing) -> Option<Vec<u8>> {
        let length = usize::try_from(self.header(slot, WORD_LENGTH)).ok()?;
        if !Self::has_room_for(length) {
            return None;
        }
        let words = (0..length.div_ceil(8)).map(|number| Self::content(slot) + number);
        let mut content: Vec<u8> =
            words.flat_map(|at| self.words.word(at).load(Relaxed).to_ne_bytes()).collect();
        content.truncate(length);
        (self.header(slot, WORD_SUM) == self.sum(slot, holder, &content)).then_some(content)
    }

    /// It need not be the same from one version of taskhost to another: who reads another sum does it by itself.
    fn sum(&self, slot: usize, holder: Standing, content: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.home, holder.0 >> STATE_BITS, content).hash(&mut hasher);
        [WORD_SEQUENCE, WORD_GENERATION].map(|word| self.header(slot, word)).hash(&mut hasher);
        hasher.finish()
    }

    /// Posts a request, if there is a free slot for it. `first` is where to look first, so that not all look at the same.
    pub(crate) fn post(
        self: &Arc<Self>,
        request: &[u8],
        first: usize,
        now_ms: u64,
    ) -> Option<Posted> {
        if !Self::has_room_for(request.len()) {
            return None;
        }
        let (slot, writing) = (0..SLOTS).find_map(|number| {
            let slot = first.wrapping_add(number) % SLOTS;
            let free = self.standing(slot);
            let writing = free.with(WRITING).next();
            (free.state() == FREE && self.change(slot, free, writing)).then_some((slot, writing))
        })?;
        self.set_header(slot, WORD_SINCE, now_ms);
        self.write(slot, writing, request);
        let posted = writing.with(POSTED);
        self.change(slot, writing, posted).then(|| Posted { slots: self.clone(), slot, posted })
    }

    /// Takes something that was posted, in the order of slots from `next` on and around. Only under the board's lock.
    pub(crate) fn take(self: &Arc<Self>, next: &mut usize, now_ms: u64) -> Option<Taken> {
        for _ in 0..SLOTS {
            let slot = *next % SLOTS;
            *next = slot + 1;
            let posted = self.standing(slot);
            let taken = posted.with(TAKEN);
            if ![POSTED, CALLED].contains(&posted.state()) || !self.change(slot, posted, taken) {
                continue;
            }
            // One that was posted since this transaction began is younger than it.
            let is_old = now_ms.abs_diff(self.header(slot, WORD_SINCE)) > POSTED_MS_MAX;
            let request = self.read(slot, taken).filter(|_| !is_old);
            let taken = Taken { slots: self.clone(), slot, taken, request: Vec::new() };
            match request {
                Some(request) => return Some(Taken { request, ..taken }),
                None => taken.decline(),
            }
        }
        None
    }

    /// Calls one whose posting nobody has taken, now that the lock is free.
    pub(crate) fn call_one(&self) {
        let called = (0..SLOTS).find(|slot| {
            let posted = self.standing(*slot);
            posted.state() == POSTED && self.change(*slot, posted, posted.with(CALLED))
        });
        if let Some(slot) = called {
            self.wake(slot);
        }
    }

    fn wake(&self, slot: usize) {
        // All that sleep there, for one that has lost its slot may sleep there still. Who wasn't woken looks by itself
        // before long.
        let _ = futex::wake(self.state(slot), Flags::empty(), i32::MAX as u32);
    }

    /// Writes to a slot as one does whose slot it isn't any more.
    #[cfg(test)]
    pub(crate) fn spoil(&self, slot: usize) {
        self.words.word(Self::content(slot)).store(u64::MAX, Relaxed);
    }

    /// How many postings wait.
    #[cfg(test)]
    pub(crate) fn count_posted(&self) -> usize {
        (0..SLOTS).filter(|slot| self.standing(*slot).state() == POSTED).count()
    }

    /// Frees what dead processes have left. Only under the board's lock.
    pub(crate) fn sweep(&self, now_ms: u64) {
        for slot in 0..SLOTS {
            let left = self.standing(slot);
            let since = self.header(slot, WORD_SINCE);
            // What was posted since this transaction began is younger than it.
            let is_old = now_ms.abs_diff(since) > LEFT_AFTER_MS;
            if left.state() != FREE && is_old && self.change(slot, left, left.with(FREE).next()) {
                self.wake(slot);
            }
        }
    }
}

impl Posted {
    /// What came of it so far.
    pub(crate) fn look(&self) -> Look {
        let standing = self.slots.standing(self.slot);
        if standing.with(POSTED) != self.posted {
            return Look::Lost;
        }
        match standing.state() {
            POSTED | CALLED | TAKEN | STAGED => Look::Open,
            APPENDING => Look::Appending,
            ANSWERED => self.answer(standing),
            DECLINED => Look::Declined,
            _ => Look::Lost,
        }
    }

    fn answer(&self, standing: Standing) -> Look {
        // Its entry is there, but where can't be told.
        self.staged(standing).map_or(Look::Appending, Look::Answered)
    }

    fn staged(&self, standing: Standing) -> Option<Answer> {
        let content = self.slots.read(self.slot, standing)?;
        Some(Answer {
            generation: Generation(self.slots.header(self.slot, WORD_GENERATION)),
            sequence: Sequence(self.slots.header(self.slot, WORD_SEQUENCE)),
            content,
        })
    }

    /// Says that a call was heard. Who is called after that doesn't fall asleep.
    pub(crate) fn hear(&self) {
        self.slots.change(self.slot, self.posted.with(CALLED), self.posted);
    }

    /// Sleeps until it is served or declined, until the lock is free, or until `deadline`; `false` if it was that.
    pub(crate) fn sleep(&self, deadline: Deadline) -> bool {
        let state = self.slots.state(self.slot);
        let Some(timeout) = timeout_until(deadline) else { return false };
        let standing = self.slots.standing(self.slot);
        // Serving it moves it on, and wakes nobody until it is served.
        if ![POSTED, TAKEN, STAGED, APPENDING].map(|at| self.posted.with(at)).contains(&standing) {
            return true;
        }
        let slept = futex::wait(state, Flags::empty(), standing.0, Some(&timeout));
        slept != Err(rustix::io::Errno::TIMEDOUT)
    }

    /// Takes it back if nobody is at it.
    pub(crate) fn take_back_unless_taken(&self) -> bool {
        self.free_from(&[POSTED, CALLED, DECLINED])
    }

    /// Takes it back; `false` if it was served, or may have been.
    pub(crate) fn take_back(&self) -> bool {
        // In the order in which it is moved on, so that it can't be missed.
        self.free_from(&[POSTED, CALLED, POSTED, TAKEN, STAGED, DECLINED])
    }

    fn free_from(&self, states: &[u32]) -> bool {
        let free = self.posted.with(FREE);
        states.iter().any(|state| self.slots.change(self.slot, self.posted.with(*state), free))
    }

    /// Gives the slot up, whatever became of it; says what it is answered if its entry is in the journal. Only under the
    /// board's lock.
    pub(crate) fn leave(&self) -> Option<Answer> {
        let standing = self.slots.standing(self.slot);
        if standing.with(POSTED) != self.posted {
            return None;
        }
        // Before it was decided, what stands there is what was posted.
        let is_decided = [STAGED, APPENDING, ANSWERED].contains(&standing.state());
        let answer = self.staged(standing).filter(|_| is_decided);
        self.slots.change(self.slot, standing, standing.with(FREE));
        answer
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        if !self.take_back() {
            self.free_from(&[ANSWERED]);
        }
    }
}

impl Taken {
    /// Says what was decided; `false` if it was taken back.
    pub(crate) fn stage(&self, generation: Generation, sequence: Sequence, answer: &[u8]) -> bool {
        self.slots.set_header(self.slot, WORD_GENERATION, generation.0);
        self.slots.set_header(self.slot, WORD_SEQUENCE, sequence.0);
        self.slots.write(self.slot, self.taken, answer);
        self.slots.change(self.slot, self.taken, self.taken.with(STAGED))
    }

    /// Says that its entry is about to be appended; `false` if it was taken back.
    pub(crate) fn begin_appending(&self) -> bool {
        self.slots.change(self.slot, self.taken.with(STAGED), self.taken.with(APPENDING))
    }

    /// Answers it, now that its entry stands in the journal. Whoever waits for it is woken by [`Taken::wake`].
    pub(crate) fn answer(&self) {
        let appending = self.taken.with(APPENDING);
        self.slots.change(self.slot, appending, appending.with(ANSWERED));
    }

    /// Leaves it to its poster, before anything of it was appended.
    pub(crate) fn decline(&self) {
        let declined = self.taken.with(DECLINED);
        for state in [TAKEN, STAGED, APPENDING] {
            self.slots.change(self.slot, self.taken.with(state), declined);
        }
        self.wake();
    }

    /// Wakes its poster.
    pub(crate) fn wake(&self) {
        self.slots.wake(self.slot);
    }
}
