//! The content of a simulated file: as processes see it, as it was synced, and everything that a power failure may
//! leave of what wasn't.
//!
//! - [`Inode`]: a file. It remembers every content that it had since it was last synced.
//! - [`Inode::fates`]: the contents that may survive, each with what happened to get there.
//!
//! Between two syncs the kernel writes blocks out when and in which order it likes. So of each block of
//! [`BLOCK_BYTES`] any version since the last sync may be on the disk, or the one before it, or one that was half
//! written; the length may be any that the file had, or, while it grew, end at any block; and what the length covers
//! and nobody wrote reads as zeros.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::dice::Dice;
use super::survive::Breadth;
use crate::disk::Hold;

/// How much is written to the disk at once: small, so that a line spans several.
const BLOCK_BYTES: usize = 256;

/// A file of a simulated disk.
#[derive(Default)]
pub(super) struct Inode {
    /// The content as processes see it.
    pub(super) now: Vec<u8>,
    /// The content as it was synced.
    durable: Vec<u8>,
    /// What it was since then, oldest first; the last one is `now`. Empty if nothing was changed.
    versions: Vec<Vec<u8>>,
    /// What a failed sync lost: it looks written, and never will be.
    lost: Vec<Range<usize>>,
    /// A failed sync lost that the file was cut.
    is_cut_lost: bool,
    /// Who holds its lock.
    pub(super) holders: BTreeMap<u64, Hold>,
}

/// A content that may survive.
#[derive(Debug, Clone)]
pub(super) struct Fate {
    /// What became of what wasn't synced; empty if all of it was kept.
    pub(super) what: String,
    pub(super) content: Vec<u8>,
}

/// A block that isn't certain, with everything it may hold: as it was synced, torn, in between, as it is now.
struct Block {
    number: usize,
    choices: Vec<(&'static str, Vec<u8>)>,
}

/// One combination: a length, and which choice of each block.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Pick {
    length: usize,
    choices: Vec<usize>,
}

impl Inode {
    /// One that holds this, durably.
    pub(super) fn settled(content: Vec<u8>) -> Self {
        Self { now: content.clone(), durable: content, ..Self::default() }
    }

    /// The same without the locks, whose holders don't exist in another world.
    pub(super) fn copy(&self) -> Self {
        Self {
            now: self.now.clone(),
            durable: self.durable.clone(),
            versions: self.versions.clone(),
            lost: self.lost.clone(),
            is_cut_lost: self.is_cut_lost,
            holders: BTreeMap::new(),
        }
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.now.extend_from_slice(bytes);
        self.versions.push(self.now.clone());
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.now.resize(length, 0);
        for range in &mut self.lost {
            range.end = range.end.min(length);
        }
        self.lost.retain(|range| range.start < range.end);
        self.versions.push(self.now.clone());
    }

    /// A sync that succeeds: all that can still be written is.
    pub(super) fn sync(&mut self) {
        self.durable = self.kept();
        self.versions.clear();
    }

    /// A sync that fails: what it should have written counts as written from now on, and isn't.
    pub(super) fn lose_sync(&mut self) {
        let differs = |at: &usize| self.durable.get(*at) != self.now.get(*at);
        let changed = (0..self.now.len()).filter(differs);
        let span = changed.fold(None, |span: Option<Range<usize>>, at| {
            Some(span.map_or(at, |span| span.start)..at + 1)
        });
        self.lost.extend(span);
        self.is_cut_lost |= self.now.len() < self.durable.len();
        self.versions.clear();
    }

    /// Whether a failed sync lost something of it.
    pub(super) fn has_lost(&self) -> bool {
        self.is_cut_lost || !self.lost.is_empty()
    }

    /// The pages that a failed sync lost are dropped, since they count as clean, and read again from the disk.
    pub(super) fn evict(&mut self) {
        if !self.has_lost() {
            return;
        }
        self.versions = self.versions.iter().map(|version| self.on_disk(version)).collect();
        self.now = self.kept();
        if !self.versions.is_empty() || self.now != self.durable {
            // Its length may still be lost.
            self.versions.push(self.now.clone());
        }
        self.lost.clear();
        self.is_cut_lost = false;
    }

