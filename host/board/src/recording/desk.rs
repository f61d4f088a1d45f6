//! Where a hook's questions go: to the board, and into the notes; or, when it is run again, to the notes alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::bytes::Bytes;
use super::notes::{ChildrenPage, NOTE_BYTES, NOTES_BYTES_MAX, Notes, ReadyPage, Weight};
use crate::image::Record;
use crate::{
    BoardSettings, Candidate, Census, Command, Due, Family, Head, Instant, Json, KeyRecord,
    ListQuery, Millis, Name, NoTaskLocks, OrderKey, Page, PolicySet, ReadError, ReadyQuery, Space,
    Task, TaskId, TaskLocks, Transaction, View, Vital, Wake,
};

/// What stands behind a desk: the board, where notes are taken; where they answer, a copy of it, if it was small.
struct Behind {
    view: Box<dyn View>,
    locks: Box<dyn TaskLocks>,
}

enum Mode {
    /// The board answers, and it is noted.
    Noting,
    /// The notes answer, and the copy of the board whatever they don't.
    Answering,
}

pub(super) struct Desk {
    mode: Mode,
    behind: Option<Behind>,
    head: Head,
    pub(super) notes: Notes,
    bytes_left: usize,
    /// Whether more was asked than is noted.
    overflowed: bool,
    /// The first question that the notes don't answer.
    missing: Option<String>,
}

/// A desk, in the hands of all who ask there.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Desk>>);

impl Shared {
    /// A desk where notes are taken.
    pub(super) fn noting(head: Head) -> Self {
        Self::over(Mode::Noting, None, head, Notes::default())
    }

    /// A desk where the notes answer, and `copy` whatever they don't. What isn't noted to be locked by hand isn't.
    pub(super) fn answering(head: Head, notes: Notes, copy: Option<Box<dyn View>>) -> Self {
        let behind = copy.map(|view| Behind { view, locks: Box::new(NoTaskLocks) });
        Self::over(Mode::Answering, behind, head, notes)
    }

