//! The index in memory, shared by all handles of a simulated world.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use taskhost_board::ReadError;
use taskhost_board::image::{Direction, Pair, Read, Start, Write};
use taskhost_board::memory::MemoryMap;

use super::{Index, META, ReadTxn, WriteTxn};
use crate::simulation::Dice;

/// What comes before each use of an index.
pub(crate) trait Gate: Send + Sync {
    /// Comes before a look.
    fn before_look(&self) {}
    /// Comes before a commit: whether this process still lives, or an error for the commit to end in.
    fn may_commit(&self) -> io::Result<bool> {
        Ok(true)
    }
}

/// Nobody's: nothing comes before.
pub(crate) struct NoGate;

impl Gate for NoGate {}

/// An index in memory. Clones are handles of the same one.
#[derive(Clone)]
pub(crate) struct TwinIndex {
    map: Arc<Mutex<MemoryMap>>,
    gate: Arc<dyn Gate>,
}

impl TwinIndex {
    pub(crate) fn new(gate: Arc<dyn Gate>) -> Self {
        Self { map: Arc::default(), gate }
    }

    /// A map of its own with the same in it.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn copy(&self) -> Self {
        let map = Arc::new(Mutex::new(self.map.lock().clone()));
        Self { map, gate: self.gate.clone() }
    }

    /// A map of its own as another boot may find it, of pages some of which were never written: some of the records are
    /// lost, at least one, and some have the value of the one before them. What the map says of itself is kept.
    pub(crate) fn torn(&self, dice: &mut Dice) -> Self {
        let whole = self.map.lock().clone();
        let pairs = whole.scan(b"", Start::End, Direction::Forward, usize::MAX).unwrap_or_default();
        // A board's head stands on one page with it.
        let (first, others): (Vec<Pair>, Vec<Pair>) =
            pairs.into_iter().partition(|(key, _)| META.starts_with(key));
        let lost = dice.below(others.len());
        // Some have little harm done to them, which isn't seen at once.
        let one_in = [8, 32, 128][dice.below(3)];
        let mut torn = MemoryMap::default();
        let mut put = |key: &[u8], value: &[u8]| {
            // It is in memory, where nothing fails.
            let _ = torn.put(key, value);
        };
        first.iter().for_each(|(key, value)| put(key, value));
        for (at, (key, value)) in others.iter().enumerate() {
            match dice.below(one_in) {
                roll if at == lost || roll == 0 => {}
                1 => put(key, &others[at.saturating_sub(1)].1),
                _ => put(key, value),
            }
        }
        Self { map: Arc::new(Mutex::new(torn)), gate: self.gate.clone() }
    }

    /// The same map for another process.
    pub(crate) fn adopted(&self, gate: Arc<dyn Gate>) -> Self {
        Self { map: self.map.clone(), gate }
    }
}

impl Index for TwinIndex {
    fn read(&self) -> Result<Box<dyn ReadTxn>, ReadError> {
        self.gate.before_look();
        Ok(Box::new(TwinRead(self.map.lock().clone())))
    }

    fn write(&self) -> Result<Box<dyn WriteTxn + '_>, ReadError> {
        Ok(Box::new(TwinWrite { map: self.map.lock().clone(), index: self }))
    }
}

struct TwinRead(MemoryMap);

impl ReadTxn for TwinRead {}

impl Read for TwinRead {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.0.get(key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        start: Start<'_>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Pair>, ReadError> {
        self.0.scan(prefix, start, direction, limit)
    }
}

struct TwinWrite<'a> {
    map: MemoryMap,
    index: &'a TwinIndex,
}

impl Read for TwinWrite<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.map.get(key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        start: Start<'_>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Pair>, ReadError> {
        self.map.scan(prefix, start, direction, limit)
    }
}

impl Write for TwinWrite<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        self.map.put(key, value)
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), ReadError> {
        self.map.delete(key)
    }
}

impl WriteTxn for TwinWrite<'_> {
    fn commit(self: Box<Self>) -> Result<(), ReadError> {
        let lives = self
            .index
            .gate
            .may_commit()
            .map_err(|e| ReadError::Failed(format!("the index failed: {e}")))?;
        if lives {
            *self.index.map.lock() = self.map;
        }
        Ok(())
    }
}
