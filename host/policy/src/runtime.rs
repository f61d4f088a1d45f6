//! The door: [`Runtime`] is what a board asks for its policies.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use taskhost_board::{
    Description, Digest, Policies, Policy, PolicyFailure, PolicyLimits, PolicyPin, PolicySet,
    Powers, PrepareError, ReadError, Space,
};

use crate::anatomy::Anatomy;
use crate::component::Compiled;
use crate::contract::{Contracts, OlderContract};
use crate::instance::expect_policy;
use crate::limits::HookLimits;
use crate::machine::Machine;
use crate::own_limits::OwnLimits;
use crate::pair::Pair;
use crate::part::{Part, Surroundings};
use crate::state::Settings;
use crate::{describe, settings};

/// How many sets of policies stay ready: the one in use, and those that a switch or a comparison is about.
const READY_MAX: usize = 4;

/// What a [`Runtime`] is made of.
#[derive(Clone)]
pub struct RuntimeOptions {
    /// What every hook call may use.
    pub limits: HookLimits,
    /// Where compiled code is kept between processes: a directory that nobody else can write to, or it isn't
    /// used. Nothing is kept if there is none.
    pub cache_dir: Option<PathBuf>,
    /// The store's locks and files.
    pub powers: Arc<dyn Powers>,
    /// Versions of the contract to be run besides those that are run anyway.
    #[doc(hidden)]
    pub older: Vec<OlderContract>,
}

impl RuntimeOptions {
    /// The default limits, and the cache in the user's cache directory.
    #[must_use]
    pub fn new(powers: Arc<dyn Powers>) -> Self {
        Self {
            limits: HookLimits::default(),
            cache_dir: crate::default_cache_dir(),
            powers,
            older: Vec::new(),
        }
    }
}

/// WebAssembly can't be run here.
#[derive(Debug, Clone, thiserror::Error)]
#[error("policies can't be run on this machine: {0}")]
pub struct RuntimeError(String);

/// Runs the policies of a board.
///
/// What it compiles is shared by all runtimes of the process that have the same cache and stack limit;
/// instances are not shared.
pub struct Runtime {
    machine: Arc<Machine>,
    options: RuntimeOptions,
    /// The latest last.
    ready: Mutex<Vec<Arc<Pair>>>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("limits", &self.options.limits).finish_non_exhaustive()
    }
}

impl Runtime {
    /// A runtime with nothing compiled.
    ///
    /// # Errors
    ///
    /// If the processor or the operating system lacks what compiled code needs.
    pub fn new(options: RuntimeOptions) -> Result<Self, RuntimeError> {
        let contracts = Contracts::with(&options.older);
        let machine = Machine::shared(&options.limits, options.cache_dir.as_deref(), contracts)
            .map_err(|error| RuntimeError(crate::failure::chain_text(&error)))?;
        Ok(Self { machine, options, ready: Mutex::new(Vec::new()) })
    }

    /// What a component is made of. Nothing of it is compiled or run.
    ///
    /// # Errors
    ///
    /// Every mismatch between it and the contract.
    pub fn examine(&self, component: &[u8]) -> Result<Anatomy, PolicyFailure> {
        self.machine.examine(component, &self.options.limits)
    }

    fn surroundings(&self, name: String, space: Space, limits: HookLimits) -> Surroundings {
        Surroundings {
            machine: self.machine.clone(),
            limits,
            powers: self.options.powers.clone(),
            name,
            space,
            settings: Arc::new(Settings::new()),
        }
    }