    /// The content if everything reaches the disk that still can.
    pub(super) fn kept(&self) -> Vec<u8> {
        self.on_disk(&self.now)
    }

    /// What the disk has of a version of which every block was written that can be.
    fn on_disk(&self, version: &[u8]) -> Vec<u8> {
        let mut content = version.to_vec();
        for range in &self.lost {
            for at in range.start..range.end.min(content.len()) {
                content[at] = self.durable.get(at).copied().unwrap_or_default();
            }
        }
        if self.is_cut_lost
            && let Some(tail) = self.durable.get(content.len()..)
        {
            content.extend_from_slice(tail);
        }
        content
    }

    /// Everything that may survive, without repeats: first what was synced and nothing else, then all of it, then
    /// what lies between. All combinations if they are few; else those of which each is extreme in some way, and some
    /// more by lot.
    pub(super) fn fates(&self, breadth: &Breadth, dice: &mut Dice) -> Vec<Fate> {
        let versions: Vec<Vec<u8>> = self.versions.iter().map(|it| self.on_disk(it)).collect();
        let kept = self.kept();
        let lost = Fate { what: "all lost".into(), content: self.durable.clone() };
        if versions.iter().chain([&kept]).all(|version| *version == self.durable) {
            return vec![Fate { what: String::new(), ..lost }];
        }
        let lengths = lengths(&self.durable, &versions);
        let blocks = blocks(&self.durable, &versions, &lengths);
        let picks = if combinations(&lengths, &blocks) <= breadth.complete_max {
            every_pick(&lengths, &blocks)
        } else {
            some_picks(&lengths, &blocks, breadth, dice)
        };
        let mut fates = vec![lost, Fate { what: String::new(), content: kept }];
        let mut seen: BTreeSet<Vec<u8>> = fates.iter().map(|fate| fate.content.clone()).collect();
        for pick in picks {
            let content = pick.content(&self.durable, &blocks);
            if seen.insert(content.clone()) {
                let what = pick.describe(self.now.len(), &blocks);
                fates.push(Fate { what, content });
            }
        }
        fates
    }
}

/// Every length that the file may have.
fn lengths(durable: &[u8], versions: &[Vec<u8>]) -> Vec<usize> {
    let mut lengths = BTreeSet::from([durable.len()]);
    let mut before = durable.len();
    for version in versions {
        let first = before / BLOCK_BYTES + 1;
        let grown = (first..).map(|block| block * BLOCK_BYTES);
        lengths.extend(grown.take_while(|end| *end < version.len()));
        lengths.insert(version.len());
        before = version.len();
    }
    lengths.into_iter().collect()
}

/// The block of this number, as long as a block is.
fn block_of(content: &[u8], number: usize) -> Vec<u8> {
    let mut block: Vec<u8> =
        content.iter().skip(number * BLOCK_BYTES).take(BLOCK_BYTES).copied().collect();
    block.resize(BLOCK_BYTES, 0);
    block
}

fn blocks(durable: &[u8], versions: &[Vec<u8>], lengths: &[usize]) -> Vec<Block> {
    let longest = lengths.last().copied().unwrap_or_default();
    let mut blocks = Vec::new();
    for number in 0..longest.div_ceil(BLOCK_BYTES) {
        let old = block_of(durable, number);
        let mut choices = vec![("lost", old.clone())];
        let mut seen = BTreeSet::from([old.clone()]);
        for (at, version) in versions.iter().enumerate() {
            let new = block_of(version, number);
            if seen.insert(new.clone()) {
                let torn = torn(&old, &new);
                if seen.insert(torn.clone()) {
                    choices.push(("torn", torn));
                }
                let is_last = at + 1 == versions.len();
                choices.push((if is_last { "kept" } else { "as it was in between" }, new));
            }
        }
        if choices.len() > 1 {
            blocks.push(Block { number, choices });
        }
    }
    blocks
}

