//! What a power failure may leave of a disk.
//!
//! - [`World::survivors`], [`World::states`]: every state that is possible now, or as many as a [`Breadth`] says.
//! - [`Survivor`]: one of them. `content` says what may become of a file, `names` of a directory's entries.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use taskhost_board::{BootId, Millis};

use super::content::Fate;
use super::dice::Dice;
use super::disk::apply;
use super::leftover::Leftover;
use super::names::{Kept, kept_sets, plain};
use super::{State, World};

/// What a power failure left.
#[derive(Debug, Clone)]
pub struct Survivor {
    /// What happened to what wasn't synced, for people.
    pub what: String,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// The inodes of these files: another boot finds them under the same numbers.
    pub(super) numbers: BTreeMap<String, u64>,
    pub(super) directories: BTreeSet<String>,
    pub(super) boot: BootId,
    pub(super) wall: Millis,
    pub(super) leftover: Leftover,
    /// Where what is drawn by lot for this state begins.
    seed: u64,
}

impl Survivor {
    /// What is drawn by lot for this state, always the same.
    pub(super) fn dice(&self, purpose: &str) -> Dice {
        Dice::new(self.seed ^ self.fingerprint(), purpose)
    }

    /// Its files.
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    /// The same for the same files with the same content.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let files = self.files.iter().map(|(name, content)| (plain(name), content));
        files.collect::<BTreeMap<_, _>>().hash(&mut hasher);
        self.directories.hash(&mut hasher);
        hasher.finish()
    }
}

/// How many of the possible states are looked at.
#[derive(Debug, Clone)]
pub struct Breadth {
    /// Up to so many combinations are gone through completely.
    pub complete_max: usize,
    /// Where they are more, so many are drawn by lot, besides those that are extreme in some way.
    pub sampled: usize,
    /// Never more than so many in all; those with everything or nothing kept are always among them.
    pub most: usize,
    /// What is drawn by lot depends on nothing else.
    pub seed: u64,
}

impl Default for Breadth {
    fn default() -> Self {
        Self { complete_max: 64, sampled: 16, most: 128, seed: 1 }
    }
}

/// What may become of everything that isn't certain.
struct Possible {
    names: Vec<Kept>,
    /// By inode: what may become of each file, first that all was lost, then that all was kept.
    files: Vec<(u64, Vec<Fate>)>,
}

/// One of the possibilities: which set of names, and which fate of each file.
type Pick = (usize, Vec<usize>);

impl World {
    /// The states that a power failure may leave now: all if they are few.
    pub fn survivors(&self) -> Vec<Survivor> {
        self.states(&Breadth::default())
    }

    /// The same, as many as `breadth` says; always in the same order.
    pub fn states(&self, breadth: &Breadth) -> Vec<Survivor> {
        let state = self.state.lock();
        let mut dice = Dice::new(breadth.seed, "states of a disk");
        let possible = state.possible(breadth, &mut dice);
        let mut survivors = Vec::new();
        let mut seen = BTreeSet::new();
        for pick in possible.picks(breadth, &mut dice) {
            let survivor = state.survivor(&possible, &pick, breadth.seed);
            if seen.insert((survivor.files.clone(), survivor.directories.clone())) {
                survivors.push(survivor);
            }
        }
        survivors
    }
}

impl State {
    fn possible(&self, breadth: &Breadth, dice: &mut Dice) -> Possible {
        let names = kept_sets(&self.pending, breadth, dice);
        // A file without a name that may survive is gone, whatever is in it.
        let moved = self.pending.iter().filter_map(|pending| match &pending.change {
            super::NameChange::Made { inode, .. } | super::NameChange::Moved { inode, .. } => {
                Some(*inode)
            }
            _ => None,
        });
        let named: BTreeSet<u64> = self.durable_names.values().copied().chain(moved).collect();
        let fates = |inode: u64| Some((inode, self.inodes.get(&inode)?.fates(breadth, dice)));
        let files = named.into_iter().filter_map(fates).collect();
        Possible { names, files }
    }

