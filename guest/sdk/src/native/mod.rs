//! What the contract's imports are off WebAssembly: the same types and functions, answered by a [`Host`] on this thread,
//! where WebAssembly has the real one. A policy's unit tests have the board of [`mock`](crate::mock) there.
//!
//! - [`with_host`] puts a host up for as long as a hook runs; [`classify`], [`choose`], [`on_event`] and [`recover`] call
//!   the hooks.
//!
//! `types` needs nobody to answer it and is generated here as there. The rest has the names and signatures that
//! `wit-bindgen` gives it, so that a policy is the same source on both sides.

pub mod board;
pub mod files;
mod hooks;
mod host;
pub mod locks;
pub mod transactions;

use std::any::Any;
use std::cell::RefCell;

pub use hooks::{choose, classify, on_event, recover};
pub use host::{Host, PAGE_MAX};

const NO_HANDLES: &str = "components are called by handles, and this is none";

thread_local! {
    /// Who answers the hook that runs on this thread.
    static HOST: RefCell<Option<Box<dyn Host>>> = const { RefCell::new(None) };
}

/// Puts up a host for as long as `hook` runs, and gives it back as the hook has left it. If the hook panics, the host is
/// lost.
///
/// # Panics
///
/// If there is a host on this thread already.
pub fn with_host<H: Host, T>(host: H, hook: impl FnOnce() -> T) -> (H, T) {
    /// Takes the host down even if the hook panics.
    struct Down;
    impl Drop for Down {
        fn drop(&mut self) {
            HOST.with_borrow_mut(Option::take);
        }
    }
    HOST.with_borrow_mut(|there| {
        assert!(there.is_none(), "a hook can't be called from within a hook");
        *there = Some(Box::new(host));
    });
    let _down = Down;
    let answer = hook();
    let host: Option<Box<dyn Any>> = HOST.with_borrow_mut(Option::take).map(|host| host as _);
    let host = host.and_then(|host| host.downcast::<H>().ok());
    (*host.expect("only this function puts a host up and takes it down"), answer)
}

/// Asks the host that is up.
fn ask<T>(question: impl FnOnce(&mut dyn Host) -> T) -> T {
    HOST.with_borrow_mut(|host| {
        let host = host.as_deref_mut();
        question(host.expect("there is no board here: call the hook through `taskhost_sdk::mock`"))
    })
}

/// Tells the host that is up, if there is still one: where a hook panics, it may be gone already.
fn if_up(tell: impl FnOnce(&mut dyn Host)) {
    HOST.with_borrow_mut(|host| host.as_deref_mut().map(tell));
}

/// The policy's settings.
pub mod settings {
    /// As in the contract.
    pub fn get(name: &str) -> Option<String> {
        super::ask(|host| host.setting(name))
    }
}

/// The transaction's time.
pub mod clock {
    use crate::Millis;

    /// As in the contract.
    pub fn now() -> Millis {
        super::ask(|host| host.now())
    }
}

/// Numbers drawn from the transaction's seed.
pub mod random {
    /// As in the contract.
    pub fn next() -> u32 {
        super::ask(|host| host.random())
    }
}

/// Lines for the policy's author.
pub mod log {
    /// As in the contract.
    pub fn write(line: &str) {
        super::ask(|host| host.log(line));
    }
}
