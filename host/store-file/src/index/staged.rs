//! What the index is about to become: a map at one instant, with changes over it that nobody else sees yet.
//!
//! - [`Overlay`]: a map with changes over it. [`Staged`]: one that the views of a transaction share with it.

use std::cmp::Ordering;
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
        let under = |start: Start<'_>, limit| self.under.scan(prefix, start, direction, limit);
        scan_over(&self.steps, under, prefix, start, direction, limit)
    }
}

/// Scans a map with these changes over it, which `under` scans without them. Reads no more of either than it has to: there
/// may be many changes, before the place where a scan starts and behind the one where it ends.
pub(super) fn scan_over(
    steps: &Steps,
    under: impl Fn(Start<'_>, usize) -> Result<Vec<Pair>, ReadError>,
    prefix: &[u8],
    start: Start<'_>,
    direction: Direction,
    limit: usize,
) -> Result<Vec<Pair>, ReadError> {
    /// So many pairs may be hidden before the map is read again.
    const HIDDEN_MAX: usize = if cfg!(test) { 2 } else { 32 };
    let end = prefix_end(prefix);
    let Some(bounds) = bounds(prefix, end.as_deref(), start, direction) else {
        return under(start, limit);
    };
    let mut range = steps.range::<[u8], _>(bounds);
    // Each change hides one pair at most.
    let hidden_max = range.clone().take(HIDDEN_MAX).count();
    let step = || match direction {
        Direction::Forward => range.next(),
        Direction::Backward => range.next_back(),
    };
    let mut steps = std::iter::from_fn(step).peekable();
    if steps.peek().is_none() {
        return under(start, limit);
    }
    let mut found: Vec<Pair> = Vec::new();
    let mut page = Vec::new().into_iter().peekable();
    let (mut last, mut is_read_up): (Option<Vec<u8>>, bool) = (None, false);
    while found.len() < limit {
        if page.peek().is_none() && !is_read_up {
            let asked = (limit - found.len()).saturating_add(hidden_max);
            let pairs = under(last.as_deref().map_or(start, Start::Past), asked)?;
            is_read_up = pairs.len() < asked;
            last = pairs.last().map(|(key, _)| key.clone()).or(last);
            page = pairs.into_iter().peekable();
        }
        let order = match (page.peek(), steps.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((key, _)), Some((changed, _))) => match direction {
                Direction::Forward => key.cmp(changed),
                Direction::Backward => (*changed).cmp(key),
            },
        };
        if order.is_le() {
            let pair = page.next();
            found.extend(pair.filter(|_| order.is_lt()));
        }
        if order.is_ge()
            && let Some((key, Some(value))) = steps.next()
        {
            found.push((key.clone(), value.clone()));
        }
    }
    Ok(found)
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
    use std::cell::Cell;

    use proptest::prelude::*;
    use taskhost_board::memory::MemoryMap;

    use super::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(u8::MAX)], 0..4)
    }

    proptest! {
        #[test]
        fn map_with_changes_over_it_reads_like_the_changed_map(
            under in prop::collection::btree_map(key(), any::<u8>(), 0..40),
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

    /// Counts what it gives.
    struct Counting {
        map: MemoryMap,
        given: Cell<usize>,
    }

    impl Read for Counting {
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
            let pairs = self.map.scan(prefix, start, direction, limit)?;
            self.given.set(self.given.get() + pairs.len());
            Ok(pairs)
        }
    }

    #[test]
    fn scan_reads_no_changes_but_those_it_meets() {
        // All changes between the bounds were collected first, and as many pairs read: the thousandth claim that is replayed
        // in one step would have read past the thousand before it.
        let key = |n: u32| format!("list{n:04}").into_bytes();
        let mut map = MemoryMap::default();
        (0..2000).for_each(|n| map.put(&key(n), b"").unwrap());
        let mut overlay = Overlay::over(Counting { map, given: Cell::new(0) });
        (0..1000).for_each(|n| overlay.delete(&key(n)).unwrap());
        (1500..3000).for_each(|n| overlay.put(&key(n), b"changed").unwrap());
        let past = key(999);
        let next = overlay.scan(b"list", Start::Past(&past), Direction::Forward, 1).unwrap();
        assert_eq!(next, [(key(1000), Vec::new())]);
        let given = overlay.under.given.get();
        assert!(given <= 8, "{given} pairs were read to find one");
    }
}
