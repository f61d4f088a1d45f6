//! One policy of a board: a component with its settings, and the instances that are asked.
//!
//! [`Part`] belongs to every transaction of the process; a [`Lane`] is what one transaction has of it.
//!
//! Invariants:
//!
//! - an instance serves one transaction at a time, and another one only after everything it staged was
//!   committed: its globals may remember what it did;
//! - one that failed, answered what can't be, or left handles open is thrown away.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use taskhost_board::{
    FailureKind, HookError, PolicyFailure, PolicyPin, Powers, Space, TaskId, Transaction,
};
use wasmtime::Store;
use wasmtime::component::Resource;

use crate::component::Compiled;
use crate::contract::Hook;
use crate::describe;
use crate::failure::{About, LOADING};
use crate::handles::{OpenTask, Task};
use crate::hooks::Hooks;
use crate::instance::{Instance, expect_policy};
use crate::limits::HookLimits;
use crate::log::Log;
use crate::machine::Machine;
use crate::own_limits::OwnLimits;
use crate::random::Random;
use crate::settings;
use crate::state::{Call, Settings, State};

/// How many instances wait for the next transaction. A process rarely has more transactions at a time, and
/// each may hold as much memory as the limit lets it.
const IDLE_MAX: usize = 4;

/// What an instance is given besides its component.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) machine: Arc<Machine>,
    pub(crate) limits: HookLimits,
    pub(crate) powers: Arc<dyn Powers>,
    /// The policy's name, or the beginning of its digest until it has said its name.
    pub(crate) name: String,
    pub(crate) space: Space,
    pub(crate) settings: Arc<Settings>,
}

/// One policy of a board.
pub(crate) struct Part {
    compiled: Arc<Compiled>,
    around: Surroundings,
    /// How many steps it may stage in one transaction, if its settings bound them.
    steps_max: Option<u32>,
    idle: Mutex<Vec<Instance>>,
}

impl Part {
    /// The policy with the settings of its pin, described if it never was.
    pub(crate) fn new(
        compiled: Arc<Compiled>,
        mut around: Surroundings,
        pin: &PolicyPin,
    ) -> Result<Self, PolicyFailure> {
        let (about, instance) = describe::described(&compiled, &around)
            .map_err(|error| expect_policy(error, &around.name))?;
        around.name = about.name.clone();
        around.settings = Arc::new(settings::resolve(pin, &about).map_err(|wrong| {
            let detail = format!("its settings on this board don't fit it: {wrong}");
            About { policy: &around.name, hook: LOADING }
                .failure(FailureKind::InvalidComponent, detail)
        })?);
        // The instance that described itself is as good as a fresh one, and saves making one.
        let idle = instance.into_iter().map(|mut instance| {
            instance.store.data_mut().settings = around.settings.clone();
            instance
        });
        let idle = Mutex::new(idle.collect());
        let steps_max = OwnLimits::of(pin).unwrap_or_default().steps;
        Ok(Self { compiled, around, steps_max, idle })
    }

    fn instance(&self) -> Result<Instance, HookError> {
        if let Some(idle) = self.idle.lock().pop() {
            return Ok(idle);
        }
        let mut fresh = Instance::new(&self.compiled, &self.around)?;
        if self.compiled.wasi {
            // At their first call the runtimes of some languages draw numbers for tables of their own. Drawn in a hook,
            // they would shift the hook's own, and it would decide otherwise than in an instance that was used before.
            fresh.describe(&self.compiled, &self.around)?;
        }
        Ok(fresh)
    }
}

/// What one transaction has of a policy.
pub(crate) struct Lane {
    part: Arc<Part>,
    /// The instance that answered before in this transaction.
    instance: Option<Instance>,
    /// How much linear memory the instance has that was asked last, in bytes.
    memory_bytes: u64,
}

/// A hook's call, besides the hook's own arguments.
pub(crate) struct Asked<'a> {
    pub(crate) hook: Hook,
    pub(crate) task: Option<&'a TaskId>,
    pub(crate) dry: bool,
    pub(crate) log: &'a mut Log,
}

impl Lane {
    pub(crate) fn new(part: Arc<Part>) -> Self {
        Self { part, instance: None, memory_bytes: 0 }
    }

    pub(crate) fn has(&self, hook: Hook) -> bool {
        self.part.compiled.exports.has(hook)
    }

    pub(crate) fn about(&self, hook: Hook) -> About<'_> {
        About::of(&self.part.around.name, hook)
    }

    /// How much linear memory the instance has that was asked last, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Lends the transaction to a hook and takes it back. `call` calls the hook, `read` says what its answer
    /// means: nothing for `standard`, and an error if it can't be meant.
    pub(crate) fn ask<R, T>(
        &mut self,
        tx: Transaction,
        asked: &mut Asked<'_>,
        call: impl FnOnce(&Hooks, &mut Store<State>, Option<Resource<Task>>) -> wasmtime::Result<R>,
        read: impl FnOnce(R, &Transaction) -> Result<Option<T>, String>,
    ) -> (Transaction, Result<Option<T>, HookError>) {
        let mut instance = match self.instance.take().map_or_else(|| self.part.instance(), Ok) {
            Ok(instance) => instance,
            Err(error) => return (tx, Err(error)),
        };
        let around = &self.part.around;
        let state = instance.store.data_mut();
        let lent =
            asked.task.map(|id| state.handles.open_task(OpenTask { id: id.clone(), read: None }));
        let lent = lent.and_then(Result::ok).map(|task| task.rep());
        state.call = Some(Call {
            random: Random::new(tx.seed(), around.space, asked.hook, asked.task),
            tx,
            hook: asked.hook,
            task: lent,
            dry: asked.dry,
            steps: 0,
            steps_max: self.part.steps_max,
            waited: Duration::ZERO,
        });
        state.log = std::mem::take(asked.log);
        state.log_before = state.log.len();

        let answered = instance.run(around, asked.hook, |hooks, store| {
            call(hooks, store, lent.map(Resource::new_borrow))
        });

        let state = instance.store.data_mut();
        let roomy = state.drain_wasi();
        *asked.log = std::mem::take(&mut state.log);
        // The lent task is the host's own handle; every other one the policy should have dropped.
        let lent_closed = lent.is_none_or(|rep| state.handles.close(rep).is_ok());
        let left_open = state.handles.close_all();
        let call = state.call.take().expect("nothing takes the call away while it runs");
        self.memory_bytes = state.memory.peak_bytes();
        let answer = answered.and_then(|answer| {
            read(answer, &call.tx).map_err(|wrong| self.about(asked.hook).invalid_step(wrong))
        });
        if answer.is_ok() && roomy && lent_closed && !left_open {
            self.instance = Some(instance);
        }
        (call.tx, answer)
    }

    /// The transaction was committed: what this instance remembers is true. One that has grown much isn't kept all the
    /// same: runtimes that collect their garbage late, as those of JavaScript do, reach the limit before they collect it.
    pub(crate) fn keep(self) {
        if let Some(instance) = self.instance.filter(|i| i.store.data().memory.is_roomy()) {
            let mut idle = self.part.idle.lock();
            if idle.len() < IDLE_MAX {
                idle.push(instance);
            }
        }
    }
}
