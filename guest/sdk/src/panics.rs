//! Lets a policy's author see why it panicked.
//!
//! In WebAssembly a panic is a bare trap: there is no standard error for its message to go to. So the
//! message is written to the policy's log first.

use crate::log;
use std::panic;

/// Runs when the instance is made, before the first hook: the one place that every policy passes without
/// its author having to remember it.
#[used]
// SAFETY: `.init_array` holds pointers to functions that take nothing and may run before everything else;
// the function only stores a hook, and calls no import.
#[unsafe(link_section = ".init_array")]
static INSTALL: extern "C" fn() = install;

extern "C" fn install() {
    panic::set_hook(Box::new(|panic| log::write(&panic.to_string())));
}
