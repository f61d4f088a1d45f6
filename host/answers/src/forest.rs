//! Tasks below their parents, as much of them as is asked for.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use taskhost::domain::{Error as BoardError, Family, View};
use taskhost::{Error, ListQuery, Status, Task, TaskId};

use crate::Standing;

/// The most levels that are shown below the topmost tasks: deeper ones would overflow the stack of whoever reads the
/// nested JSON.
pub const TREE_DEPTH_MAX: usize = 48;

/// How many tasks stand in each status; none that are none.
pub type Tally = BTreeMap<&'static str, u64>;

/// Which part of a forest is shown.
#[derive(Debug)]
pub struct Bounds {
    /// How many levels below the topmost ones, no more than [`TREE_DEPTH_MAX`].
    pub depth: usize,
    /// Only what is open, and what leads to it.
    pub open: bool,
    /// How many tasks at most.
    pub limit: usize,
}

/// Tasks below their parents. `total` counts every task there is, shown or not; `hidden` those of the topmost tasks, and of what is below them,
/// that aren't shown.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct Tree {
    pub tree: Vec<Node>,
    pub shown: usize,
    pub total: usize,
    pub hidden: Tally,
}

/// A task with its children. `children_total` counts those that aren't shown too; `hidden` counts these by status,
/// together with everything below them.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are the names that users see")]
pub struct Node {
    pub task: Standing,
    /// What it comes after that isn't completed.
    pub open_after: Vec<String>,
    pub children: Vec<Node>,
    pub children_total: usize,
    pub hidden: Tally,
}

/// Tasks, and which are below which.
#[derive(Debug)]
pub struct Forest {
    tasks: Vec<Task>,
    places: HashMap<TaskId, usize>,
    roots: Vec<usize>,
    children: Vec<Vec<usize>>,
    /// Whether the task, or anything below it, is open.
    is_live: Vec<bool>,
    /// Statuses of tasks that others come after and that aren't in this forest.
    elsewhere: HashMap<TaskId, Status>,
}

impl Forest {
    /// All tasks of the board.
    pub fn of_board(view: &dyn View) -> Result<Self, Error> {
        let all = ListQuery { limit: usize::MAX, ..ListQuery::default() };
        Ok(Self::new(view.list(&all)?.tasks, HashMap::new()))
    }

    /// This task and everything below it.
    pub fn below(view: &dyn View, id: &TaskId) -> Result<Self, Error> {
        let top = view.task(id)?.ok_or_else(|| BoardError::NoSuchTask(id.clone()))?;
        let mut tasks = vec![top];
        let mut next = 0;
        while let Some(parent) = tasks.get(next).map(|task| task.id.clone()) {
            for id in view.children(&parent, Family::Every, None, usize::MAX)? {
                tasks.extend(view.task(&id)?);
            }
            next += 1;
        }
        // In the order in which they were added, as on the whole board; the topmost one was added before them.
        tasks[1..].sort_by_key(|task| task.born);
        let mut elsewhere = HashMap::new();
        for id in tasks.iter().filter(|task| !task.status.is_finished()).flat_map(|t| &t.after) {
            if let Some(task) = view.task(id)? {
                elsewhere.insert(id.clone(), task.status);
            }
        }
        Ok(Self::new(tasks, elsewhere))
    }

    fn new(tasks: Vec<Task>, elsewhere: HashMap<TaskId, Status>) -> Self {
        let places: HashMap<TaskId, usize> =
            tasks.iter().enumerate().map(|(place, task)| (task.id.clone(), place)).collect();
        let mut children = vec![Vec::new(); tasks.len()];
        let mut roots = Vec::new();
        let parent_of = |task: &Task| task.parent.as_ref().and_then(|id| places.get(id)).copied();
        for (place, task) in tasks.iter().enumerate() {
            parent_of(task).map_or(&mut roots, |parent| &mut children[parent]).push(place);
        }
        let mut is_live = vec![false; tasks.len()];
        for (place, task) in tasks.iter().enumerate() {
            let mut up = (!task.status.is_finished()).then_some(place);
            while let Some(place) = up.filter(|place| !is_live[*place]) {
                is_live[place] = true;
                up = parent_of(&tasks[place]);
            }
        }
        Self { tasks, places, roots, children, is_live, elsewhere }
    }