/// A block of which half of what changed was written.
fn torn(old: &[u8], new: &[u8]) -> Vec<u8> {
    let differs = |at: &usize| old[*at] != new[*at];
    let first = (0..old.len()).find(differs).unwrap_or_default();
    let last = (0..old.len()).rev().find(differs).unwrap_or_default();
    let middle = first + (last - first).div_ceil(2);
    [&new[..middle], &old[middle..]].concat()
}

/// How many blocks matter for a length.
fn covered(blocks: &[Block], length: usize) -> usize {
    blocks.iter().take_while(|block| block.number * BLOCK_BYTES < length).count()
}

fn combinations(lengths: &[usize], blocks: &[Block]) -> usize {
    let of = |length: &usize| {
        let counts = blocks[..covered(blocks, *length)].iter().map(|block| block.choices.len());
        counts.fold(1_usize, usize::saturating_mul)
    };
    lengths.iter().map(of).fold(0, usize::saturating_add)
}

fn every_pick(lengths: &[usize], blocks: &[Block]) -> Vec<Pick> {
    let mut picks = Vec::new();
    for length in lengths {
        let mut of_length = vec![Vec::new()];
        for block in &blocks[..covered(blocks, *length)] {
            let longer = of_length.iter().flat_map(|before: &Vec<usize>| {
                (0..block.choices.len()).map(|choice| [&before[..], &[choice]].concat())
            });
            of_length = longer.collect();
        }
        picks.extend(of_length.into_iter().map(|choices| Pick { length: *length, choices }));
    }
    picks
}

fn some_picks(
    lengths: &[usize],
    blocks: &[Block],
    breadth: &Breadth,
    dice: &mut Dice,
) -> Vec<Pick> {
    let mut picks = BTreeSet::new();
    for length in lengths {
        let blocks = &blocks[..covered(blocks, *length)];
        let kept: Vec<usize> = blocks.iter().map(|block| block.choices.len() - 1).collect();
        let mut add = |choices: Vec<usize>| picks.insert(Pick { length: *length, choices });
        add(kept.clone());
        add(vec![0; kept.len()]);
        for at in 0..kept.len() {
            let (mut without, mut alone, mut prefix) =
                (kept.clone(), vec![0; kept.len()], kept.clone());
            without[at] = 0;
            alone[at] = kept[at];
            prefix[at..].fill(0);
            for choices in [without, alone, prefix] {
                add(choices);
            }
        }
    }
    let mut picks: Vec<Pick> = picks.into_iter().collect();
    for _ in 0..breadth.sampled {
        let length = lengths[dice.below(lengths.len())];
        let blocks = &blocks[..covered(blocks, length)];
        let choices = blocks.iter().map(|block| dice.below(block.choices.len())).collect();
        picks.push(Pick { length, choices });
    }
    picks
}

impl Pick {
    fn content(&self, durable: &[u8], blocks: &[Block]) -> Vec<u8> {
        let mut content = durable.to_vec();
        content.resize(self.length, 0);
        for (block, choice) in blocks.iter().zip(&self.choices) {
            let start = block.number * BLOCK_BYTES;
            let end = (start + BLOCK_BYTES).min(self.length);
            content[start..end].copy_from_slice(&block.choices[*choice].1[..end - start]);
        }
        content
    }

    fn describe(&self, now: usize, blocks: &[Block]) -> String {
        let mut parts = Vec::new();
        if self.length != now {
            parts.push(format!("{} of {now} bytes long", self.length));
        }
        for (block, choice) in blocks.iter().zip(&self.choices) {
            if *choice + 1 < block.choices.len() {
                parts.push(format!("block {} {}", block.number, block.choices[*choice].0));
            }
        }
        parts.join(", ")
    }
}
