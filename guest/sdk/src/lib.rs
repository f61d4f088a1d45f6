//! What a policy author in Rust uses.
//!
//! A policy is a crate of type `cdylib` with one type in it. The type implements the trait of each hook
//! that it wants to decide; [`policy!`] exports those and no others, and the standard policy decides the
//! rest.
//!
//! - The hooks: [`About`] (required), [`Readiness`], [`Assignment`], [`Lifecycle`], [`Recovery`]. What they
//!   answer is in the modules [`readiness`], [`assignment`], [`lifecycle`] and [`recovery`].
//! - What they are given: [`View`] and [`Task`] to read the board, [`Transaction`] to stage changes. [`Cursor`] walks over
//!   the tasks that are ready.
//! - What else there is: [`Setting`], and the modules [`clock`], [`files`], [`locks`], [`log`], [`random`].
//!
//! A whole policy, which gives everybody the oldest ready task, whatever its priority:
//!
//! ```
//! use taskhost_sdk::{Assignment, Order, Request, Reservation, Transaction, View, assignment::Answer};
//!
//! struct OldestFirst;
//!
//! impl Assignment for OldestFirst {
//!     fn choose(view: &View, tx: &Transaction, request: Request) -> Answer {
//!         view.candidates(&request.filter, Reservation::Either, Order::Oldest).claim_first(tx, request.lease)
//!     }
//! }
//! taskhost_sdk::policy!(OldestFirst: assignment; "The oldest ready task first.");
//! # fn main() {}
//! ```
//!
//! Off WebAssembly a policy compiles as well, and its hooks run against a board that its tests have made: see
//! [`mock`].
//!
//! An instance may be thrown away after any call. Whatever a decision depends on belongs on the board
//! ([`Transaction::remember`], [`View::recall`]), never in a global.

// Generated code names this crate by its own name, here as in a policy's crate.
extern crate self as taskhost_sdk;

#[doc(hidden)]
pub mod bindings;
mod claiming;
mod describe;
#[cfg(not(target_arch = "wasm32"))]
pub mod mock;
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
pub mod native;
#[cfg(target_arch = "wasm32")]
mod panics;
mod settings;
mod words;

#[doc(hidden)]
pub use wit_bindgen::rt;

pub use bindings::about::exports::taskhost::policy::about::{
    Description, Guest as About, Setting as DeclaredSetting, ValueType,
};
pub use bindings::assignment::exports::taskhost::policy::assignment::{self, Guest as Assignment};
pub use bindings::lifecycle::exports::taskhost::policy::lifecycle::{self, Guest as Lifecycle};
pub use bindings::readiness::exports::taskhost::policy::readiness::{self, Guest as Readiness};
pub use bindings::recovery::exports::taskhost::policy::recovery::{self, Guest as Recovery};

pub use bindings::taskhost::policy::board::{Cursor, Family, Task, View};
pub use bindings::taskhost::policy::transactions::{StepError, Transaction};
pub use bindings::taskhost::policy::types::{
    Agent, AgentKind, Claim, DurationMs, Filter, Millis, Order, Request, Reservation, Status,
    Summary, TaskId,
};
pub use bindings::taskhost::policy::{clock, files, locks, log, random};

pub use settings::Setting;

/// Exports a type as the policy of this crate: its [`About`], and the hooks that are named.
///
/// ```text
/// taskhost_sdk::policy!(MyPolicy: readiness, assignment);
/// ```
///
/// The names are `readiness`, `assignment`, `lifecycle` and `recovery`. Use it once, at the crate's root.
///
/// With a summary, and the [`Setting`]s if there are any, the type needs no [`About`] of its own: its name and version are
/// the crate's.
///
/// ```text
/// taskhost_sdk::policy!(MyPolicy: assignment; "What it does, in a line.", LEASE, LIMIT);
/// ```
#[macro_export]
macro_rules! policy {
    ($policy:ident $(: $($hook:ident),+)?; $summary:literal $(, $setting:path)* $(,)?) => {
        impl $crate::About for $policy {
            fn describe() -> $crate::Description {
                let about = $crate::Description::new(
                    env!("CARGO_PKG_NAME"),
                    env!("CARGO_PKG_VERSION"),
                    $summary,
                );
                about$(.with(&$setting))*
            }
        }
        $crate::policy!($policy $(: $($hook),+)?);
    };
    ($policy:ident $(: $($hook:ident),+ $(,)?)?) => {
        $crate::export_hook!(about, About, export_about, $policy);
        $($($crate::policy_hook!($hook $policy);)+)?
    };
}

/// One hook of [`policy!`].
#[doc(hidden)]
#[macro_export]
macro_rules! policy_hook {
    (readiness $policy:ident) => {
        $crate::export_hook!(readiness, Readiness, export_readiness, $policy);
    };
    (assignment $policy:ident) => {
        $crate::export_hook!(assignment, Assignment, export_assignment, $policy);
    };
    (lifecycle $policy:ident) => {
        $crate::export_hook!(lifecycle, Lifecycle, export_lifecycle, $policy);
    };
    (recovery $policy:ident) => {
        $crate::export_hook!(recovery, Recovery, export_recovery, $policy);
    };
}

/// One export: the real one in WebAssembly; elsewhere only a check that the type has the hook, since
/// native linkers refuse symbols with the names that components use.
#[doc(hidden)]
#[macro_export]
macro_rules! export_hook {
    ($module:ident, $hook:ident, $export:ident, $policy:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::$module::$export!($policy with_types_in $crate::bindings::$module);
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = || {
            fn has_hook<T: $crate::$hook>() {}
            has_hook::<$policy>();
        };
    };
}
