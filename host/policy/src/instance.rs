//! One running instance of a policy.
//!
//! [`Instance::new`] is the one place that makes a wasmtime store, and it sets every limit there is; the
//! deadline is set anew for every call, and code that runs without one is ended at once. An instance that a
//! call failed in is never called again.

use std::time::Instant;

use taskhost_board::{
    Description, FailureKind, HookError, PolicyFailure, ReadError, SettingDeclaration, SettingType,
};
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::exports::taskhost::policy::about::{self, ValueType};
use crate::component::Compiled;
use crate::contract::Hook;
use crate::failure::{About, LOADING, explain, late, mismatched};
use crate::handles::Handles;
use crate::hooks::Hooks;
use crate::limits::MemoryLimiter;
use crate::log::Log;
use crate::part::Surroundings;
use crate::state::State;
use crate::wasi::Wasi;

/// How often instantiating is tried again where the kernel was busy.
const BUSY_TRIES_MAX: usize = 4;

/// The kernel was busy with the pages of the component's memory: as seen on machines that watch which pages are used, where
/// the image that new memories begin with can't be sealed at that moment. Each try waits in the kernel.
struct Busy(HookError);

fn is_busy(error: &wasmtime::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::ResourceBusy)
}

/// An instance, with its hooks looked up.
pub(crate) struct Instance {
    pub(crate) store: Store<State>,
    pub(crate) hooks: Hooks,
}

impl Instance {
    /// Instantiates the component, which may run its code.
    pub(crate) fn new(compiled: &Compiled, around: &Surroundings) -> Result<Self, HookError> {
        let mut tries = 0;
        loop {
            match Self::try_new(compiled, around)? {
                Ok(instance) => return Ok(instance),
                Err(Busy(_)) if tries < BUSY_TRIES_MAX => tries += 1,
                Err(Busy(error)) => return Err(error),
            }
        }
    }

