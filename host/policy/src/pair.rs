//! A board's two policies as one that always answers.
//!
//! The policy that was set is asked first, if there is one. A hook that it hasn't, and the answer `standard`,
//! go to the standard policy; what was staged before stays. The standard policy has the last word: where it
//! has none, that is its failure, and never a default of the host's.

use std::sync::Arc;

use taskhost_board::{
    Agent, Cause, Choice, Classified, Event, Filter, HookError, Hooked, Hooks as BoardHooks,
    Policy, PolicyFailure, PolicyLimits, PolicySet, Rescue, TaskId, Transaction, Verdict,
};
use wasmtime::Store;
use wasmtime::component::Resource;

use crate::answers;
use crate::bindings::exports::taskhost::policy::recovery;
use crate::contract::Hook;
use crate::failure::Abort;
use crate::handles::Task;
use crate::hooks::Hooks;
use crate::log::Log;
use crate::part::{Asked, Lane, Part};
use crate::state::State;
use crate::words;

/// The policies of one set, ready to be asked.
pub(crate) struct Pair {
    pub(crate) set: PolicySet,
    pub(crate) limits: PolicyLimits,
    pub(crate) custom: Option<Arc<Part>>,
    pub(crate) standard: Arc<Part>,
}

impl Policy for Pair {
    fn enter(&self, dry: bool) -> Box<dyn BoardHooks> {
        Box::new(Session {
            custom: self.custom.clone().map(Lane::new),
            standard: Lane::new(self.standard.clone()),
            dry,
            log: Log::default(),
            memory_bytes: 0,
        })
    }
}

/// The policies during one transaction.
struct Session {
    custom: Option<Lane>,
    standard: Lane,
    dry: bool,
    log: Log,
    /// How much linear memory the instances have that were asked for the last hook, at most, in bytes.
    memory_bytes: u64,
}

fn lent(task: Option<Resource<Task>>) -> wasmtime::Result<Resource<Task>> {
    task.ok_or_else(|| Abort::NoSuchHandle.into())
}

impl Session {
    /// Asks the one policy, then the other, until one answers other than `standard`.
    fn decide<R, T>(
        &mut self,
        mut tx: Transaction,
        hook: Hook,
        task: Option<&TaskId>,
        call: impl Fn(&Hooks, &mut Store<State>, Option<Resource<Task>>) -> wasmtime::Result<R>,
        read: impl Fn(R, &Transaction) -> Result<Option<T>, String>,
    ) -> Hooked<T> {
        self.memory_bytes = 0;
        let mut asked = Asked { hook, task, dry: self.dry, log: &mut self.log };
        for lane in self.custom.iter_mut().chain([&mut self.standard]) {
            if !lane.has(hook) {
                continue;
            }
            let (back, answer) = lane.ask(tx, &mut asked, &call, &read);
            tx = back;
            self.memory_bytes = self.memory_bytes.max(lane.memory_bytes());
            if let Some(answer) = answer.transpose() {
                let answer = answer.map_err(|error| about_task(error, task));
                return Hooked { tx, answer };
            }
        }
        let detail = if self.standard.has(hook) {
            "it is the standard policy, and answered `standard`: it must decide"
        } else {
            "it is the standard policy, and lacks this hook: it must have them all"
        };
        Hooked { tx, answer: Err(self.standard.about(hook).invalid_step(detail)) }
    }
}

fn about_task(error: HookError, task: Option<&TaskId>) -> HookError {
    match error {
        HookError::Policy(failure) => {
            HookError::Policy(PolicyFailure { task: task.cloned(), ..failure })
        }
        HookError::Read(_) => error,
    }
}

impl BoardHooks for Session {
    fn classify(&mut self, tx: Transaction, task: &TaskId) -> Hooked<Classified> {
        self.decide(
            tx,
            Hook::Readiness,
            Some(task),
            |hooks, store, task| hooks.classify(store, lent(task)?),
            |answer, _| answers::readiness(answer),
        )
    }

    fn choose(
        &mut self,
        tx: Transaction,
        asker: &Agent,
        filter: &Filter,
        lease_ms: Option<u64>,
    ) -> Hooked<Choice> {
        let request = words::request(asker, filter, lease_ms);
        self.decide(
            tx,
            Hook::Assignment,
            None,
            |hooks, store, _| hooks.choose(store, request.clone()),
            answers::assignment,
        )
    }

    fn on_event(
        &mut self,
        tx: Transaction,
        task: &TaskId,
        event: Event,
        detail: &str,
    ) -> Hooked<Verdict> {
        self.decide(
            tx,
            Hook::Lifecycle,
            Some(task),
            |hooks, store, task| hooks.on_event(store, lent(task)?, event.as_str(), detail),
            |answer, _| answers::lifecycle(answer, event),
        )
    }

    fn recover(&mut self, tx: Transaction, task: &TaskId, cause: Cause) -> Hooked<Rescue> {
        let cause = match cause {
            Cause::HolderDead => recovery::Cause::HolderDead,
            _ => recovery::Cause::LeaseOver,
        };
        self.decide(
            tx,
            Hook::Recovery,
            Some(task),
            |hooks, store, task| hooks.recover(store, lent(task)?, cause),
            |answer, tx| answers::recovery(answer, tx.now().wall),
        )
    }

    fn take_log(&mut self) -> Vec<String> {
        self.log.take()
    }

    fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    fn close(self: Box<Self>, committed: bool) {
        if committed {
            self.custom.into_iter().chain([self.standard]).for_each(Lane::keep);
        }
    }
}
