//! The tasks that the view shows, as rows in an order, and never more of them than somebody may look at.
//!
//! [`Row`]: a task in a few words. [`Shelves`]: the rows of each [`List`], kept right by what is read again of single
//! tasks; only where one runs low is the whole board looked through again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use taskhost::domain::{Order, OrderKey};
use taskhost::{Millis, Readiness, Status, Task, TaskId, wire};
use taskhost_answers::reserved_for;

use super::text::tame;

/// How many rows a list has at most; the numbers in the titles count all.
pub const ROWS_MAX: usize = 500;
/// Of so few the next may be wanted, if there are more.
const ROWS_LOW: usize = ROWS_MAX / 2;
/// How many tasks are named that one waits for.
const NAMED_MAX: usize = 3;

/// Which list a task is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// May be claimed, in the order in which they are offered.
    Ready,
    /// Somebody holds it, the longest held first.
    Held,
    /// Waits for other tasks or for its time, the oldest first.
    Waiting,
    /// Parked, or to be reviewed, the longest first.
    Parked,
}

impl List {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ready, Self::Held, Self::Waiting, Self::Parked];

    /// The list that `task` is in, if it hasn't ended, and its place there.
    fn of(task: &Task) -> Option<(Self, u128)> {
        let since = |at: Millis| (u128::from(at.0) << 64) | u128::from(task.born);
        Some(match (task.status, &task.readiness, &task.claim) {
            (Status::Completed | Status::Failed | Status::Cancelled, ..) => return None,
            (Status::InProgress, _, claim) => {
                (Self::Held, since(claim.as_ref().map_or(task.updated_at, |claim| claim.since)))
            }
            (Status::Blocked | Status::InReview, ..) => (Self::Parked, since(task.updated_at)),
            (Status::Pending, Readiness::Ready(rank), _) => {
                let place = OrderKey::new(Order::Rank, *rank, task.priority, task.born);
                (Self::Ready, u128::from_be_bytes(place.to_bytes()))
            }
            (Status::Pending, ..) => (Self::Waiting, u128::from(task.born)),
        })
    }
}

/// A task in a few words, in which nothing steers a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: TaskId,
    pub task_type: String,
    pub priority: i32,
    /// Its holder, or what it was asked.
    pub word: String,
    /// What else there is to know: what it needs, or waits for.
    pub more: String,
    /// Since when it is as it is.
    pub since: Millis,
    /// Until when: its lease, or the time that it waits for.
    pub until: Option<Millis>,
}

impl Row {
    /// The row of `task`, as it stands in `list`.
    fn of(task: &Task, list: List) -> Self {
        let (word, more, since, until) = match list {
            List::Ready => (String::new(), offered(task), task.created_at, None),
            List::Held => {
                let claim = task.claim.as_ref();
                let holder = claim.map(|claim| claim.agent.to_string()).unwrap_or_default();
                let until = claim.map(|claim| claim.lease.until);
                let since = claim.map_or(task.updated_at, |claim| claim.since);
                (holder, String::new(), since, until)
            }
            List::Waiting => {
                let (more, until) = waits(task);
                (String::new(), more, task.created_at, until)
            }
            List::Parked => (parked(task), String::new(), task.updated_at, None),
        };
        let (id, task_type) = (task.id.clone(), tame(task.task_type.as_str()));
        let (word, priority) = (tame(&word), task.priority);
        Self { id, task_type, priority, word, more, since, until }
    }
}

/// What it was asked; where it waits to be reviewed, that too.
fn parked(task: &Task) -> String {
    match (task.status, &task.reason) {
        (Status::InReview, Some(why)) => format!("in review: {why}"),
        (Status::InReview, None) => "in review".into(),
        (_, Some(why)) => why.clone(),
        (_, None) => "blocked".into(),
    }
}

/// What an agent must be to be offered it.
fn offered(task: &Task) -> String {
    let assignee = task.assignee.as_ref().map(|who| reserved_for(&who.into()));
    let needs: Vec<&str> = task.needs.iter().map(|name| name.as_str()).collect();
    let mut words = Vec::new();
    words.extend(assignee.map(|who| format!("for {who}")));
    if !needs.is_empty() {
        words.push(format!("needs {}", needs.join(",")));
    }
    tame(&words.join(", "))
}

