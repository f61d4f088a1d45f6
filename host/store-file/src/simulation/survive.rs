//! What a power failure may leave of a disk.

use std::collections::{BTreeMap, BTreeSet};

use taskhost_board::{BootId, Millis};

use super::disk::apply;
use super::{Inode, World};

/// What a power failure left.
#[derive(Debug, Clone)]
pub struct Survivor {
    /// What happened to what wasn't synced, for people.
    pub what: String,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) directories: BTreeSet<String>,
    pub(super) boot: BootId,
    pub(super) wall: Millis,
}

impl Survivor {
    /// Its files.
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }
}

/// What happens to content that wasn't synced.
#[derive(Debug, Clone)]
enum Fate {
    AllLost,
    AllKept,
    /// This file's content becomes this; the others' is kept, or lost.
    Torn {
        inode: u64,
        how: String,
        content: Vec<u8>,
        others_kept: bool,
    },
}

impl World {
    /// Every state that a power failure may leave now: each prefix of the changes of names that aren't durable,
    /// with each fate of the content that isn't.
    pub fn survivors(&self) -> Vec<Survivor> {
        let state = self.state.lock();
        let mut fates = vec![Fate::AllKept];
        if state.inodes.values().any(|inode| inode.kept() != inode.durable) {
            fates.push(Fate::AllLost);
        }
        for (number, inode) in &state.inodes {
            for (how, content) in torn(inode) {
                for others_kept in [true, false] {
                    let (how, content) = (how.clone(), content.clone());
                    fates.push(Fate::Torn { inode: *number, how, content, others_kept });
                }
            }
        }
        let mut survivors = Vec::new();
        let mut seen = BTreeSet::new();
        for kept_names in 0..=state.pending.len() {
            let mut names = state.durable_names.clone();
            let mut directories = state.durable_directories.clone();
            for pending in &state.pending[..kept_names] {
                apply(&pending.change, &mut names, &mut directories);
            }
            names.retain(|name, _| match crate::disk::parent(name) {
                "." => true,
                directory => directories.contains(directory),
            });
            for fate in &fates {
                let content = |number: &u64| -> Vec<u8> {
                    let Some(inode) = state.inodes.get(number) else { return Vec::new() };
                    match fate {
                        Fate::Torn { inode: torn, content, .. } if torn == number => {
                            content.clone()
                        }
                        Fate::AllKept | Fate::Torn { others_kept: true, .. } => inode.kept(),
                        Fate::AllLost | Fate::Torn { others_kept: false, .. } => {
                            inode.durable.clone()
                        }
                    }
                };
                let files: BTreeMap<String, Vec<u8>> =
                    names.iter().map(|(name, inode)| (name.clone(), content(inode))).collect();
                if !seen.insert((files.clone(), directories.clone())) {
                    continue;
                }
                let what =
                    format!("{kept_names} of {} names kept, {}", state.pending.len(), fate.name());
                survivors.push(Survivor {
                    what,
                    files,
                    directories: directories.clone(),
                    boot: state.clock.boot.clone(),
                    wall: state.clock.wall,
                });
            }
        }
        survivors
    }
}

impl Fate {
    fn name(&self) -> String {
        match self {
            Self::AllLost => "unsynced content lost".into(),
            Self::AllKept => "unsynced content kept".into(),
            Self::Torn { how, others_kept, .. } => {
                format!("a file {how}, others {}", if *others_kept { "kept" } else { "lost" })
            }
        }
    }
}

/// The ways in which a file's unsynced content may be there in part.
fn torn(inode: &Inode) -> Vec<(String, Vec<u8>)> {
    let (kept, durable) = (inode.kept(), &inode.durable);
    if !kept.starts_with(durable) || kept.len() == durable.len() {
        return Vec::new();
    }
    let (start, end) = (durable.len(), kept.len());
    let mut cuts = BTreeSet::from([start + 1, start + (end - start) / 2, end - 1]);
    let line_ends: Vec<usize> =
        (start..end).filter(|at| kept[*at] == b'\n').map(|at| at + 1).collect();
    cuts.extend(line_ends.iter().filter(|at| **at < end));
    let mut ways: Vec<(String, Vec<u8>)> = cuts
        .into_iter()
        .filter(|cut| *cut > start && *cut < end)
        .map(|cut| {
            (format!("cut {} bytes after what was synced", cut - start), kept[..cut].to_vec())
        })
        .collect();
    // Its length reached the disk and its content didn't, at all or in some blocks: of several unsynced lines,
    // any may be missing.
    let mut zeros = kept.clone();
    zeros[start..].fill(0);
    ways.push(("with zeros".into(), zeros));
    let mut line_start = start;
    for line_end in line_ends {
        if line_end < end || line_start > start {
            let mut hole = kept.clone();
            hole[line_start..line_end].fill(0);
            ways.push((format!("with a hole at {line_start}"), hole));
        }
        line_start = line_end;
    }
    ways
}
