//! The recorder: everything that was written, synced and answered, in order.

use std::collections::HashMap;

use taskhost_board::Sequence;

use super::World;
use crate::format::line::OPENING;

/// Something that happened on the disk, or that somebody was told.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Appended { inode: u64, bytes: Vec<u8> },
    Truncated { inode: u64, length: usize },
    Synced { inode: u64, length: usize },
    Answered(Sequence),
}

/// A file as the recorder knows it.
#[derive(Default)]
struct Recorded {
    content: Vec<u8>,
    synced: usize,
}

impl Recorded {
    /// Where the line of this entry ends, if all of it is there.
    fn end_of(&self, sequence: Sequence) -> Option<usize> {
        let opening = [OPENING, format!("{sequence},").as_bytes()].concat();
        let mut end = 0;
        self.content.split_inclusive(|byte| *byte == b'\n').find_map(|line| {
            end += line.len();
            (line.starts_with(&opening) && line.ends_with(b"\n")).then_some(end)
        })
    }
}

impl World {
    /// Says that somebody was told that this entry is committed. Called by whoever drives the store.
    pub fn answered(&self, sequence: Sequence) {
        self.state.lock().record.push(Event::Answered(sequence));
    }

    /// The answers that came before their entry was appended and then synced.
    pub fn order_violations(&self) -> Vec<String> {
        let state = self.state.lock();
        let mut files: HashMap<u64, Recorded> = HashMap::new();
        let mut violations = Vec::new();
        for event in &state.record {
            match event {
                Event::Appended { inode, bytes } => {
                    files.entry(*inode).or_default().content.extend_from_slice(bytes);
                }
                Event::Truncated { inode, length } => {
                    let file = files.entry(*inode).or_default();
                    file.content.truncate(*length);
                    file.synced = file.synced.min(*length);
                }
                Event::Synced { inode, length } => {
                    files.entry(*inode).or_default().synced = *length
                }
                Event::Answered(sequence) => {
                    // A switch copies lines, so one may stand in several files.
                    let ends: Vec<_> = files
                        .values()
                        .filter_map(|file| Some((file, file.end_of(*sequence)?)))
                        .collect();
                    if ends.is_empty() {
                        violations
                            .push(format!("entry {sequence} was answered before it was appended"));
                    } else if !ends.iter().any(|(file, end)| file.synced >= *end) {
                        violations
                            .push(format!("entry {sequence} was answered before it was synced"));
                    }
                }
            }
        }
        violations
    }
}
