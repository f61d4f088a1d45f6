//! Offering ready tasks in order, at a cost that doesn't depend on the size of the board.
//!
//! Ready tasks are kept in one list per scope (the whole board, or a label) and class (type, needs, assignee),
//! each in order. A query picks the scope of its rarest label, the classes that match, and merges their lists. The first
//! of each list by rank stands with its class, so that of many lists only those are read that are taken from.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::derive::{Gathered, Listed, Place};
use super::{Direction, Pair, Read, Start, decode, get_task, keys};
use crate::{Candidate, Name, Order, OrderKey, ReadError, ReadyQuery};

/// How many tasks of a class are read at a time once its first one was taken.
const REFILL: usize = 8;

pub(super) fn ready(
    map: &(impl Read + ?Sized),
    query: &ReadyQuery,
    past: Option<OrderKey>,
    limit: usize,
) -> Result<Vec<Candidate>, ReadError> {
    if let Some(only) = &query.filter.only {
        let task = get_task(map, only)?;
        let found =
            task.and_then(|task| query.place(&task).map(|place| Candidate::of(&task, place)));
        return Ok(found
            .filter(|candidate| past.is_none_or(|past| candidate.place > past))
            .into_iter()
            .collect());
    }
    let Some((scope, classes)) = rarest_scope(map, query)? else { return Ok(Vec::new()) };
    let mut lists = Vec::new();
    let mut heads = BinaryHeap::new();
    for (id, gathered) in classes {
        let mut list = List::new(scope.as_ref(), id, gathered, query, past);
        if let Some(place) = list.peek(map)? {
            heads.push(Reverse((place, lists.len())));
            lists.push(list);
        }
    }
    let mut found = Vec::new();
    while let Some(Reverse((place, index))) = heads.pop() {
        let list = &mut lists[index];
        let Some(Place { listed, .. }) = list.waiting.pop_front() else { continue };
        if !list.needs_look || look(map, query, &listed)? {
            found.push(candidate(listed, place));
            if found.len() == limit {
                break;
            }
        }
        if let Some(place) = list.peek(map)? {
            heads.push(Reverse((place, index)));
        }
    }
    Ok(found)
}

/// A class of ready tasks, and what stands for it in keys.
type KnownClass = ([u8; 8], Gathered);
/// A scope (a label, or the whole board) and the classes of ready tasks in it.
type Scope = (Option<Name>, Vec<KnownClass>);

/// The scope with the fewest ready tasks among the labels asked for, and its classes that match. `None` if a
/// label has no ready task at all.
fn rarest_scope(
    map: &(impl Read + ?Sized),
    query: &ReadyQuery,
) -> Result<Option<Scope>, ReadError> {
    let mut best: Option<(u64, Option<Name>, Vec<KnownClass>)> = None;
    let labels = query.filter.labels.iter().cloned().map(Some);
    let scopes: Vec<Option<Name>> =
        if query.filter.labels.is_empty() { vec![None] } else { labels.collect() };
    for scope in scopes {
        let classes =
            map.scan(&keys::classes(scope.as_ref()), Start::End, Direction::Forward, usize::MAX)?;
        let known = |(key, value): &Pair| -> Result<KnownClass, ReadError> {
            let id = key.last_chunk().copied().unwrap_or_default();
            Ok((id, decode(value)?))
        };
        let classes = classes.iter().map(known).collect::<Result<Vec<_>, _>>()?;
        let count: u64 = classes.iter().map(|(_, gathered)| gathered.count).sum();
        if count == 0 {
            return Ok(None);
        }
        if best.as_ref().is_none_or(|(least, ..)| count < *least) {
            best = Some((count, scope, classes));
        }
    }
    let filter = &query.filter;
    Ok(best.map(|(_, scope, mut classes)| {
        classes.retain(|(_, Gathered { class, .. })| {
            (filter.types.is_empty() || filter.types.contains(&class.task_type))
                && class.needs.iter().all(|need| filter.capabilities.contains(need))
                && query.reserved.may_match(class.assignee.as_ref())
        });
        (scope, classes)
    }))
}

/// One class's list, read a little at a time.
struct List {
    prefix: Vec<u8>,
    order: Order,
    last: Option<Vec<u8>>,
    waiting: VecDeque<Place>,
    refill: usize,
    /// Whether the class alone doesn't say that a task matches: other labels, or whom exactly it is for.
    needs_look: bool,
}

impl List {
    fn new(
        scope: Option<&Name>,
        id: [u8; 8],
        gathered: Gathered,
        query: &ReadyQuery,
        past: Option<OrderKey>,
    ) -> Self {
        let Gathered { class, first, .. } = gathered;
        let by_age = query.order != Order::Rank;
        let prefix = keys::ready_list(by_age, scope, id);
        let behind = |place: OrderKey| [&prefix[..], &place.to_bytes()].concat();
        let needs_look = query.filter.labels.len() > 1 || class.assignee.is_some();
        let (last, waiting) = match (query.order, past) {
            (Order::Rank, past) if past.is_none_or(|past| past < first.at) => {
                (Some(behind(first.at)), VecDeque::from([first]))
            }
            (Order::Rank | Order::Oldest, past) => (past.map(behind), VecDeque::new()),
            (Order::Newest, past) => {
                (past.map(|past| behind(past.reversed_age())), VecDeque::new())
            }
        };
        let refill = if waiting.is_empty() { 1 } else { REFILL };
        Self { prefix, order: query.order, last, waiting, refill, needs_look }
    }

    fn peek(&mut self, map: &(impl Read + ?Sized)) -> Result<Option<OrderKey>, ReadError> {
        if self.waiting.is_empty() {
            let direction = match self.order {
                Order::Rank | Order::Oldest => Direction::Forward,
                Order::Newest => Direction::Backward,
            };
            let start = self.last.as_deref().map_or(Start::End, Start::Past);
            for pair in map.scan(&self.prefix, start, direction, self.refill)? {
                let Place { at, listed } = place(&pair)?;
                let at = if self.order == Order::Newest { at.reversed_age() } else { at };
                self.waiting.push_back(Place { at, listed });
                self.last = Some(pair.0);
            }
            self.refill = REFILL;
        }
        Ok(self.waiting.front().map(|place| place.at))
    }
}

/// The first of a class by rank past this place, as its list says.
pub(super) fn next_by_rank(
    map: &(impl Read + ?Sized),
    scope: Option<&Name>,
    class: [u8; 8],
    past: OrderKey,
) -> Result<Option<Place>, ReadError> {
    let list = keys::ready_list(false, scope, class);
    let past = keys::ready(false, scope, class, past);
    map.scan(&list, Start::Past(&past), Direction::Forward, 1)?.first().map(place).transpose()
}

/// What a list's record says; its key ends with the place.
fn place((key, value): &Pair) -> Result<Place, ReadError> {
    let at = key.last_chunk().copied().unwrap_or_default();
    Ok(Place { at: OrderKey::from_bytes(at), listed: decode(value)? })
}

fn look(
    map: &(impl Read + ?Sized),
    query: &ReadyQuery,
    listed: &Listed,
) -> Result<bool, ReadError> {
    let task = get_task(map, &listed.id)?;
    Ok(task.is_some_and(|task| query.place(&task).is_some()))
}

fn candidate(listed: Listed, place: OrderKey) -> Candidate {
    Candidate {
        place,
        id: listed.id,
        task_type: listed.task_type,
        priority: listed.priority,
        rank: listed.rank,
        created_at: listed.created_at,
        attempts: listed.attempts,
    }
}
