//! Many at once: what starts them together, and the policies that they are given work by.

use std::sync::{Arc, Barrier};

use taskhost_board::plain::{OnlyPolicy, PlainPolicies};
use taskhost_board::{
    Agent, Cause, Choice, Classified, Engine, Event, Family, Filter, HookError, Hooked, Hooks,
    Policies, Policy, ReadError, Readiness, Rescue, Space, Status, TaskId, Transaction, Verdict,
    delegate_hooks,
};

use crate::board::Board;

/// What one of many does.
pub(crate) type Job<'a, T> = Box<dyn FnOnce() -> T + Send + 'a>;

/// Does all of it at once, each in a thread of its own, and gives what came of it in the same order.
pub(crate) fn at_once<T: Send>(jobs: Vec<Job<'_, T>>) -> Vec<T> {
    let start = Barrier::new(jobs.len());
    std::thread::scope(|scope| {
        let start = &start;
        let threads: Vec<_> = jobs
            .into_iter()
            .map(|job| {
                scope.spawn(move || {
                    start.wait();
                    job()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// The commands of as many, decided by `policies`: half of them have a handle of the board each, as processes have, and
/// the others share one, as threads do.
pub(crate) fn crew(board: &Board, count: usize, policies: &Arc<dyn Policies>) -> Vec<Engine> {
    (0..count)
        .map(|n| match n % 2 {
            0 => board.another(policies.clone(), 1_000_000 * (n as u64 + 1)),
            _ => board.engine.clone(),
        })
        .collect()
}

pub(crate) fn plain() -> Arc<dyn Policies> {
    Arc::new(PlainPolicies::default())
}

/// A policy that differs from the plain one in what these say.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    /// Whether a pending task may be claimed.
    pub(crate) classify: fn(&Transaction, &TaskId) -> Result<Option<Readiness>, ReadError>,
    /// What is done before somebody is given work; an answer is given instead of it.
    pub(crate) before: fn(&mut Transaction, &Agent) -> Result<Option<Choice>, ReadError>,
    /// What follows from an event.
    pub(crate) follow: fn(&mut Transaction, &TaskId, Event) -> Result<(), ReadError>,
}

/// Decides as the plain policy does.
pub(crate) const RULES: Rules =
    Rules { classify: |_, _| Ok(None), before: |_, _| Ok(None), follow: |_, _, _| Ok(()) };

/// Every task is ready, whatever it belongs to.
pub(crate) const ALWAYS_READY: Rules =
    Rules { classify: |_, _| Ok(Some(Readiness::Ready(0))), ..RULES };

impl Rules {
    pub(crate) fn policies(self) -> Arc<dyn Policies> {
        Arc::new(OnlyPolicy::new(self))
    }
}

struct RulesHooks {
    rules: Rules,
    plain: Box<dyn Hooks>,
}

impl Policy for Rules {
    fn enter(&self, dry: bool) -> Box<dyn Hooks> {
        Box::new(RulesHooks { rules: *self, plain: PlainPolicies::default().enter(dry) })
    }
}

impl Hooks for RulesHooks {
    delegate_hooks!(plain: take_log memory_bytes close);

    fn classify(&mut self, tx: Transaction, task: &TaskId) -> Hooked<Classified> {
        match (self.rules.classify)(&tx, task) {
            Ok(Some(readiness)) => Hooked { tx, answer: Ok(Classified::Is(readiness)) },
            Ok(None) => self.plain.classify(tx, task),
            Err(error) => Hooked { tx, answer: Err(HookError::Read(error)) },
        }
    }

    fn choose(
        &mut self,
        mut tx: Transaction,
        asker: &Agent,
        filter: &Filter,
        lease_ms: Option<u64>,
    ) -> Hooked<Choice> {
        match (self.rules.before)(&mut tx, asker) {
            Ok(Some(choice)) => Hooked { tx, answer: Ok(choice) },
            Ok(None) => self.plain.choose(tx, asker, filter, lease_ms),
            Err(error) => Hooked { tx, answer: Err(HookError::Read(error)) },
        }
    }

    fn on_event(
        &mut self,
        mut tx: Transaction,
        task: &TaskId,
        event: Event,
        _detail: &str,
    ) -> Hooked<Verdict> {
        let followed = (self.rules.follow)(&mut tx, task, event);
        Hooked { tx, answer: followed.map(|()| Verdict::Accept).map_err(HookError::Read) }
    }

    fn recover(&mut self, tx: Transaction, task: &TaskId, cause: Cause) -> Hooked<Rescue> {
        self.plain.recover(tx, task, cause)
    }
}

/// The parent of `task`, if nothing below that parent is open.
fn parent_without_open(tx: &Transaction, task: &TaskId) -> Result<Option<TaskId>, ReadError> {
    let Some(parent) = tx.task(task)?.and_then(|task| task.parent) else { return Ok(None) };
    let open = tx.children(&parent, Family::Open, None, 1)?;
    Ok(open.is_empty().then_some(parent))
}

/// A task may be claimed once none of its parts is open: it waits for the first of those that are.
fn ready_after_parts(tx: &Transaction, task: &TaskId) -> Result<Option<Readiness>, ReadError> {
    let open = tx.children(task, Family::Open, None, 1)?;
    Ok(Some(match open.is_empty() {
        true => Readiness::Ready(0),
        false => Readiness::Waiting { on: open, why: None },
    }))
}

/// What has parts may be claimed once all of them have ended.
pub(crate) const PARTS_FIRST: Rules = Rules { classify: ready_after_parts, ..RULES };

/// What has parts is completed with the last of them.
pub(crate) const PARTS_COMPLETE: Rules = Rules {
    classify: ready_after_parts,
    follow: |tx, task, event| {
        if event == Event::Completed
            && let Some(parent) = parent_without_open(tx, task)?
        {
            tx.stage_status(&parent, Status::Completed, "its parts are done").unwrap();
        }
        Ok(())
    },
    ..RULES
};

/// How many claims agents of one name have at most by [`COUNTED`].
pub(crate) const HELD_MAX: u32 = 3;
/// Under which key [`COUNTED`] remembers how many claims it has given.
pub(crate) const GIVEN: &str = "given";

/// What a policy remembered as a number.
pub(crate) fn number(value: Option<Vec<u8>>) -> u64 {
    value.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()))
}

/// Gives agents of a name no more than [`HELD_MAX`], and counts what it has given.
pub(crate) const COUNTED: Rules = Rules {
    before: |tx, asker| {
        if tx.claims_held(&asker.name)? >= HELD_MAX {
            return Ok(Some(Choice::Nothing(Some("that is enough".into()))));
        }
        let given = number(tx.recall(Space::Standard, GIVEN)?) + 1;
        let value = Some(given.to_be_bytes().to_vec());
        tx.stage_remember(Space::Standard, GIVEN, value).unwrap();
        Ok(None)
    },
    ..RULES
};
