//! A small board, copied.

use serde::{Deserialize, Serialize};

use super::notes::Weight as _;
use crate::image::{self, ImageView, Record};
use crate::memory::MemoryMap;
use crate::{BoardSettings, Head, Instant, Millis, PolicySet, ReadError, View};

/// A board with more tasks isn't copied: it is done while others wait for the board.
pub const COPIED_TASKS_MAX: u64 = 1_000;
/// Nor is one with more in it, in bytes, about.
const COPIED_BYTES_MAX: usize = 4 << 20;

/// What hooks can ask of a board: its tasks, and what policies remember.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Copied {
    head: Head,
    records: Vec<Record>,
}

impl Copied {
    /// The board that `view` sees; nothing if it is too large, or can't be read.
    pub(super) fn of(view: &dyn View, now: Millis) -> Option<Self> {
        let head = view.head().ok()?;
        if head.counts.total() > COPIED_TASKS_MAX {
            return None;
        }
        let mut records = Vec::new();
        let mut left = Some(COPIED_BYTES_MAX);
        let dumped = view.dump(now, &mut |record| {
            let bytes = match &record {
                Record::Task(task) => task.weight(),
                Record::Memory { key, value, .. } => key.len() + value.len(),
                Record::Key { .. } | Record::Meta { .. } | Record::Wake { .. } => return true,
            };
            records.push(record);
            left = left.and_then(|left| left.checked_sub(bytes));
            left.is_some()
        });
        (dumped.is_ok() && left.is_some()).then_some(Self { head, records })
    }

    /// The board again.
    pub(super) fn view(
        &self,
        policies: &PolicySet,
        now: &Instant,
    ) -> Result<Box<dyn View>, ReadError> {
        let mut map = MemoryMap::default();
        image::start(&mut map, &now.boot, &self.head, policies, &BoardSettings::default())?;
        for record in &self.records {
            image::load(&mut map, record)?;
        }
        Ok(Box::new(ImageView::new(map)))
    }
}