    fn try_new(
        compiled: &Compiled,
        around: &Surroundings,
    ) -> Result<Result<Self, Busy>, HookError> {
        let limits = &around.limits;
        let state = State {
            memory: MemoryLimiter::new(limits.memory_bytes_max),
            handles: Handles::new(limits.handles_max),
            space: around.space,
            settings: around.settings.clone(),
            powers: around.powers.clone(),
            wasi: compiled.wasi.then(|| Box::new(Wasi::new(2 * limits.handles_max))),
            deadline: Some(Instant::now() + limits.deadline),
            boundary_bytes_left: limits.boundary_bytes_max,
            log: Log::default(),
            log_before: 0,
            call: None,
        };
        let mut store = Store::new(&around.machine.engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(limits.boundary_bytes_max);
        store.set_max_component_handles(2 * limits.handles_max as usize);
        // Every tick asks for the time, so that time spent in the host counts, and a late tick shortens
        // nobody's deadline.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            Ok(match store.data().deadline {
                Some(deadline) if Instant::now() < deadline => UpdateDeadline::Continue(1),
                _ => UpdateDeadline::Interrupt,
            })
        });

        let about = About { policy: &around.name, hook: LOADING };
        let _running = around.machine.ticker.enter().map_err(no_ticker)?;
        let instance = match compiled.pre.instantiate(&mut store) {
            Ok(instance) => instance,
            Err(error) => {
                let is_busy = is_busy(&error);
                let error = explain(&about, &error, store.data(), limits);
                return if is_busy { Ok(Err(Busy(error))) } else { Err(error) };
            }
        };
        let hooks = Hooks::load(compiled, &mut store, &instance)
            .map_err(|mismatches| mismatched(&around.name, &mismatches))?;
        store.data_mut().memory.is_ready();
        Ok(Ok(Self { store, hooks }))
    }

    /// Runs `call` under the limits of one call. What it leaves in the state (the transaction, handles) is
    /// the caller's to take away, whether it succeeds or not.
    pub(crate) fn run<T>(
        &mut self,
        around: &Surroundings,
        hook: Hook,
        call: impl FnOnce(&Hooks, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, HookError> {
        self.run_until(Instant::now() + around.limits.deadline, around, hook, call)
    }

    fn run_until<T>(
        &mut self,
        deadline: Instant,
        around: &Surroundings,
        hook: Hook,
        call: impl FnOnce(&Hooks, &mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, HookError> {
        let _running = around.machine.ticker.enter().map_err(no_ticker)?;
        let state = self.store.data_mut();
        state.deadline = Some(deadline);
        state.boundary_bytes_left = around.limits.boundary_bytes_max;
        state.memory.refused = false;
        let answer = call(&self.hooks, &mut self.store);
        let ended = Instant::now();

        let about = About::of(&around.name, hook);
        let state = self.store.data_mut();
        state.deadline = None;
        match answer {
            // The policy's own code is interrupted in time; the host is not.
            Ok(_) if ended > deadline => {
                let (kind, detail) = late(state, &around.limits);
                Err(about.failure(kind, detail).into())
            }
            Ok(answer) => Ok(answer),
            Err(error) => {
                state.drain_wasi();
                Err(explain(&about, &error, state, &around.limits))
            }
        }
    }

    /// What the policy says about itself, asked before anything else. It has what instantiating it left of its deadline,
    /// so that a hook that needs a fresh instance waits for one deadline before its own, and not for two. Whether it makes
    /// sense is [`crate::describe`]'s to check.
    pub(crate) fn describe(
        &mut self,
        compiled: &Compiled,
        around: &Surroundings,
    ) -> Result<Description, HookError> {
        let deadline = self.store.data().deadline.expect("nothing ran since it was instantiated");
        let said =
            self.run_until(deadline, around, Hook::About, |hooks, store| hooks.describe(store))?;
        let all = [Hook::Readiness, Hook::Assignment, Hook::Lifecycle, Hook::Recovery];
        let hooks = all.into_iter().filter(|hook| compiled.exports.has(*hook));
        Ok(Description {
            name: said.name,
            version: said.version,
            summary: said.summary,
            settings: said.settings.into_iter().map(declaration).collect(),
            hooks: hooks.map(|hook| hook.name().to_owned()).collect(),
        })
    }
}

fn declaration(said: about::Setting) -> SettingDeclaration {
    SettingDeclaration {
        name: said.name,
        setting_type: match said.value_type {
            ValueType::Text => SettingType::Text,
            ValueType::Integer => SettingType::Integer,
            ValueType::Boolean => SettingType::Boolean,
            ValueType::Duration => SettingType::Duration,
            ValueType::Choice(words) => SettingType::Choice(words),
        },
        default: said.default_value,
        doc: said.doc,
    }
}

/// Without a ticker nothing would end an endless loop, so nothing is called.
fn no_ticker(error: std::io::Error) -> HookError {
    let text = format!("the thread that keeps policies' deadlines can't be started: {error}");
    HookError::Read(ReadError::Failed(text))
}

/// A failure of a policy in a place where the board isn't read.
pub(crate) fn expect_policy(error: HookError, policy: &str) -> PolicyFailure {
    match error {
        HookError::Policy(failure) => failure,
        HookError::Read(error) => {
            About { policy, hook: LOADING }.failure(FailureKind::Trap, error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use taskhost_board::{Digest, NoPowers, Space};

    use super::*;
    use crate::contract::Contracts;
    use crate::limits::HookLimits;
    use crate::machine::Machine;

    // A fresh instance of a policy that wants WASI describes itself before it is asked, and had a deadline of its own for
    // that; so a hook could hold the board's lock for three deadlines, where two were promised.
    #[test]
    fn describing_has_only_what_instantiating_left_of_the_deadline() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = taskhost_guest_build::target_dir(&root);
        let built = taskhost_guest_build::build_all(&["taskhost-standard"], &root, &target);
        let component = built.expect("it builds").remove(0);
        let limits = HookLimits { deadline: Duration::from_secs(60), ..HookLimits::default() };
        let machine = Machine::shared(&limits, None, Contracts::with(&[])).expect("a machine");
        let compiled =
            machine.compile(Digest::of(&component), &component, &limits).expect("it is a policy");
        let around = Surroundings {
            machine,
            limits,
            powers: Arc::new(NoPowers),
            name: "standard".into(),
            space: Space::Standard,
            settings: Arc::default(),
        };
        let fresh = || Instance::new(&compiled, &around).map_err(|error| error.to_string());
        assert!(fresh().expect("an instance").describe(&compiled, &around).is_ok());
        // As if instantiating had taken all of it.
        let mut late = fresh().expect("an instance");
        late.store.data_mut().deadline = Some(Instant::now());
        match late.describe(&compiled, &around) {
            Err(HookError::Policy(failure)) => assert_eq!(failure.kind, FailureKind::Deadline),
            other => panic!("{other:?}"),
        }
    }
}
