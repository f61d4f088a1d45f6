//! What is ready, for whom, and since when.
//!
//! - [`Offers`]: the ready tasks of a board, by what is asked for. [`Wish`]: something that is asked for.
//! - [`Offer`]: what there is at the moment for somebody who wishes for it.
//!
//! A wish is *open* as long as something is ready that matches it, whoever asks. Both a recorded history and a replay
//! are looked at through this, so that "something was ready for it" means the same in both.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use taskhost_board::{Agent, Filter, Millis, Name, Order, OrderKey, Reservation, Task, TaskId};

/// What somebody asks for, by its place among all that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Wish(pub(crate) usize);

/// The tasks that are ready, by what is asked for.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    wishes: Vec<Wished>,
    by_filter: HashMap<String, Wish>,
    /// Every ready task, reserved or not.
    ready: BTreeMap<TaskId, Ready>,
    /// Those that are reserved, by the name they are reserved for.
    reserved: BTreeMap<Name, BTreeSet<TaskId>>,
    /// Wishes that were opened since they were last looked at.
    opened: Vec<Wish>,
    /// Names for which something reserved became ready since they were last looked at.
    called: Vec<Name>,
}

#[derive(Debug)]
struct Ready {
    task: Task,
    since: Millis,
}

#[derive(Debug)]
struct Wished {
    filter: Filter,
    /// The matching ready tasks that are reserved for nobody, in the order of rank, priority and age.
    by_rank: BTreeSet<OrderKey>,
    /// The same by age.
    by_age: BTreeSet<u64>,
    since: Option<Millis>,
    ended: Option<Millis>,
    /// When it was open and for how long, but only what was open longer than everything after it: the latest last.
    closings: Vec<(Millis, u64)>,
}

/// What there is for an asker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Since when there has always been something.
    pub(crate) since: Millis,
    /// When there last was something before that, and then nothing.
    pub(crate) ended: Option<Millis>,
}

/// How a ready task stands among those that an asker could have got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// How many were ready for the asker, this one included.
    pub ready: u64,
    /// Whether it is the first by rank, then priority, then age.
    pub is_first: bool,
    /// Whether it is the oldest of them.
    pub is_oldest: bool,
    /// Whether it is the newest of them.
    pub is_newest: bool,
    /// Whether it was reserved for the asker.
    pub is_reserved: bool,
}

impl Offers {
    /// The wish for what `filter` matches. A wish for one task only isn't one: nobody waits for it.
    pub(crate) fn wish(&mut self, filter: &Filter) -> Wish {
        // `Debug` tells filters apart, and needs no more traits of them.
        let key = format!("{filter:?}");
        if let Some(wish) = self.by_filter.get(&key) {
            return *wish;
        }
        let wish = Wish(self.wishes.len());
        self.by_filter.insert(key, wish);
        let mut wished = Wished {
            filter: filter.clone(),
            by_rank: BTreeSet::new(),
            by_age: BTreeSet::new(),
            since: None,
            ended: None,
            closings: Vec::new(),
        };
        for ready in self.ready.values() {
            if wished.matches(&ready.task) {
                wished.by_rank.insert(place(&ready.task));
                wished.by_age.insert(ready.task.born);
                // There has been something at least since the oldest that is still there came.
                wished.since = Some(wished.since.map_or(ready.since, |at| at.min(ready.since)));
            }
        }
        self.wishes.push(wished);
        wish
    }

    /// How many tasks are ready.
    pub(crate) fn len(&self) -> usize {
        self.ready.len()
    }

    /// Since when the task has been ready, if it is.
    pub(crate) fn since(&self, id: &TaskId) -> Option<Millis> {
        self.ready.get(id).map(|ready| ready.since)
    }

    /// A task changed from `before` to `after` at `time`.
    pub(crate) fn changed(&mut self, before: Option<&Task>, after: Option<&Task>, time: Millis) {
        let was = before.filter(|task| task.ready_rank().is_some());
        let is = after.filter(|task| task.ready_rank().is_some());
        match (was, is) {
            (None, None) => {}
            (Some(was), Some(is)) => {
                let same = place(was) == place(is)
                    && was.assignee == is.assignee
                    && (&was.labels, &was.needs) == (&is.labels, &is.needs);
                if !same {
                    let since = self.since(&was.id).unwrap_or(time);
                    self.remove(was, time);
                    self.insert(is, since, time);
                }
            }
            (Some(was), None) => self.remove(was, time),
            (None, Some(is)) => self.insert(is, time, time),
        }
    }