/// What it waits for, and until when if that is known.
fn waits(task: &Task) -> (String, Option<Millis>) {
    match &task.readiness {
        Readiness::Waiting { on, why } => {
            let named: Vec<&str> = on.iter().take(NAMED_MAX).map(TaskId::as_str).collect();
            let others = on.len().saturating_sub(NAMED_MAX);
            let others = if others > 0 { format!(" +{others}") } else { String::new() };
            let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            (tame(&format!("{}{others}{why}", named.join(" "))), None)
        }
        Readiness::Until(at) => (format!("its time, {}", wire::time(*at)), Some(*at)),
        Readiness::Never(why) => (tame(&format!("never: {why}")), None),
        Readiness::Unasked | Readiness::Ready(_) => ("the policy's answer".into(), None),
    }
}

/// Which tasks are wanted: those in which this stands, whatever its case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sought(String);

impl Sought {
    pub fn new(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    /// Whether everything is.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it stands in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        self.is_everything() || text.to_lowercase().contains(&self.0)
    }

    fn has(&self, task: &Task) -> bool {
        let is_in = |text: &str| self.is_in(text);
        is_in(task.id.as_str())
            || is_in(task.task_type.as_str())
            || task.labels.iter().chain(&task.needs).any(|name| is_in(name.as_str()))
            || task.claim.as_ref().is_some_and(|claim| is_in(claim.agent.as_str()))
            || task.assignee.as_ref().is_some_and(|who| is_in(who.name.as_str()))
            || task.parent.as_ref().is_some_and(|parent| is_in(parent.as_str()))
            || task.reason.as_deref().is_some_and(is_in)
    }
}

/// The first rows of a list.
#[derive(Debug, Default)]
struct Shelf {
    rows: BTreeMap<u128, Arc<Row>>,
    /// Whether there are, or may be, more behind them.
    has_more: bool,
}

impl Shelf {
    /// Puts a row in its place; the last one goes if there are too many.
    fn put(&mut self, place: u128, row: impl FnOnce() -> Row) -> Option<Arc<Row>> {
        let is_behind = self.rows.last_key_value().is_none_or(|(last, _)| place > *last);
        if is_behind && (self.has_more || self.rows.len() >= ROWS_MAX) {
            self.has_more = true;
            return None;
        }
        self.rows.insert(place, Arc::new(row()));
        if self.rows.len() <= ROWS_MAX {
            return None;
        }
        self.has_more = true;
        self.rows.pop_last().map(|(_, row)| row)
    }
}

/// The rows of every list.
#[derive(Debug, Default)]
pub struct Shelves {
    shelves: [Shelf; 4],
    places: HashMap<TaskId, (List, u128)>,
    sought: Sought,
}

impl Shelves {
    /// Empty ones, for what is sought.
    pub fn of(sought: Sought) -> Self {
        Self { sought, ..Self::default() }
    }

    /// What they are for.
    pub fn sought(&self) -> &Sought {
        &self.sought
    }

    /// Puts a task where it belongs now.
    pub fn put(&mut self, task: &Task) {
        self.remove(&task.id);
        let Some((list, place)) = List::of(task).filter(|_| self.sought.has(task)) else { return };
        let shelf = &mut self.shelves[list as usize];
        let gone = shelf.put(place, || Row::of(task, list));
        if shelf.rows.contains_key(&place) {
            self.places.insert(task.id.clone(), (list, place));
        }
        if let Some(gone) = gone {
            self.places.remove(&gone.id);
        }
    }

    /// Takes a task away.
    pub fn remove(&mut self, id: &TaskId) {
        if let Some((list, place)) = self.places.remove(id) {
            self.shelves[list as usize].rows.remove(&place);
        }
    }

    /// Whether the whole board has to be looked through, because one has few and there are more.
    pub fn run_low(&self) -> bool {
        self.shelves.iter().any(|shelf| shelf.has_more && shelf.rows.len() < ROWS_LOW)
    }

