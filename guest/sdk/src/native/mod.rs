//! What the contract's imports are off WebAssembly: the same types and functions, answered by the board that
//! [`mock`](crate::mock) has put up on this thread, where WebAssembly has the host.
//!
//! `types` needs nobody to answer it and is generated here as there. The rest has the names and signatures that
//! `wit-bindgen` gives it, so that a policy is the same source on both sides.

pub mod board;
pub mod files;
pub mod locks;
pub mod transactions;

use std::cell::RefCell;

use crate::mock::World;

const NO_HANDLES: &str = "components are called by handles, and this is none";

thread_local! {
    /// The board of the hook that runs on this thread.
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Puts up a board for as long as `hook` runs, and gives it back as the hook has left it.
pub(crate) fn with_world<T>(world: World, hook: impl FnOnce() -> T) -> (World, T) {
    /// Takes the board down even if the hook panics.
    struct Down;
    impl Drop for Down {
        fn drop(&mut self) {
            WORLD.with_borrow_mut(Option::take);
        }
    }
    WORLD.with_borrow_mut(|there| {
        assert!(there.is_none(), "a hook can't be called from within a hook");
        *there = Some(world);
    });
    let _down = Down;
    let answer = hook();
    let world = WORLD.with_borrow_mut(Option::take);
    (world.expect("only this function takes it down"), answer)
}

/// Asks the board that is up.
fn ask<T>(question: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(|world| {
        let world = world.as_mut();
        question(world.expect("there is no board here: call the hook through `taskhost_sdk::mock`"))
    })
}

/// The policy's settings.
pub mod settings {
    /// As in the contract.
    pub fn get(name: &str) -> Option<String> {
        super::ask(|world| world.setting(name))
    }
}

/// The transaction's time.
pub mod clock {
    use crate::Millis;

    /// As in the contract.
    pub fn now() -> Millis {
        super::ask(|world| world.now)
    }
}

/// Numbers drawn from the transaction's seed.
pub mod random {
    /// As in the contract.
    pub fn next() -> u32 {
        super::ask(|world| world.random())
    }
}

/// Lines for the policy's author.
pub mod log {
    /// As in the contract.
    pub fn write(line: &str) {
        super::ask(|world| world.log.push(line.to_owned()));
    }
}
