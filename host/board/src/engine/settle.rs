//! What follows from a change: `lifecycle` for each step that a hook staged, then `readiness` for each pending
//! task whose answer may have changed, until nothing is left or the transaction's bound is reached.
//!
//! What is left over then stands in the journal as unasked and is taken by the next transactions, so that a
//! parent of 100,000 children is no special case.

use std::collections::{BTreeSet, VecDeque};

use super::{Error, Work};
use crate::transaction::{finish, waits_on};
use crate::{
    Access, Change, Classified, Counts, Event, Measure, ReadError, Readiness, Status, TaskId,
    Verdict, View, Wake,
};

/// What is still to be asked in this transaction.
pub(super) struct Queue {
    /// How many of the staged changes have been looked at.
    seen: usize,
    asks_left: u32,
    ask: VecDeque<TaskId>,
    queued: BTreeSet<TaskId>,
    wakes: VecDeque<(Wake, Origin)>,
    /// Whether something is left for the next transaction.
    left_over: bool,
}

/// How many stored wakes a transaction takes up: one whose waiters are gone costs no more than a look.
const WAKES_MAX: usize = 256;

/// Where a wake comes from: one that is stored has to be crossed out, and needn't be written again as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Staged,
    Stored { past: Option<TaskId> },
}

impl Queue {
    pub(super) fn new(asks_max: u32) -> Self {
        Self {
            seen: 0,
            asks_left: asks_max,
            ask: VecDeque::new(),
            queued: BTreeSet::new(),
            wakes: VecDeque::new(),
            left_over: false,
        }
    }

    /// Takes up what earlier transactions left over, as much of it as this one may ask about.
    fn take_backlog(&mut self, view: &dyn View, counts: &Counts) -> Result<(), ReadError> {
        let room = self.asks_left as usize;
        if counts.unasked > 0 {
            let mut unasked = view.unasked(room + 1)?;
            self.left_over |= unasked.len() > room;
            unasked.truncate(room);
            for id in unasked {
                self.ask(id);
            }
        }
        // As a rule there is none, and one costs less to look for than a page.
        if view.wakes(1)?.is_empty() {
            return Ok(());
        }
        let mut wakes = view.wakes(WAKES_MAX + 1)?;
        self.left_over |= wakes.len() > WAKES_MAX;
        wakes.truncate(WAKES_MAX);
        for wake in wakes {
            let past = wake.past.clone();
            self.wakes.push_back((wake, Origin::Stored { past }));
        }
        Ok(())
    }

    /// Allows for a task that this transaction adds: its hooks run here anyway, and whoever adds tasks is to pay
    /// for asking about them, not whoever claims next.
    pub(super) fn allow_one_more(&mut self) {
        self.asks_left += 1;
    }

    /// More is due than this transaction takes.
    pub(super) fn leave_over(&mut self) {
        self.left_over = true;
    }

    pub(super) fn ask(&mut self, id: TaskId) {
        if self.queued.insert(id.clone()) {
            self.ask.push_back(id);
        }
    }

    fn next(&mut self) -> Option<TaskId> {
        let id = self.ask.pop_front()?;
        self.queued.remove(&id);
        Some(id)
    }
}