    /// The rows of a list, and whether there are more.
    pub fn rows(&self, list: List) -> (Vec<Arc<Row>>, bool) {
        let shelf = &self.shelves[list as usize];
        (shelf.rows.values().cloned().collect(), shelf.has_more)
    }
}

#[cfg(test)]
mod tests {
    use taskhost::Name;
    use taskhost_answers::sample;

    use super::*;

    fn ready(born: u64, priority: i32) -> Task {
        let id = TaskId::new(format!("t{born}")).unwrap();
        Task { id, born, priority, status: Status::Pending, claim: None, ..sample::task() }
    }

    fn ids(shelves: &Shelves, list: List) -> Vec<String> {
        shelves.rows(list).0.iter().map(|row| row.id.to_string()).collect()
    }

    #[test]
    fn task_stands_where_it_belongs_and_in_its_order() {
        let mut shelves = Shelves::default();
        for (born, priority) in [(1, 0), (2, 5), (3, 0)] {
            shelves.put(&ready(born, priority));
        }
        assert_eq!(ids(&shelves, List::Ready), ["t2", "t1", "t3"]);
        let claim = Some(sample::claim());
        shelves.put(&Task { status: Status::InProgress, claim, ..ready(2, 5) });
        let why = Some("which\nkey?".to_owned());
        shelves.put(&Task { status: Status::Blocked, reason: why, ..ready(1, 0) });
        shelves.put(&Task { status: Status::Completed, ..ready(3, 0) });
        assert!(ids(&shelves, List::Ready).is_empty());
        let held = &shelves.rows(List::Held).0[0];
        assert_eq!((held.word.as_str(), held.until), ("alice", Some(Millis(1_000))));
        let parked = &shelves.rows(List::Parked).0[0];
        assert_eq!(parked.word, "which key?");
    }

    #[test]
    fn no_more_rows_are_kept_than_shown_and_a_low_shelf_says_so() {
        let mut shelves = Shelves::default();
        for born in 1..=10_000 {
            shelves.put(&ready(born, 0));
        }
        let (rows, has_more) = shelves.rows(List::Ready);
        assert_eq!((rows.len(), has_more, shelves.places.len()), (ROWS_MAX, true, ROWS_MAX));
        // What is more urgent than the last that is kept takes its place.
        shelves.put(&ready(20_000, 9));
        assert_eq!(ids(&shelves, List::Ready)[0], "t20000");
        assert_eq!(shelves.places.len(), ROWS_MAX);
        assert!(!shelves.run_low());
        for born in 1..=300 {
            shelves.remove(&ready(born, 0).id);
        }
        assert!(shelves.run_low());
        // Behind what is known there are others, so what comes last isn't the next one.
        shelves.put(&ready(20_001, 0));
        assert!(!ids(&shelves, List::Ready).contains(&"t20001".to_owned()));
    }

    #[test]
    fn waiting_task_names_what_it_waits_for() {
        let on: Vec<TaskId> = (0..5).map(|n| TaskId::new(format!("a{n}")).unwrap()).collect();
        let waiting = |readiness| Task { readiness, ..ready(1, 0) };
        let (text, _) = waits(&waiting(Readiness::Waiting { on, why: Some("first".into()) }));
        assert_eq!(text, "a0 a1 a2 +2: first");
        let (text, until) = waits(&waiting(Readiness::Until(Millis(0))));
        assert_eq!((text.as_str(), until), ("its time, 1970-01-01T00:00:00.000Z", Some(Millis(0))));
    }

    #[test]
    fn what_is_sought_is_found_wherever_it_stands() {
        let name = |text: &str| Name::new(text).unwrap();
        let task = Task { labels: vec![name("GPU")], needs: vec![name("cuda")], ..sample::task() };
        for text in ["", "gpu", "CUDA", "ALICE", "build_1"] {
            assert!(Sought::new(text).has(&task), "{text}");
        }
        assert!(!Sought::new("bob").has(&task));
    }
}
