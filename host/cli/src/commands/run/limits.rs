//! How many tasks of a type run at once in this run.
//!
//! The number is kept by asking for the right tasks, not by handing back the wrong ones: a claim asks for the
//! types that have room, so nobody's history shows claims that nobody wanted, and the policy's order holds among
//! what is asked for. Claims can only say which types they want, so while a type is full, the others are looked
//! up on the board.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use taskhost::{Board, Name, Status};

/// How often the types of the board's tasks are looked up at most, and how many times as long as it took to wait
/// in between: it costs time in proportion to the board.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_SHARE: u32 = 20;

/// How many at most, by type.
#[derive(Debug, Default)]
pub struct Limits {
    most: BTreeMap<Name, u32>,
    running: Mutex<BTreeMap<Name, u32>>,
    /// Held while somebody claims: two who claim at once would both take the last place.
    turn: Mutex<Known>,
}

/// The types of which the board has open tasks.
#[derive(Debug, Default)]
struct Known {
    types: Vec<Name>,
    look_again: Option<Instant>,
}

/// The right to claim, which one worker has at a time; none is needed where nothing is limited.
pub struct Turn<'l> {
    limits: &'l Limits,
    known: Option<MutexGuard<'l, Known>>,
}

/// Places that are taken, one for each of these types, until it is dropped.
#[derive(Debug)]
pub struct Places<'l> {
    limits: &'l Limits,
    types: BTreeSet<Name>,
}

impl Limits {
    /// At most so many of each of these.
    pub fn new(most: BTreeMap<Name, u32>) -> Self {
        Self { most, ..Self::default() }
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.most.is_empty()
    }

    /// Waits until it is one's turn to claim.
    pub fn turn(&self) -> Turn<'_> {
        let known = || self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        Turn { limits: self, known: (!self.most.is_empty()).then(known) }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<Name, u32>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn full(&self) -> BTreeSet<Name> {
        let running = self.running();
        let is_full = |(name, most): &(&Name, &u32)| running.get(*name) >= Some(*most);
        self.most.iter().filter(is_full).map(|(name, _)| name.clone()).collect()
    }
}

impl<'l> Turn<'l> {
    /// The types that have room, of those that are wanted; empty for any, and nothing if none has.
    pub fn types(
        &mut self,
        board: &Board,
        wanted: &[Name],
    ) -> Result<Option<Vec<Name>>, taskhost::Error> {
        self.types_of(wanted, || look(board))
    }

    fn types_of<E>(
        &mut self,
        wanted: &[Name],
        look: impl FnOnce() -> Result<Vec<Name>, E>,
    ) -> Result<Option<Vec<Name>>, E> {
        let Some(known) = &mut self.known else { return Ok(Some(wanted.to_vec())) };
        let full = self.limits.full();
        if full.is_empty() {
            return Ok(Some(wanted.to_vec()));
        }
        let wanted = if wanted.is_empty() { known.look(look)? } else { wanted };
        let left: Vec<Name> = wanted.iter().filter(|it| !full.contains(*it)).cloned().collect();
        Ok(Some(left).filter(|left| !left.is_empty()))
    }

    /// Takes a place for the task that was claimed, and lets the next one claim.
    pub fn take(self, task_type: &Name) -> Places<'l> {
        Places::take(self.limits, [task_type.clone()])
    }

    /// Takes a place for each type of which there may now be a task, as nobody knows.
    pub fn take_any(self, types: &[Name]) -> Places<'l> {
        let limited = self.limits.most.keys().filter(|it| types.is_empty() || types.contains(it));
        Places::take(self.limits, limited.cloned())
    }
}

impl<'l> Places<'l> {
    fn take(limits: &'l Limits, types: impl IntoIterator<Item = Name>) -> Self {
        let types: BTreeSet<Name> =
            types.into_iter().filter(|it| limits.most.contains_key(it)).collect();
        let mut running = limits.running();
        for name in &types {
            *running.entry(name.clone()).or_default() += 1;
        }
        Self { limits, types }
    }

