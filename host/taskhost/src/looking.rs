//! What a board is looked at with. Nothing here takes the board's lock or changes anything.

use taskhost_board::{
    Agent, BoardSettings, Census, DiskUse, Entry, Explanation, Family, Filter, Head, Json,
    ListQuery, Measured, Millis, Page, PolicySet, Prospect, Sequence, Task, TaskId, View,
};

use crate::spans::operation;
use crate::{Board, Error};

impl Board {
    /// One task as it is now.
    pub fn task(&self, id: &TaskId) -> Result<Task, Error> {
        operation!("taskhost.task", self.address(), task = %id)
            .run(|| Ok(self.engine().task(id)?))
    }

    /// The board at one instant: what is read from it belongs together, whatever others change meanwhile.
    pub fn view(&self) -> Result<Box<dyn View>, Error> {
        operation!("taskhost.view", self.address()).run(|| {
            let (view, _) = self.store().snapshot()?;
            Ok(view)
        })
    }

    /// Tasks in the order of their creation.
    pub fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        operation!("taskhost.list", self.address()).run(|| {
            let (view, _) = self.store().snapshot()?;
            Ok(view.list(query)?)
        })
    }

    /// The board's sequence, last token and counters.
    pub fn head(&self) -> Result<Head, Error> {
        operation!("taskhost.head", self.address()).run(|| {
            let (view, _) = self.store().snapshot()?;
            Ok(view.head()?)
        })
    }

    /// When the next lease ends or the next task's time comes, if that is known.
    pub fn next_due(&self) -> Result<Option<Millis>, Error> {
        operation!("taskhost.next_due", self.address()).run(|| {
            let (view, now) = self.store().snapshot()?;
            Ok(view.next_due(&now)?)
        })
    }

    /// Why a task can or can't be claimed now.
    pub fn explain(&self, id: &TaskId, asker: Option<&Agent>) -> Result<Explanation, Error> {
        operation!("taskhost.explain", self.address(), task = %id, agent = asker.map(|asker| display(&asker.name)))
            .run(|| Ok(self.engine().explain(id, asker)?))
    }

    /// Hands over every entry after `past`, oldest first, until `each` says `false`.
    pub fn history(
        &self,
        past: Sequence,
        mut each: impl FnMut(Sequence, Entry) -> bool,
    ) -> Result<(), Error> {
        operation!("taskhost.history", self.address(), past = past.0)
            .run(|| Ok(self.store().history(past, &mut each)?))
    }

    /// What an agent would get if it asked for this now, and what stands in the way of the rest.
    pub fn prospect(&self, asker: &Agent, filter: &Filter) -> Result<Prospect, Error> {
        operation!("taskhost.prospect", self.address(), agent = %asker.name)
            .run(|| Ok(self.engine().prospect(asker, filter)?))
    }

    /// How many tasks stand where. Its cost grows with the board.
    pub fn census(&self) -> Result<Census, Error> {
        operation!("taskhost.census", self.address()).run(|| {
            let (view, _) = self.store().snapshot()?;
            Ok(view.census()?)
        })
    }

    /// The children of a task in the order of their ids, those after `past`, at most `limit`.
    pub fn children(
        &self,
        parent: &TaskId,
        past: Option<&TaskId>,
        limit: usize,
    ) -> Result<Vec<Task>, Error> {
        operation!("taskhost.children", self.address(), task = %parent).run(|| {
            let (view, _) = self.store().snapshot()?;
            let ids = view.children(parent, Family::Every, past, limit)?;
            let tasks: Result<Vec<Option<Task>>, _> = ids.iter().map(|id| view.task(id)).collect();
            Ok(tasks?.into_iter().flatten().collect())
        })
    }

    /// A value of the workflow's own metadata.
    pub fn meta(&self, key: &TaskId) -> Result<Option<Json>, Error> {
        operation!("taskhost.meta", self.address()).run(|| {
            let (view, _) = self.store().snapshot()?;
            Ok(view.meta(key)?)
        })
    }

    /// All of the workflow's own metadata, by key.
    pub fn metas(&self) -> Result<Vec<(TaskId, Json)>, Error> {
        operation!("taskhost.metas", self.address()).run(|| {
            let (view, _) = self.store().snapshot()?;
            Ok(view.metas()?)
        })
    }

    /// What the board's processes measured about themselves.
    pub fn figures(&self) -> Result<Measured, Error> {
        operation!("taskhost.figures", self.address()).run(|| Ok(self.store().figures()?))
    }

    /// What the board takes up where it is kept.
    pub fn disk_use(&self) -> Result<DiskUse, Error> {
        operation!("taskhost.disk_use", self.address()).run(|| Ok(self.store().disk_use()?))
    }

    /// The policies that decide, and their settings.
    pub fn policies(&self) -> Result<PolicySet, Error> {
        operation!("taskhost.policies", self.address()).run(|| {
            let (view, _) = self.store().snapshot()?;
            Ok(view.policies()?)
        })
    }

    /// The board's own settings.
    pub fn settings(&self) -> Result<BoardSettings, Error> {
        operation!("taskhost.settings", self.address()).run(|| {
            let (view, _) = self.store().snapshot()?;
            Ok(view.settings()?)
        })
    }
}
