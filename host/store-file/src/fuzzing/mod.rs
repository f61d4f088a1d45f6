//! What fuzzing does with everything that a board's files may say, in a simulated world.
//!
//! - [`journal`], [`snapshot`], [`transfer`]: a fuzzer's bytes as edits of a board's journals, of its snapshot and
//!   pointer, and of what another board exported.
//! - `sample` makes the boards that are edited, `edits` edits them, `verdict` says what must hold afterwards.
//!
//! Some edits leave checksums as they are, as accidents do; others make them right again (they are *forged*), since
//! otherwise the checksums would hide all that is behind them. What must hold:
//!
//! - whatever the files say, nothing panics, hangs or takes memory without bound, and what is refused is refused with
//!   its place;
//! - without forgery no entry ever says what nobody wrote, and no entry is lost silently;
//! - the doctor says the same twice and changes nothing; what a repair leaves opens and is clean; what opens takes a
//!   further change; what is exported can be imported.

mod edits;
mod sample;
#[cfg(test)]
mod tests;
mod verdict;

use taskhost_mutate::Choices;

use sample::{other, sample};

/// How many edits an input makes at most: more say nothing new and take long.
const EDITS_MAX: usize = 8;

/// Edits a board's journals and looks what becomes of it.
pub fn journal(data: &[u8]) {
    let sample = sample();
    let mut files = sample.files.clone();
    let forged = edited(data, |choices| edits::journal(&mut files, sample, other(), choices));
    verdict::of(sample, files, forged);
}

/// Edits a board's snapshot, its pointer and what lies beside them, and looks what becomes of it.
pub fn snapshot(data: &[u8]) {
    let sample = sample();
    let mut files = sample.files.clone();
    let forged = edited(data, |choices| edits::snapshot(&mut files, sample, other(), choices));
    verdict::of(sample, files, forged);
}

/// Edits what a board exported, and looks what becomes of it where it is imported.
pub fn transfer(data: &[u8]) {
    let mut stream = sample().stream.clone();
    let forged = edited(data, |choices| edits::transfer(&mut stream, other(), choices));
    verdict::of_import(sample(), &stream, forged);
}

/// A board's files, by their paths.
type Files = std::collections::BTreeMap<String, Vec<u8>>;

/// Makes the edits that an input stands for; says whether one of them forged a checksum, or whatever else keeps the
/// change from being noticed.
fn edited(data: &[u8], mut edit: impl FnMut(&mut Choices<'_>) -> bool) -> bool {
    let mut choices = Choices::new(data);
    let mut forged = false;
    for _ in 0..EDITS_MAX {
        if choices.is_done() {
            break;
        }
        forged |= edit(&mut choices);
    }
    forged
}
