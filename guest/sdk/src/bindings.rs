//! What `wit-bindgen` makes of the contract: one set of imports, and a macro for each hook.
//!
//! A component must have every export of its world. So each hook has a world of its own
//! (`wit/hooks.wit`), which is embedded only where the hook's macro is expanded: a policy's component
//! has the hooks that [`policy!`](crate::policy) names, and this crate by itself demands none.

#[cfg(target_arch = "wasm32")]
wit_bindgen::generate!({
    path: "../../wit",
    world: "taskhost:policy/imports",
    additional_derives: [PartialEq],
    runtime_path: "::taskhost_sdk::rt",
});

/// Off WebAssembly there is no host: the module `native` is what takes its place.
#[cfg(not(target_arch = "wasm32"))]
pub mod taskhost {
    pub mod policy {
        pub use super::super::values::taskhost::policy::types;
        pub use crate::native::{board, clock, files, locks, log, random, settings, transactions};
    }
}

/// The types that are only values, the same everywhere.
#[cfg(not(target_arch = "wasm32"))]
mod values {
    wit_bindgen::generate!({
        path: ["../../wit", "wit"],
        world: "taskhost:sdk/values",
        generate_all,
        additional_derives: [PartialEq],
        runtime_path: "::taskhost_sdk::rt",
    });
}

/// The world of one hook. Everything it shares with the others is what was generated above.
macro_rules! hook {
    ($module:ident, $world:literal, $export:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: ["../../wit", "wit"],
                world: $world,
                additional_derives: [PartialEq],
                runtime_path: "::taskhost_sdk::rt",
                pub_export_macro: true,
                export_macro_name: $export,
                with: {
                    "taskhost:policy/types@0.1.0": crate::bindings::taskhost::policy::types,
                    "taskhost:policy/board@0.1.0": crate::bindings::taskhost::policy::board,
                    "taskhost:policy/transactions@0.1.0": crate::bindings::taskhost::policy::transactions,
                    "taskhost:policy/locks@0.1.0": crate::bindings::taskhost::policy::locks,
                    "taskhost:policy/files@0.1.0": crate::bindings::taskhost::policy::files,
                    "taskhost:policy/settings@0.1.0": crate::bindings::taskhost::policy::settings,
                    "taskhost:policy/clock@0.1.0": crate::bindings::taskhost::policy::clock,
                    "taskhost:policy/random@0.1.0": crate::bindings::taskhost::policy::random,
                    "taskhost:policy/log@0.1.0": crate::bindings::taskhost::policy::log,
                },
            });
        }
    };
}

hook!(about, "taskhost:sdk/about", "export_about");
hook!(readiness, "taskhost:sdk/readiness", "export_readiness");
hook!(assignment, "taskhost:sdk/assignment", "export_assignment");
hook!(lifecycle, "taskhost:sdk/lifecycle", "export_lifecycle");
hook!(recovery, "taskhost:sdk/recovery", "export_recovery");