    fn insert(&mut self, task: &Task, since: Millis, now: Millis) {
        self.ready.insert(task.id.clone(), Ready { task: task.clone(), since });
        if let Some(assignee) = &task.assignee {
            let reserved = self.reserved.entry(assignee.name.clone()).or_default();
            reserved.insert(task.id.clone());
            self.called.push(assignee.name.clone());
            return;
        }
        for (index, wished) in self.wishes.iter_mut().enumerate() {
            if wished.matches(task) {
                wished.by_rank.insert(place(task));
                wished.by_age.insert(task.born);
                if wished.since.is_none() {
                    wished.since = Some(now);
                    self.opened.push(Wish(index));
                }
            }
        }
    }

    fn remove(&mut self, task: &Task, now: Millis) {
        self.ready.remove(&task.id);
        if let Some(assignee) = &task.assignee {
            if let Some(reserved) = self.reserved.get_mut(&assignee.name) {
                reserved.remove(&task.id);
            }
            return;
        }
        for wished in &mut self.wishes {
            if wished.matches(task) {
                wished.by_rank.remove(&place(task));
                wished.by_age.remove(&task.born);
                if wished.by_rank.is_empty() {
                    wished.close(now);
                }
            }
        }
    }

    /// What there is for `asker`, if there is something.
    pub(crate) fn offer(&self, wish: Wish, asker: &Agent) -> Option<Offer> {
        let wished = &self.wishes[wish.0];
        let reserved = self.reserved_for(wish, asker).map(|ready| ready.since).min();
        let since = wished.since.into_iter().chain(reserved).min()?;
        Some(Offer { since, ended: wished.ended })
    }

    fn reserved_for<'a>(
        &'a self,
        wish: Wish,
        asker: &'a Agent,
    ) -> impl Iterator<Item = &'a Ready> + 'a {
        let ids = self.reserved.get(&asker.name).into_iter().flatten();
        let ready = ids.filter_map(|id| self.ready.get(id));
        let mine = Reservation::For(asker.clone());
        ready.filter(move |ready| {
            self.wishes[wish.0].filter.matches(&ready.task) && mine.matches(&ready.task)
        })
    }

    /// For how long, in milliseconds, there was something at most that ended after `past`; `None` if there is something
    /// still.
    pub(crate) fn longest_past(&self, wish: Wish, past: Millis) -> Option<u64> {
        let wished = &self.wishes[wish.0];
        if wished.since.is_some() {
            return None;
        }
        let later = wished.closings.iter().find(|(ended, _)| *ended > past);
        Some(later.map_or(0, |(_, open_ms)| *open_ms))
    }

    /// How a ready task stands among those that `asker` could get.
    pub(crate) fn standing(&self, id: &TaskId, wish: Wish, asker: &Agent) -> Standing {
        let (wished, Some(ready)) = (&self.wishes[wish.0], self.ready.get(id)) else {
            return Standing::default();
        };
        let (mut places, mut ages) = (vec![place(&ready.task)], vec![ready.task.born]);
        let mut others = 0;
        for other in self.reserved_for(wish, asker) {
            places.push(place(&other.task));
            ages.push(other.task.born);
            others += 1;
        }
        places.extend(wished.by_rank.first());
        ages.extend(wished.by_age.first());
        ages.extend(wished.by_age.last());
        Standing {
            ready: others + wished.by_rank.len() as u64,
            is_first: places.iter().min() == Some(&place(&ready.task)),
            is_oldest: ages.iter().min() == Some(&ready.task.born),
            is_newest: ages.iter().max() == Some(&ready.task.born),
            is_reserved: ready.task.assignee.is_some(),
        }
    }

    /// The wishes that were opened, and the names for which something reserved became ready, since this was last
    /// called.
    pub(crate) fn take_calls(&mut self) -> (Vec<Wish>, Vec<Name>) {
        (std::mem::take(&mut self.opened), std::mem::take(&mut self.called))
    }
}

impl Wished {
    fn close(&mut self, now: Millis) {
        let open_ms = now.0.saturating_sub(self.since.unwrap_or(now).0);
        while self.closings.last().is_some_and(|(_, longest)| *longest <= open_ms) {
            self.closings.pop();
        }
        self.closings.push((now, open_ms));
        (self.since, self.ended) = (None, Some(now));
    }

    fn matches(&self, task: &Task) -> bool {
        task.assignee.is_none() && self.filter.matches(task)
    }
}

fn place(task: &Task) -> OrderKey {
    OrderKey::new(Order::Rank, task.ready_rank().unwrap_or_default(), task.priority, task.born)
}
