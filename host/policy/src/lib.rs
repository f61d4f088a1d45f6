//! Runs policies: WebAssembly components that decide what a board does next.
//!
//! - [`Runtime`] compiles components, checks them, and keeps them ready; it is the board's
//!   [`taskhost_board::Policies`].
//! - [`HookLimits`] is what a hook call may use. Each limit says what it doesn't cover.
//! - What a policy may import, and what it must export, is the contract in `wit/`.
//!
//! From the outside in: a `Pair` is a board's two policies as one; a `Part` is one of them, with its settings
//! and idle instances; an `Instance` is a wasmtime store, of which there is one constructor; its `State` is
//! what the imports act on; the `Machine` is what all of them share.
//!
//! Invariants:
//!
//! - no policy's code runs without every limit set, and none is called again after it failed;
//! - a component is compiled from WebAssembly, never taken compiled, and never while a transaction is open;
//! - the transaction comes back from a hook whatever happened in it;
//! - a policy that fails is an error of its own kind, never an answer; a board that can't be read is not the
//!   policy's failure;
//! - an import gives a policy no power that the contract doesn't name: no clock but the transaction's, no
//!   randomness but its seed's, no file or lock but the store's [`taskhost_board::Powers`].

mod anatomy;
mod answers;
mod bindings;
mod cache;
mod component;
mod contract;
mod describe;
mod failure;
mod fit;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod handles;
mod hooks;
mod imports;
mod instance;
mod limits;
mod log;
mod machine;
mod own_limits;
mod pair;
mod part;
mod random;
mod runtime;
mod settings;
mod state;
mod ticker;
mod wasi;
mod words;

pub use anatomy::Anatomy;
pub use cache::default_cache_dir;
#[doc(hidden)]
pub use contract::OlderContract;
pub use limits::{
    BOUNDARY_BYTES_MAX, COMPONENT_BYTES_MAX, DEADLINE, HANDLES_MAX, HookLimits, MEMORY_BYTES_MAX,
    STACK_BYTES_MAX,
};
pub use own_limits::{OWN_DEADLINE, OWN_MEMORY, OWN_STEPS, OwnLimits};
pub use runtime::{Runtime, RuntimeError, RuntimeOptions};