    /// As much of it as the bounds allow, from the top.
    pub fn tree(&self, bounds: &Bounds) -> Tree {
        let mut left = bounds.limit;
        let (tree, hidden) =
            self.nodes(&self.roots, bounds, bounds.depth.min(TREE_DEPTH_MAX), &mut left);
        Tree { tree, shown: bounds.limit - left, total: self.tasks.len(), hidden }
    }

    /// Those of `places` that are shown, with what is below them, and a count of the others.
    fn nodes(
        &self,
        places: &[usize],
        bounds: &Bounds,
        levels: usize,
        left: &mut usize,
    ) -> (Vec<Node>, Tally) {
        let (mut nodes, mut hidden) = (Vec::new(), Tally::new());
        for &place in places {
            let folded = bounds.open && !self.is_live[place];
            if folded || *left == 0 {
                self.count(place, &mut hidden);
                continue;
            }
            *left -= 1;
            let below = &self.children[place];
            let (children, hidden) = if levels > 0 {
                self.nodes(below, bounds, levels - 1, left)
            } else {
                let mut hidden = Tally::new();
                below.iter().for_each(|place| self.count(*place, &mut hidden));
                (Vec::new(), hidden)
            };
            nodes.push(Node {
                task: Standing::from(&self.tasks[place]),
                open_after: self.open_after(&self.tasks[place]),
                children,
                children_total: below.len(),
                hidden,
            });
        }
        (nodes, hidden)
    }

    /// Counts the task and everything below it.
    fn count(&self, place: usize, tally: &mut Tally) {
        let mut places = vec![place];
        while let Some(place) = places.pop() {
            *tally.entry(self.tasks[place].status.as_str()).or_default() += 1;
            places.extend(&self.children[place]);
        }
    }

    fn open_after(&self, task: &Task) -> Vec<String> {
        if task.status.is_finished() {
            return Vec::new();
        }
        let status = |id: &TaskId| {
            let here = self.places.get(id).map(|place| self.tasks[*place].status);
            here.or_else(|| self.elsewhere.get(id).copied())
        };
        let open = task.after.iter().filter(|id| status(id) != Some(Status::Completed));
        open.map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn task(id: &str, parent: Option<&str>, status: Status) -> Task {
        let id_of = |text: &str| TaskId::new(text).unwrap();
        Task { id: id_of(id), parent: parent.map(id_of), status, claim: None, ..sample::task() }
    }

    /// `a` with `b` (with `c`) and `d` below it; `e`, which has ended like `d`.
    fn forest() -> Forest {
        let tasks = vec![
            task("a", None, Status::Completed),
            task("b", Some("a"), Status::Completed),
            task("c", Some("b"), Status::Pending),
            task("d", Some("a"), Status::Completed),
            task("e", None, Status::Failed),
        ];
        Forest::new(tasks, HashMap::new())
    }

    /// The ids of what is shown, children in brackets, and what is hidden.
    fn outline(nodes: &[Node], hidden: &Tally) -> String {
        let mut text: Vec<String> = nodes
            .iter()
            .map(|node| format!("{}[{}]", node.task.task.id, outline(&node.children, &node.hidden)))
            .collect();
        text.extend(hidden.iter().map(|(status, count)| format!("{count} {status}")));
        text.join(" ")
    }

    #[track_caller]
    fn check(depth: usize, open: bool, limit: usize, shown: usize, expected: &str) {
        let tree = forest().tree(&Bounds { depth, open, limit });
        assert_eq!(outline(&tree.tree, &tree.hidden), expected);
        assert_eq!((tree.shown, tree.total), (shown, 5));
    }

    #[test]
    fn what_is_not_shown_is_counted_where_it_is_missing() {
        check(9, false, 9, 5, "a[b[c[]] d[]] e[]");
        check(1, false, 9, 4, "a[b[1 pending] d[]] e[]");
        check(0, false, 9, 2, "a[2 completed 1 pending] e[]");
        check(9, false, 2, 2, "a[b[1 pending] 1 completed] 1 failed");
    }

    #[test]
    fn finished_parent_of_something_open_is_not_folded() {
        check(9, true, 9, 3, "a[b[c[]] 1 completed] 1 failed");
    }
}
