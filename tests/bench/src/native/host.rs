//! A transaction in the place of WebAssembly's host.
//!
//! It answers as `host/policy` does, call for call: a task is read when it is first asked about and again after each step, a
//! cursor asks for the tasks past the last one it gave. What the standard policy has no use of (locks, files, random
//! numbers) isn't answered: the hook fails, so that nobody takes a difference for a measurement.

use std::sync::Arc;

use taskhost_board::{
    Family as BoardFamily, Name, Order as BoardOrder, OrderKey, ReadError, ReadyQuery,
    Reservation as BoardReservation, Space, StepError as BoardError, Task as BoardTask, TaskId,
    Transaction,
};
use taskhost_sdk::files::{FileError, Place};
use taskhost_sdk::locks::LockError;
use taskhost_sdk::mock::Step;
use taskhost_sdk::native::Host;
use taskhost_sdk::{
    Claim, DurationMs, Family, Filter, Millis, Order, Reservation, Status, StepError, Summary,
};

use super::{Settings, words};

/// Whose memory the standard policy's is.
const SPACE: Space = Space::Standard;

/// Why a hook's answer can't stand.
pub(super) enum Failed {
    /// The board can't be read.
    Read(ReadError),
    /// The hook asked for what isn't here.
    Misuse(String),
}

/// A transaction that is lent to a hook.
pub(super) struct Lent {
    pub(super) tx: Transaction,
    pub(super) log: Vec<String>,
    /// The first thing that failed. The hook goes on with answers that mean nothing, and its own is thrown away.
    pub(super) failed: Option<Failed>,
    settings: Arc<Settings>,
    /// The task that the hook was called for.
    about: Option<TaskId>,
    tasks: Vec<OpenTask>,
    cursors: Vec<OpenCursor>,
    /// How many steps were staged: what was read of a task before a step is read again.
    steps: u64,
}

struct OpenTask {
    id: TaskId,
    read: (u64, BoardTask),
}

struct OpenCursor {
    /// Nothing if nothing can match.
    query: Option<ReadyQuery>,
    past: Option<OrderKey>,
}

impl Lent {
    pub(super) fn new(tx: Transaction, settings: Arc<Settings>, about: Option<TaskId>) -> Self {
        let (tasks, cursors, log) = (Vec::new(), Vec::new(), Vec::new());
        Self { tx, log, failed: None, settings, about, tasks, cursors, steps: 0 }
    }

    fn fail(&mut self, failed: Failed) {
        self.failed.get_or_insert(failed);
    }

    fn misuse(&mut self, what: &str) {
        self.fail(Failed::Misuse(format!("rules that are compiled in have no {what}")));
    }

    /// What was read, or a value in its place that nobody will see.
    fn or_fail<T: Default>(&mut self, read: Result<T, ReadError>) -> T {
        read.unwrap_or_else(|error| {
            self.fail(Failed::Read(error));
            T::default()
        })
    }

    /// The task behind a handle as it is now.
    fn task(&mut self, handle: usize) -> &BoardTask {
        let open = &self.tasks[handle];
        if open.read.0 != self.steps {
            match self.tx.task(&open.id) {
                Ok(Some(task)) => self.tasks[handle].read = (self.steps, task),
                Ok(None) => {
                    let gone = format!("task `{}` is gone", open.id);
                    self.fail(Failed::Misuse(gone));
                }
                Err(error) => self.fail(Failed::Read(error)),
            }
        }
        &self.tasks[handle].read.1
    }

    fn take(&mut self, step: Step) -> Result<(), BoardError> {
        match step {
            Step::Claim { id, lease } => self.tx.stage_claim(&task_id(id)?, lease).map(|_| ()),
            Step::Release { id, not_before } => {
                self.tx.stage_release(&task_id(id)?, not_before.map(taskhost_board::Millis))
            }
            Step::SetStatus { id, to, why } => {
                if self.about.as_ref().is_some_and(|about| about.as_str() == id) {
                    return Err(BoardError::Invalid(format!(
                        "the hook was called for `{id}` itself: its answer says what becomes of it"
                    )));
                }
                self.tx.stage_status(&task_id(id)?, words::board_status(to), &why)
            }
            Step::Reconsider { id } => self.tx.stage_reconsider(&task_id(id)?),
            Step::Remember { key, value } => self.tx.stage_remember(SPACE, &key, value),
        }
    }
}

fn task_id(text: String) -> Result<TaskId, BoardError> {
    TaskId::new(text).map_err(|error| BoardError::Invalid(error.to_string()))
}

impl Host for Lent {
    fn open_task(&mut self, id: &str) -> Option<usize> {
        // What isn't an id names no task.
        let id = TaskId::new(id).ok()?;
        let read = self.tx.task(&id);
        let task = self.or_fail(read)?;
        self.tasks.push(OpenTask { id, read: (self.steps, task) });
        Some(self.tasks.len() - 1)
    }

    /// A handle is a place in a list, which ends with the hook.
    fn close_task(&mut self, _task: usize) {}

    fn summary(&mut self, task: usize) -> Summary {
        words::summary(self.task(task))
    }

    fn status(&mut self, task: usize) -> Status {
        words::status(self.task(task).status)
    }

    fn parent(&mut self, task: usize) -> Option<String> {
        self.task(task).parent.as_ref().map(TaskId::to_string)
    }

    fn dependencies(&mut self, task: usize) -> Vec<String> {
        self.task(task).after.iter().map(TaskId::to_string).collect()
    }