    /// Gives back all but the place of this type.
    pub fn keep_only(&mut self, task_type: &Name) {
        let (kept, given_back) =
            std::mem::take(&mut self.types).into_iter().partition(|it| it == task_type);
        self.types = kept;
        drop(Self { limits: self.limits, types: given_back });
    }
}

impl Drop for Places<'_> {
    fn drop(&mut self) {
        let mut running = self.limits.running();
        for name in &self.types {
            if let Some(count) = running.get_mut(name) {
                *count = count.saturating_sub(1);
            }
        }
    }
}

impl Known {
    /// A type that came since the last look is a moment late: only while another one is full, and only for those
    /// who want any.
    fn look<E>(&mut self, look: impl FnOnce() -> Result<Vec<Name>, E>) -> Result<&[Name], E> {
        let began = Instant::now();
        if self.look_again.is_none_or(|at| at <= began) {
            self.types = look()?;
            let rest = began.elapsed().saturating_mul(LOOK_SHARE).max(LOOK_EVERY);
            self.look_again = Some(Instant::now() + rest);
        }
        Ok(&self.types)
    }
}

/// The types of the tasks that are pending, or may be again.
fn look(board: &Board) -> Result<Vec<Name>, taskhost::Error> {
    let (view, _) = board.store().snapshot().map_err(taskhost::domain::Error::from)?;
    let census = view.census().map_err(taskhost::domain::Error::from)?;
    let open = [Status::Pending, Status::InProgress];
    let is_open = |counts: &[u64; 7]| open.into_iter().any(|it| counts[it as usize] > 0);
    Ok(census.types.into_iter().filter(|(_, counts)| is_open(counts)).map(|(it, _)| it).collect())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn names(texts: &[&str]) -> Vec<Name> {
        texts.iter().map(|text| name(text)).collect()
    }

    fn limits(most: &[(&str, u32)]) -> Limits {
        Limits::new(most.iter().map(|(text, most)| (name(text), *most)).collect())
    }

    #[track_caller]
    fn check(limits: &Limits, wanted: &[&str], types: Option<&[&str]>) {
        let on_board = || Ok::<_, Infallible>(names(&["a", "b", "c"]));
        let got = limits.turn().types_of(&names(wanted), on_board).unwrap();
        assert_eq!(got, types.map(names));
    }

    #[test]
    fn full_type_is_not_asked_for_until_there_is_room() {
        let limits = limits(&[("a", 2), ("b", 1)]);
        check(&limits, &[], Some(&[]));
        let first = limits.turn().take(&name("a"));
        let other = limits.turn().take(&name("c"));
        check(&limits, &[], Some(&[]));
        let second = limits.turn().take(&name("a"));
        check(&limits, &[], Some(&["b", "c"]));
        check(&limits, &["a", "b"], Some(&["b"]));
        check(&limits, &["a"], None);
        drop((first, other));
        check(&limits, &["a"], Some(&["a"]));
        drop(second);
    }

    #[test]
    fn claim_that_nobody_knows_of_takes_a_place_of_each_type_it_may_have_got() {
        let limits = limits(&[("a", 1), ("b", 1)]);
        let mut places = limits.turn().take_any(&[]);
        check(&limits, &[], Some(&["c"]));
        places.keep_only(&name("b"));
        check(&limits, &["a", "b"], Some(&["a"]));
        drop(places);
        let places = limits.turn().take_any(&names(&["a", "c"]));
        check(&limits, &["a", "b"], Some(&["b"]));
        drop(places);
        check(&limits, &[], Some(&[]));
    }

    #[test]
    fn without_limits_nobody_waits_for_a_turn() {
        let limits = limits(&[]);
        let turn = limits.turn();
        check(&limits, &["a"], Some(&["a"]));
        drop(turn);
    }
}