    fn part(
        &self,
        pin: &PolicyPin,
        space: Space,
        limits: &PolicyLimits,
        fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<Part>, PrepareError> {
        let compiled = self.compiled(pin.digest, fetch)?;
        // That they are well-formed is checked with the other settings.
        let own = OwnLimits::of(pin).unwrap_or_default();
        let limits = own.and(self.options.limits.clone().on(limits));
        let around = self.surroundings(pin.digest.short(), space, limits);
        Ok(Arc::new(Part::new(compiled, around, pin)?))
    }

    fn compiled(
        &self,
        digest: Digest,
        fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<Compiled>, PrepareError> {
        if let Some(compiled) = self.machine.compiled(digest) {
            return Ok(compiled);
        }
        let bytes = fetch(digest)?;
        let found = Digest::of(&bytes);
        if found != digest {
            let text = format!("the component `{digest}` has the digest `{found}`");
            return Err(ReadError::Damaged(text).into());
        }
        Ok(self.machine.compile(digest, &bytes, &self.options.limits)?)
    }

    /// What the component that has this digest says about itself.
    fn described(&self, digest: Digest, component: &[u8]) -> Result<Description, PolicyFailure> {
        let compiled = self.machine.compile(digest, component, &self.options.limits)?;
        let name = compiled.digest.short();
        let around = self.surroundings(name.clone(), Space::Custom, self.options.limits.clone());
        let (about, _) =
            describe::described(&compiled, &around).map_err(|error| expect_policy(error, &name))?;
        Ok(about)
    }
}

impl Policies for Runtime {
    fn ready(&self, set: &PolicySet, limits: &PolicyLimits) -> Option<Arc<dyn Policy>> {
        let ready = self.ready.lock();
        let found = ready.iter().rev().find(|pair| pair.set == *set && pair.limits == *limits)?;
        Some(found.clone())
    }

    fn prepare(
        &self,
        set: &PolicySet,
        limits: &PolicyLimits,
        fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<dyn Policy>, PrepareError> {
        if let Some(ready) = self.ready(set, limits) {
            return Ok(ready);
        }
        let custom = match &set.custom {
            Some(pin) => Some(self.part(pin, Space::Custom, limits, fetch)?),
            None => None,
        };
        let standard = self.part(&set.standard, Space::Standard, limits, fetch)?;
        let pair = Arc::new(Pair { set: set.clone(), limits: limits.clone(), custom, standard });
        let mut ready = self.ready.lock();
        if ready.len() >= READY_MAX {
            ready.remove(0);
        }
        ready.push(pair.clone());
        Ok(pair)
    }

    fn check(&self, component: &[u8]) -> Result<Description, PolicyFailure> {
        let digest = Digest::of(component);
        if self.machine.compiled(digest).is_none() {
            self.examine(component)?;
        }
        self.described(digest, component)
    }

    fn describe(&self, component: &[u8]) -> Result<Description, PolicyFailure> {
        self.described(Digest::of(component), component)
    }

    fn check_settings(&self, pin: &PolicyPin, about: &Description) -> Result<(), String> {
        settings::resolve(pin, about).map(|_| ())
    }

    fn check_limits(&self, pin: &PolicyPin, board: &PolicyLimits) -> Result<(), String> {
        OwnLimits::of(pin)?.within(&self.options.limits.clone().on(board), board.steps)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use taskhost_board::NoPowers;

    use super::*;

    // `config set` bounds what it sets; a board from elsewhere brings its settings along, and its policy held the lock
    // for as long, and took as much memory, as they said.
    #[test]
    fn limits_that_came_with_a_board_are_bounded() {
        let runtime = Runtime::new(RuntimeOptions::new(Arc::new(NoPowers))).expect("a runtime");
        let limits = |value: u64| {
            runtime.options.limits.clone().on(&PolicyLimits {
                deadline_ms: Some(value),
                memory_bytes: Some(value),
                steps: None,
            })
        };
        let most = limits(u64::MAX);
        assert_eq!(most.deadline, HookLimits::DEADLINE_SETTABLE_MAX);
        assert_eq!(most.memory_bytes_max as u64, HookLimits::MEMORY_SETTABLE_MAX);
        let small = limits(2_000_000);
        assert_eq!(
            (small.deadline, small.memory_bytes_max),
            (HookLimits::DEADLINE_SETTABLE_MAX, 2_000_000)
        );
        assert_eq!(limits(20_000).deadline, Duration::from_secs(20));
    }
}
