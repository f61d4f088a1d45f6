//! What ordinary tests do with a fuzz target: the corpus, and mutations of it.

use std::fs;
use std::path::{Path, PathBuf};

/// Runs `check` on every input in the corpus of `target`, then on `rounds` mutations of them, which are the same each
/// time. Says how many inputs there were in all.
///
/// # Panics
///
/// If the corpus can't be read, or `check` panics; then the input is printed, and can be put in the corpus.
pub fn replay(target: &str, rounds: u64, check: impl Fn(&[u8])) -> u64 {
    let seeds = corpus(target);
    let mut done = 0;
    let mut run = |what: &dyn std::fmt::Display, input: &[u8]| {
        let told = Told { what: format!("`{target}`, {what}"), input };
        check(input);
        std::mem::forget(told);
        done += 1;
    };
    for (path, input) in &seeds {
        run(&path.display(), input);
    }
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for round in 0..rounds {
        let mut input = seeds[dice.below(seeds.len())].1.clone();
        for _ in 0..=dice.below(4) {
            mutate(&mut input, &seeds, &mut dice);
        }
        run(&format_args!("mutation {round}"), &input);
    }
    done
}

/// Says which input it was if its check panics.
struct Told<'a> {
    what: String,
    input: &'a [u8],
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        eprintln!("the input was {}: {:?}", self.what, self.input);
    }
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).expect("every target has a corpus");
    let mut seeds: Vec<(PathBuf, Vec<u8>)> = files
        .map(|file| {
            let path = file.expect("the corpus can be listed").path();
            let input = fs::read(&path).expect("the corpus can be read");
            (path, input)
        })
        .collect();
    assert!(!seeds.is_empty(), "the corpus of `{target}` is empty");
    seeds.sort();
    seeds
}

fn mutate(input: &mut Vec<u8>, seeds: &[(PathBuf, Vec<u8>)], dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    match dice.below(5) {
        0 | 1 if at < input.len() => input[at] = dice.next() as u8,
        2 => {
            let some: Vec<u8> = (0..=dice.below(8)).map(|_| dice.next() as u8).collect();
            input.splice(at..at, some);
        }
        3 => {
            let end = (at + 1 + dice.below(8)).min(input.len());
            input.drain(at..end);
        }
        4 => {
            let other = &seeds[dice.below(seeds.len())].1;
            input.truncate(at);
            input.extend_from_slice(&other[dice.below(other.len() + 1)..]);
        }
        _ => {}
    }
}

/// Marsaglia's xorshift: all that is asked of it is to be the same everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, count: usize) -> usize {
        // A remainder of 64 bits fits whatever `count` does.
        (self.next() % count.max(1) as u64) as usize
    }
}