impl Work<'_> {
    /// Calls every hook that the staged changes ask for.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        loop {
            while let Some(happened) = self.tx_mut().next_happened() {
                self.tell(&happened.task, happened.event, &happened.detail)?;
            }
            self.look_at_changes()?;
            if self.queue.asks_left == 0 {
                return self.leave_rest();
            }
            if let Some(id) = self.queue.next() {
                self.ask(&id)?;
            } else if let Some((wake, origin)) = self.queue.wakes.pop_front() {
                self.wake(wake, origin)?;
            } else {
                return Ok(());
            }
        }
    }

    /// Whether something was left for the next transaction.
    pub(super) fn has_leftovers(&self) -> bool {
        self.queue.left_over
    }

    /// Has the next `settle` ask about what earlier transactions left over, too. Whoever adds or claims does;
    /// a holder who finishes its task must not fail because of a policy's answer about some other one.
    pub(super) fn take_backlog(&mut self) -> Result<(), Error> {
        let tx = self.tx.as_ref().expect("the transaction is lent only while a hook runs");
        Ok(self.queue.take_backlog(tx.view(), &tx.head().counts)?)
    }

    /// Tells `lifecycle` what happened to a task by a step of a hook, where only acceptance or refusal makes
    /// sense, except that a failure may be retried and a completion reviewed.
    pub(super) fn tell(&mut self, id: &TaskId, event: Event, detail: &str) -> Result<(), Error> {
        let verdict = self.hook(Measure::Lifecycle, Access::Change, |hooks, tx| {
            hooks.on_event(tx, id, event, detail)
        })?;
        match verdict {
            Verdict::Accept | Verdict::Review | Verdict::Retry(_) => Ok(()),
            Verdict::Refused(why) => Err(Error::Refused(why)),
        }
    }

    /// Queues what the changes since the last look bring with them.
    fn look_at_changes(&mut self) -> Result<(), Error> {
        let mut ask: Vec<TaskId> = self.tx_mut().take_reconsidered().into_iter().collect();
        let mut woken = Vec::new();
        for change in &self.tx().changes()[self.queue.seen..] {
            if change.reopens() {
                ask.extend(change.task().cloned());
            }
            if change.wakes_waiters() {
                woken.extend(change.task().cloned());
            }
            if let Change::Added(task) = change {
                // A parent may have to wait for a child that it didn't have.
                ask.extend(task.parent.clone());
            }
        }
        self.queue.seen = self.tx().changes().len();
        for id in ask {
            if self.tx().task(&id)?.is_some_and(|task| task.status == Status::Pending) {
                self.queue.ask(id);
            }
        }
        for on in woken {
            // It changed again, so those that were asked before must be asked again too.
            match self.queue.wakes.iter_mut().find(|(wake, _)| wake.on == on) {
                Some((wake, _)) => wake.past = None,
                None => self.queue.wakes.push_back((Wake { on, past: None }, Origin::Staged)),
            }
        }
        Ok(())
    }

    /// Asks the policy whether a pending task may be claimed, and stages the answer if it is a new one.
    fn ask(&mut self, id: &TaskId) -> Result<(), Error> {
        let task = self.task(id)?;
        if task.status != Status::Pending {
            return Ok(());
        }
        self.queue.asks_left -= 1;
        match self.hook(Measure::Readiness, Access::Read, |hooks, tx| hooks.classify(tx, id))? {
            Classified::Is(readiness) if readiness == task.readiness => {}
            Classified::Is(readiness) => {
                self.tx_mut().apply(Change::Answered { id: id.clone(), readiness })?;
            }
            Classified::Cancel(why) => {
                self.tx_mut().apply(finish(id, Status::Cancelled, &why))?;
                self.tell(id, Event::Cancelled, &why)?;
            }
        }
        Ok(())
    }

    /// Queues the tasks that wait on one that changed, as many as may still be asked.
    fn wake(&mut self, wake: Wake, origin: Origin) -> Result<(), Error> {
        let room = (self.queue.asks_left as usize).max(1);
        let page = self.tx().view().waiters(&wake.on, wake.past.as_ref(), room)?;
        let full = page.len() == room;
        let last = page.last().cloned();
        let staged: Vec<TaskId> = self.tx().staged_waiters(&wake.on).collect();
        for id in page.into_iter().chain(staged) {
            if self.tx().task(&id)?.is_some_and(|task| waits_on(&task, &wake.on)) {
                self.queue.ask(id);
            }
        }
        if full {
            self.queue.wakes.push_back((Wake { on: wake.on, past: last }, origin));
        } else if origin != Origin::Staged {
            self.tx_mut().apply(Change::Woken { on: wake.on })?;
        }
        Ok(())
    }

    /// Writes down what the next transactions are to ask.
    fn leave_rest(&mut self) -> Result<(), Error> {
        self.queue.left_over |= !self.queue.ask.is_empty() || !self.queue.wakes.is_empty();
        while let Some(id) = self.queue.next() {
            let task = self.task(&id)?;
            if task.status == Status::Pending && task.readiness != Readiness::Unasked {
                self.tx_mut().apply(Change::Answered { id, readiness: Readiness::Unasked })?;
            }
        }
        while let Some((wake, origin)) = self.queue.wakes.pop_front() {
            if origin != (Origin::Stored { past: wake.past.clone() }) {
                self.tx_mut().apply(Change::Wake { on: wake.on, past: wake.past })?;
            }
        }
        self.queue.seen = self.tx().changes().len();
        Ok(())
    }
}
