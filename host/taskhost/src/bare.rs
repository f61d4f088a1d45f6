//! What can be done without a board that is open: check a policy, try one, examine a board that may be past opening.

use std::sync::Arc;

use taskhost_board::{
    BeginError, Description, Finding, NoPowers, Policies, Powers, ReadError, Report, Severity,
};
use taskhost_policy::{Anatomy, Runtime, RuntimeOptions};

use crate::{Address, Error, OpenError, OpenOptions, stores};

/// Checks that `component` is a policy, and says what it says about itself.
pub fn check_policy(component: &[u8]) -> Result<Description, Error> {
    Ok(runtime()?.check(component).map_err(taskhost_board::Error::from)?)
}

/// What a component is made of, if it fits the contract. Nothing of it is compiled or run, so this takes no time.
pub fn anatomy(component: &[u8]) -> Result<Anatomy, Error> {
    Ok(runtime()?.examine(component).map_err(taskhost_board::Error::from)?)
}

/// What a policy says about itself, and what the component is made of.
pub fn examine_policy(component: &[u8]) -> Result<(Description, Anatomy), Error> {
    let runtime = runtime()?;
    let anatomy = runtime.examine(component).map_err(taskhost_board::Error::from)?;
    Ok((runtime.describe(component).map_err(taskhost_board::Error::from)?, anatomy))
}

/// What runs policies on a board of one's own making, such as a [`taskhost_board::memory::MemoryStore`], whose locks
/// and files are `powers`.
pub fn policies(powers: Arc<dyn Powers>) -> Result<Arc<dyn Policies>, Error> {
    Ok(Arc::new(Runtime::new(RuntimeOptions::new(powers))?))
}

/// Looks at every part of the board at `address` and says what is wrong with it, even if it can't be
/// opened. Repairs nothing.
pub fn examine(address: impl Into<Address>, options: &OpenOptions) -> Result<Report, Error> {
    match stores::open(&address.into(), options) {
        Ok(store) => Ok(store.doctor()),
        Err(OpenError::Begin(BeginError::Read(ReadError::Damaged(what)))) => Ok(past_opening(what)),
        Err(error) => Err(error.into()),
    }
}

fn past_opening(what: String) -> Report {
    let finding = Finding {
        severity: Severity::Damage,
        place: "board".into(),
        what,
        next: "the board can't be opened like this: see what `taskhost doctor --repair` would do, or restore it from a \
               copy; nothing was changed"
            .into(),
    };
    Report { findings: vec![finding], ..Report::default() }
}

/// A runtime for policies that are only asked about themselves.
pub(crate) fn runtime() -> Result<Runtime, Error> {
    Ok(Runtime::new(RuntimeOptions::new(Arc::new(NoPowers)))?)
}