    fn survivor(&self, possible: &Possible, (names, fates): &Pick, seed: u64) -> Survivor {
        let kept = &possible.names[*names];
        let (mut names, mut directories) =
            (self.durable_names.clone(), self.durable_directories.clone());
        let mut what = Vec::new();
        for (pending, is_kept) in self.pending.iter().zip(kept) {
            if *is_kept {
                apply(&pending.change, &mut names, &mut directories);
            } else {
                what.push(format!("{} lost", pending.change.describe()));
            }
        }
        names.retain(|name, _| has_directory(name, &directories));
        let mut contents = BTreeMap::new();
        for ((inode, possible), fate) in possible.files.iter().zip(fates) {
            contents.insert(*inode, &possible[*fate]);
        }
        let mut files = BTreeMap::new();
        for (name, inode) in &names {
            let fate = contents.get(inode);
            if let Some(fate) = fate.filter(|fate| !fate.what.is_empty()) {
                what.push(format!("`{}`: {}", plain(name), fate.what));
            }
            files.insert(name.clone(), fate.map(|fate| fate.content.clone()).unwrap_or_default());
        }
        Survivor {
            what: if what.is_empty() { "everything kept".into() } else { what.join("; ") },
            files,
            numbers: names,
            directories,
            boot: self.clock.boot.clone(),
            wall: self.clock.wall,
            leftover: self.leftover(),
            seed,
        }
    }
}

/// Whether every directory above is there.
fn has_directory(name: &str, directories: &BTreeSet<String>) -> bool {
    match crate::disk::parent(name) {
        "." => true,
        above => directories.contains(above) && has_directory(above, directories),
    }
}

impl Possible {
    fn count(&self) -> usize {
        let counts = self.files.iter().map(|(_, fates)| fates.len());
        counts.fold(self.names.len(), usize::saturating_mul)
    }

    fn picks(&self, breadth: &Breadth, dice: &mut Dice) -> Vec<Pick> {
        let mut picks = if self.count() <= breadth.complete_max {
            self.every_pick()
        } else {
            self.some_picks(breadth, dice)
        };
        // The corners come first, and of the others any may go.
        let corners = self.corners().len().min(picks.len());
        while picks.len() > breadth.most.max(corners) {
            let at = corners + dice.below(picks.len() - corners);
            picks.swap_remove(at);
        }
        picks
    }

    fn every_pick(&self) -> Vec<Pick> {
        let mut picks: Vec<Pick> = (0..self.names.len()).map(|names| (names, vec![])).collect();
        for (_, fates) in &self.files {
            let longer = picks.iter().flat_map(|(names, before)| {
                (0..fates.len()).map(|fate| (*names, [&before[..], &[fate]].concat()))
            });
            picks = longer.collect();
        }
        let mut all = self.corners();
        all.extend(picks);
        all
    }

    /// Every name kept or none, with all content kept or none.
    fn corners(&self) -> Vec<Pick> {
        let (none, all) = self.outer_names();
        let mut corners = Vec::new();
        for names in [all, none] {
            for is_kept in [true, false] {
                corners.push((names, self.contents(is_kept)));
            }
        }
        corners
    }

    fn outer_names(&self) -> (usize, usize) {
        let find = |value| self.names.iter().position(|set| set.iter().all(|kept| *kept == value));
        (find(false).unwrap_or_default(), find(true).unwrap_or_default())
    }

    fn contents(&self, is_kept: bool) -> Vec<usize> {
        // The first fate is that all was lost, the second that all was kept; where nothing is open there is one.
        let of = |(_, fates): &(u64, Vec<Fate>)| usize::from(is_kept && fates.len() > 1);
        self.files.iter().map(of).collect()
    }

    fn some_picks(&self, breadth: &Breadth, dice: &mut Dice) -> Vec<Pick> {
        let mut picks = self.corners();
        let (none, all) = self.outer_names();
        for names in 0..self.names.len() {
            for is_kept in [true, false] {
                picks.push((names, self.contents(is_kept)));
            }
        }
        for (at, (_, fates)) in self.files.iter().enumerate() {
            for fate in 0..fates.len() {
                for (names, is_kept) in [(all, true), (all, false), (none, true), (none, false)] {
                    let mut contents = self.contents(is_kept);
                    contents[at] = fate;
                    picks.push((names, contents));
                }
            }
        }
        for _ in 0..breadth.sampled {
            let names = dice.below(self.names.len());
            let contents = self.files.iter().map(|(_, fates)| dice.below(fates.len())).collect();
            picks.push((names, contents));
        }
        picks
    }
}