    fn over(mode: Mode, behind: Option<Behind>, head: Head, notes: Notes) -> Self {
        Self(Arc::new(Mutex::new(Desk {
            mode,
            behind,
            head,
            notes,
            bytes_left: NOTES_BYTES_MAX,
            overflowed: false,
            missing: None,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Desk> {
        self.0.lock()
    }

    pub(super) fn view(&self) -> Box<dyn View> {
        Box::new(DeskView(self.clone()))
    }

    pub(super) fn locks(&self) -> Box<dyn TaskLocks> {
        Box::new(DeskLocks(self.clone()))
    }

    /// Has everything that is asked of `tx` noted here.
    pub(super) fn stand_before(&self, tx: &mut Transaction) {
        let (view, locks) = tx.redirect(self.view(), self.locks());
        self.lock().behind = Some(Behind { view, locks });
    }

    /// Gives back to `tx` what it had before.
    pub(super) fn step_aside(&self, tx: &mut Transaction) {
        let behind = self.lock().behind.take();
        if let Some(Behind { view, locks }) = behind {
            drop(tx.redirect(view, locks));
        }
    }

    /// The notes, unless there were too many.
    pub(super) fn take_notes(&self) -> Option<Notes> {
        let mut desk = self.lock();
        let notes = std::mem::take(&mut desk.notes);
        (!desk.overflowed).then_some(notes)
    }

    /// The first question that the notes didn't answer.
    pub(super) fn take_missing(&self) -> Option<String> {
        self.lock().missing.take()
    }
}

impl Desk {
    /// Answers from behind and notes it, or from the notes. `words` says what was asked.
    fn ask<Q: Ord, A: Clone + Weight>(
        &mut self,
        question: Q,
        notes: impl Fn(&mut Notes) -> &mut BTreeMap<Q, A>,
        ask: impl FnOnce(&mut Behind, &Q) -> Result<A, ReadError>,
        words: impl FnOnce(&Q) -> String,
    ) -> Result<A, ReadError> {
        if matches!(self.mode, Mode::Answering)
            && let Some(answer) = notes(&mut self.notes).get(&question)
        {
            return Ok(answer.clone());
        }
        let Some(behind) = &mut self.behind else {
            return Err(ReadError::Failed(self.miss(words(&question))));
        };
        let answer = ask(behind, &question)?;
        if matches!(self.mode, Mode::Noting) && self.has_room_for(&answer) {
            notes(&mut self.notes).insert(question, answer.clone());
        }
        Ok(answer)
    }

    /// Whether one more answer is noted. One too many, and none is.
    fn has_room_for(&mut self, answer: &impl Weight) -> bool {
        let room = self.bytes_left.checked_sub(NOTE_BYTES + answer.weight());
        match room {
            Some(left) if !self.overflowed => self.bytes_left = left,
            _ => {
                self.overflowed = true;
                self.notes = Notes::default();
            }
        }
        !self.overflowed
    }

    /// Notes what came of something that may come out otherwise the next time.
    pub(super) fn note<Q: Ord, A: Weight>(
        &mut self,
        question: Q,
        notes: impl Fn(&mut Notes) -> &mut BTreeMap<Q, VecDeque<A>>,
        answer: A,
    ) {
        if self.has_room_for(&answer) {
            notes(&mut self.notes).entry(question).or_default().push_back(answer);
        }
    }

    /// What is to be said about a question that the notes don't answer.
    pub(super) fn miss(&mut self, words: String) -> String {
        let said =
            format!("{words} is not in the recording: the recorded policy didn't ask for it");
        self.missing.get_or_insert(words);
        said
    }

    /// What no hook asks for.
    fn beside<T>(
        &mut self,
        words: &str,
        ask: impl FnOnce(&dyn View) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        match &self.behind {
            Some(behind) => ask(&*behind.view),
            None => Err(ReadError::Failed(self.miss(format!("`{words}`")))),
        }
    }
}

struct DeskLocks(Shared);

impl TaskLocks for DeskLocks {
    fn try_hold(&mut self, task: &TaskId) -> Result<bool, ReadError> {
        self.0.lock().ask(
            task.clone(),
            |notes| &mut notes.task_locks,
            |behind, task| behind.locks.try_hold(task),
            |task| format!("whether the task `{task}` is locked by hand"),
        )
    }
}

struct DeskView(Shared);

/// The questions that only the host asks, and never while a hook runs.
macro_rules! beside_hooks {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+) => {
        $(fn $name(&self, $($argument: $type),*) -> Result<$answer, ReadError> {
            self.0.lock().beside(stringify!($name), |view| view.$name($($argument),*))
        })+
    };
}

impl View for DeskView {
    fn head(&self) -> Result<Head, ReadError> {
        Ok(self.0.lock().head.clone())
    }

    fn task(&self, id: &TaskId) -> Result<Option<Task>, ReadError> {
        self.0.lock().ask(
            id.clone(),
            |notes| &mut notes.tasks,
            |behind, id| behind.view.task(id),
            |id| format!("the task `{id}`"),
        )
    }

    fn children(
        &self,
        parent: &TaskId,
        which: Family,
        past: Option<&TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskId>, ReadError> {
        self.0.lock().ask(
            ChildrenPage { parent: parent.clone(), which, past: past.cloned(), limit },
            |notes| &mut notes.children,
            |behind, page| {
                behind.view.children(&page.parent, which, page.past.as_ref(), page.limit)
            },
            |page| format!("this page of the children of `{}`", page.parent),
        )
    }

    fn ready(
        &self,
        query: &ReadyQuery,
        past: Option<OrderKey>,
        limit: usize,
    ) -> Result<Vec<Candidate>, ReadError> {
        self.0.lock().ask(
            ReadyPage { query: query.clone(), past, limit },
            |notes| &mut notes.ready,
            |behind, page| behind.view.ready(&page.query, page.past, page.limit),
            |page| format!("this page of the ready tasks (at most {})", page.limit),
        )
    }

    fn claims_held(&self, agent: &Name) -> Result<u32, ReadError> {
        self.0.lock().ask(
            agent.clone(),
            |notes| &mut notes.claims_held,
            |behind, agent| behind.view.claims_held(agent),
            |agent| format!("how many claims `{agent}` holds"),
        )
    }

    fn recall(&self, space: Space, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let recalled = self.0.lock().ask(
            (space, key.to_owned()),
            |notes| &mut notes.recalled,
            |behind, (space, key)| Ok(behind.view.recall(*space, key)?.map(Bytes)),
            |(_, key)| format!("what the policy remembered under `{key}`"),
        )?;
        Ok(recalled.map(|bytes| bytes.0))
    }

    fn remembered(&self, space: Space) -> Result<u32, ReadError> {
        self.0.lock().ask(
            space,
            |notes| &mut notes.remembered,
            |behind, space| behind.view.remembered(*space),
            |_| "how many keys the policy remembers".into(),
        )
    }

    beside_hooks! {
        policies() -> PolicySet;
        settings() -> BoardSettings;
        waiters(on: &TaskId, past: Option<&TaskId>, limit: usize) -> Vec<TaskId>;
        unasked(limit: usize) -> Vec<TaskId>;
        wakes(limit: usize) -> Vec<Wake>;
        due(now: &Instant, limit: usize) -> Vec<Due>;
        next_due(now: &Instant) -> Option<Millis>;
        vitals(limit: usize) -> Vec<Vital>;
        vital_claims(vital: &Vital, limit: usize) -> Vec<TaskId>;
        dependents(on: &TaskId, past: Option<&TaskId>, limit: usize) -> Vec<TaskId>;
        meta(key: &TaskId) -> Option<Json>;
        metas() -> Vec<(TaskId, Json)>;
        census() -> Census;
        dump(now: Millis, each: &mut dyn FnMut(Record) -> bool) -> ();
        key(command: Command, key: &str) -> Option<KeyRecord>;
        list(query: &ListQuery) -> Page;
    }
}