    fn children(
        &mut self,
        task: usize,
        which: Family,
        past: Option<&str>,
        limit: u32,
    ) -> Vec<String> {
        let which = match which {
            Family::Every => BoardFamily::Every,
            Family::Open => BoardFamily::Open,
            Family::Unsuccessful => BoardFamily::Unsuccessful,
        };
        let Ok(past) = past.map(TaskId::new).transpose() else {
            self.misuse("task of that id to go on from");
            return Vec::new();
        };
        if limit == 0 {
            return Vec::new();
        }
        let children = self.tx.children(&self.tasks[task].id, which, past.as_ref(), limit as usize);
        self.or_fail(children).into_iter().map(String::from).collect()
    }

    fn labels(&mut self, task: usize) -> Vec<String> {
        words::texts(&self.task(task).labels)
    }

    fn needs(&mut self, task: usize) -> Vec<String> {
        words::texts(&self.task(task).needs)
    }

    fn assignee(&mut self, task: usize) -> Option<String> {
        self.task(task).assignee.as_ref().map(|assignee| assignee.name.to_string())
    }

    fn claim(&mut self, task: usize) -> Option<Claim> {
        let now = self.tx.now().clone();
        self.task(task).claim.as_ref().map(|claim| words::claim(claim, &now))
    }

    fn not_before(&mut self, task: usize) -> Option<Millis> {
        self.task(task).not_before.map(|time| time.0)
    }

    fn failures(&mut self, task: usize) -> u32 {
        self.task(task).failures
    }

    fn reason(&mut self, task: usize) -> Option<String> {
        self.task(task).reason.clone()
    }

    fn data(&mut self, task: usize) -> String {
        self.task(task).data.as_str().to_owned()
    }

    fn candidates(&mut self, filter: &Filter, reserved: Reservation, order: Order) -> usize {
        let reserved = match (reserved, self.tx.asker().cloned()) {
            (Reservation::ForAsker, Some(asker)) => Some(BoardReservation::For(asker)),
            (Reservation::Either, Some(asker)) => Some(BoardReservation::Either(asker)),
            (Reservation::ForAsker, None) => None,
            (Reservation::Either, None) | (Reservation::Nobody, _) => {
                Some(BoardReservation::Nobody)
            }
        };
        let order = match order {
            Order::Rank => BoardOrder::Rank,
            Order::Oldest => BoardOrder::Oldest,
            Order::Newest => BoardOrder::Newest,
        };
        let query = reserved.and_then(|reserved| {
            Some(ReadyQuery { filter: words::filter(filter)?, reserved, order })
        });
        self.cursors.push(OpenCursor { query, past: None });
        self.cursors.len() - 1
    }

    fn next(&mut self, cursor: usize, limit: u32) -> Vec<Summary> {
        let OpenCursor { query: Some(query), past } = &self.cursors[cursor] else {
            return Vec::new();
        };
        if limit == 0 {
            return Vec::new();
        }
        let found = self.tx.ready(query, *past, limit as usize);
        let found = self.or_fail(found);
        if let Some(last) = found.last() {
            self.cursors[cursor].past = Some(last.place);
        }
        found.into_iter().map(words::candidate).collect()
    }

    /// As with tasks.
    fn close_cursor(&mut self, _cursor: usize) {}

    fn claims_held(&mut self, agent: &str) -> u32 {
        let Ok(name) = Name::new(agent) else { return 0 };
        let held = self.tx.claims_held(&name);
        self.or_fail(held)
    }

    fn recall(&mut self, key: &str) -> Option<Vec<u8>> {
        let value = self.tx.recall(SPACE, key);
        self.or_fail(value)
    }

    fn id(&mut self) -> String {
        self.tx.id().to_owned()
    }

    fn stage(&mut self, step: Step) -> Result<(), StepError> {
        match self.take(step) {
            Ok(()) => {
                self.steps += 1;
                self.tx.count_step(SPACE);
                Ok(())
            }
            Err(BoardError::Invalid(text)) => Err(StepError::Invalid(text)),
            Err(BoardError::Conflict(text)) => Err(StepError::Conflict(text)),
            Err(BoardError::Limit(text)) => Err(StepError::Limit(text)),
            Err(BoardError::Read(error)) => {
                let text = error.to_string();
                self.fail(Failed::Read(error));
                Err(StepError::Invalid(text))
            }
        }
    }

    fn setting(&mut self, name: &str) -> Option<String> {
        self.settings.get(name).cloned()
    }

    fn now(&mut self) -> Millis {
        self.tx.now().wall.0
    }

    fn random(&mut self) -> u32 {
        self.misuse("random numbers");
        0
    }

    fn log(&mut self, line: &str) {
        self.log.push(line.to_owned());
    }

    fn lock(&mut self, _name: &str, _timeout: DurationMs) -> Result<(), LockError> {
        self.misuse("locks");
        Err(LockError::Forbidden)
    }

    fn unlock(&mut self, _name: &str) {}

    fn read_file(&mut self, _at: Place, _name: &str) -> Result<Vec<u8>, FileError> {
        self.misuse("files");
        Err(FileError::NotFound)
    }

    fn replace_file(
        &mut self,
        _at: Place,
        _name: &str,
        _content: &[u8],
        _expected: Option<&[u8]>,
    ) -> Result<(), FileError> {
        self.misuse("files");
        Err(FileError::NotFound)
    }
}
