//! Which changes of names a power failure may leave.
//!
//! - [`kept_sets`]: which of the changes that aren't durable yet may survive together.
//!
//! Changes of different names are independent of each other, whatever their order was; those of the same name happened
//! in their order, and so does a change in a directory after the directory was made.

use std::collections::BTreeSet;

use super::dice::Dice;
use super::survive::Breadth;
use super::{NameChange, PendingName};
use crate::disk::parent;

/// Which of the pending changes are kept.
pub(super) type Kept = Vec<bool>;

impl NameChange {
    /// The names that it changes.
    pub(super) fn touches(&self) -> Vec<&str> {
        match self {
            Self::Made { name, .. } | Self::MadeDirectory { name } | Self::Removed { name } => {
                vec![name]
            }
            Self::Moved { from, to, .. } => vec![from, to],
        }
    }

    /// What must be there before it.
    fn needs(&self) -> Vec<&str> {
        let touched = self.touches();
        let above: Vec<&str> = touched.iter().map(|name| parent(name)).collect();
        [touched, above].concat()
    }

    /// What it is, for people. The names of temporary files are made up anew each time.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Made { name, .. } => format!("making `{}`", plain(name)),
            Self::MadeDirectory { name } => format!("making directory `{name}`"),
            Self::Moved { from, to, .. } => {
                format!("renaming `{}` to `{}`", plain(from), plain(to))
            }
            Self::Removed { name } => format!("removing `{}`", plain(name)),
        }
    }
}

/// A name without what is random in it.
pub(super) fn plain(name: &str) -> String {
    let (directory, file) = name.rsplit_once('/').map_or(("", name), |(before, it)| (before, it));
    let slash = if directory.is_empty() { "" } else { "/" };
    match file.strip_prefix(crate::disk::TEMPORARY).and_then(|rest| rest.split_once('-')) {
        Some((_, of)) => format!("{directory}{slash}the temporary {of}"),
        None => name.to_owned(),
    }
}

/// For each change, which earlier ones it can't do without.
pub(super) fn dependencies(pending: &[PendingName]) -> Vec<Vec<usize>> {
    let of = |at: usize| {
        let needs = pending[at].change.needs();
        let is_needed = |before: &usize| {
            pending[*before].change.touches().iter().any(|name| needs.contains(name))
        };
        (0..at).filter(is_needed).collect()
    };
    (0..pending.len()).map(of).collect()
}

/// Every combination if they are few; else none, all, each prefix, each alone, all but each, and some by lot.
pub(super) fn kept_sets(pending: &[PendingName], breadth: &Breadth, dice: &mut Dice) -> Vec<Kept> {
    let dependencies = dependencies(pending);
    if let Some(all) = every_set(&dependencies, breadth.complete_max) {
        return all;
    }
    let count = pending.len();
    let mut wanted: Vec<Kept> = vec![vec![false; count], vec![true; count]];
    for at in 0..count {
        wanted.push((0..count).map(|other| other <= at).collect());
        wanted.push((0..count).map(|other| other == at).collect());
    }
    for _ in 0..breadth.sampled {
        wanted.push((0..count).map(|_| dice.below(2) == 0).collect());
    }
    let mut sets: BTreeSet<Kept> =
        wanted.into_iter().map(|wanted| with_needed(&wanted, &dependencies)).collect();
    for at in 0..count {
        sets.insert(without(at, &dependencies));
    }
    sets.into_iter().collect()
}

fn every_set(dependencies: &[Vec<usize>], most: usize) -> Option<Vec<Kept>> {
    let mut sets = vec![Kept::new()];
    for needs in dependencies {
        let mut longer = Vec::new();
        for set in sets {
            if needs.iter().all(|before| set[*before]) {
                longer.push([&set[..], &[true]].concat());
            }
            longer.push([&set[..], &[false]].concat());
        }
        if longer.len() > most {
            return None;
        }
        sets = longer;
    }
    Some(sets)
}

/// These, and what they can't do without.
pub(super) fn with_needed(wanted: &[bool], dependencies: &[Vec<usize>]) -> Kept {
    let mut kept = wanted.to_vec();
    for at in (0..kept.len()).rev() {
        if kept[at] {
            for before in &dependencies[at] {
                kept[*before] = true;
            }
        }
    }
    kept
}

/// All but this one, and but what can't do without it.
fn without(lost: usize, dependencies: &[Vec<usize>]) -> Kept {
    let mut kept = Kept::new();
    for (at, needs) in dependencies.iter().enumerate() {
        let is_kept = at != lost && needs.iter().all(|before| kept[*before]);
        kept.push(is_kept);
    }
    kept
}
