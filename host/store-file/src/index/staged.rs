//! What the index is about to become: a map at one instant, with changes over it that nobody else sees yet.
//!
//! - [`Overlay`]: a map with changes over it. [`Staged`]: one that the views of a transaction share with it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;
use taskhost_board::ReadError;
use taskhost_board::image::{Direction, Pair, Read, Start, Write, prefix_end};

use super::Reading;

/// What is put under keys; `None` where what is there is taken away.
pub(crate) type Steps = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A map with changes over it.
pub(crate) struct Overlay<R> {
    under: R,
    steps: Steps,
}

impl<R: Read> Overlay<R> {
    /// Without changes.
    pub(crate) fn over(under: R) -> Self {
        Self { under, steps: Steps::new() }
    }

    /// The changes.
    pub(crate) fn into_steps(self) -> Steps {
        self.steps
    }
}

/// Between which keys a scan goes.
type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// The bounds of a scan; `None` if nothing can be between them.
fn bounds<'a>(
    prefix: &'a [u8],
    end: Option<&'a [u8]>,
    start: Start<'a>,
    direction: Direction,
) -> Option<Bounds<'a>> {
    let (mut low, mut high) = (prefix, end);
    let mut from = Bound::Included(prefix);
    if let Start::Past(key) = start {
        match direction {
            Direction::Forward if key >= low => (low, from) = (key, Bound::Excluded(key)),
            Direction::Backward if high.is_none_or(|high| key < high) => high = Some(key),
            Direction::Forward | Direction::Backward => {}
        }
    }
    high.is_none_or(|high| low < high)
        .then(|| (from, high.map_or(Bound::Unbounded, Bound::Excluded)))
}

impl<R: Read> Read for Overlay<R> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match self.steps.get(key) {
            Some(step) => Ok(step.clone()),
            None => self.under.get(key),
        }
    }

    fn scan(
        &self,
        prefix: &[u8],
        start: Start<'_>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Pair>, ReadError> {
        let end = prefix_end(prefix);
        let steps: Vec<(&Vec<u8>, &Option<Vec<u8>>)> =
            match bounds(prefix, end.as_deref(), start, direction) {
                Some(bounds) => self.steps.range::<[u8], _>(bounds).collect(),
                None => Vec::new(),
            };
        if steps.is_empty() {
            return self.under.scan(prefix, start, direction, limit);
        }
        // Each change hides one pair at most.
        let mut pairs =
            self.under.scan(prefix, start, direction, limit.saturating_add(steps.len()))?;
        pairs.retain(|(key, _)| !self.steps.contains_key(key));
        let put = |(key, step): (&Vec<u8>, &Option<Vec<u8>>)| {
            step.as_ref().map(|value| (key.clone(), value.clone()))
        };
        pairs.extend(steps.into_iter().filter_map(put));
        match direction {
            Direction::Forward => pairs.sort_unstable(),
            Direction::Backward => pairs.sort_unstable_by(|a, b| b.cmp(a)),
        }
        pairs.truncate(limit);
        Ok(pairs)
    }
}

impl<R: Read> Write for Overlay<R> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        self.steps.insert(key.to_vec(), Some(value.to_vec()));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), ReadError> {
        self.steps.insert(key.to_vec(), None);
        Ok(())
    }
}

/// A map with changes over it, for several views.
#[derive(Clone)]
pub(crate) struct Staged(Arc<Mutex<Overlay<Reading>>>);

impl Staged {
    /// Without changes.
    pub(crate) fn over(reading: Reading) -> Self {
        Self(Arc::new(Mutex::new(Overlay::over(reading))))
    }

    /// Adds changes.
    pub(crate) fn add(&self, mut steps: Steps) {
        self.0.lock().steps.append(&mut steps);
    }

    /// Takes the changes out.
    pub(crate) fn take_steps(&self) -> Steps {
        std::mem::take(&mut self.0.lock().steps)
    }
}

impl Read for Staged {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.0.lock().get(key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        start: Start<'_>,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Pair>, ReadError> {
        self.0.lock().scan(prefix, start, direction, limit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use taskhost_board::memory::MemoryMap;

    use super::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(u8::MAX)], 0..4)
    }

    proptest! {
        #[test]
        fn map_with_changes_over_it_reads_like_the_changed_map(
            under in prop::collection::btree_map(key(), any::<u8>(), 0..20),
            changes in prop::collection::vec((key(), any::<Option<u8>>()), 0..12),
            prefix in key(),
            past in prop::option::of(key()),
            is_forward in any::<bool>(),
            limit in 0_usize..8,
        ) {
            let mut map = MemoryMap::default();
            for (key, value) in &under {
                map.put(key, &[*value]).unwrap();
            }
            let mut overlay = Overlay::over(map.clone());
            for (key, value) in &changes {
                match value {
                    Some(value) => {
                        map.put(key, &[*value]).unwrap();
                        overlay.put(key, &[*value]).unwrap();
                    }
                    None => {
                        map.delete(key).unwrap();
                        overlay.delete(key).unwrap();
                    }
                }
            }
            // A scan goes on from a key that it has given.
            let past = past.map(|rest| [&prefix[..], &rest].concat());
            let start = past.as_deref().map_or(Start::End, Start::Past);
            let direction = if is_forward { Direction::Forward } else { Direction::Backward };
            let expected = map.scan(&prefix, start, direction, limit).unwrap();
            prop_assert_eq!(overlay.scan(&prefix, start, direction, limit).unwrap(), expected);
            prop_assert_eq!(overlay.get(&prefix).unwrap(), map.get(&prefix).unwrap());
        }
    }
}
