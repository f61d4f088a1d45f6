//! Policies whose log is listened to.

use std::sync::Arc;

use parking_lot::Mutex;
use taskhost_board::{Hooks, Policies, WrappedPolicies, delegate_hooks};

/// Lines that policies wrote since they were last taken.
pub(super) type Lines = Arc<Mutex<Vec<String>>>;

/// The same policies, whose log lines are put there when a transaction ends.
pub(super) fn heard(policies: Arc<dyn Policies>, lines: Lines) -> Arc<dyn Policies> {
    Arc::new(WrappedPolicies::new(policies, move |_, hooks| {
        Box::new(HeardHooks { hooks, lines: lines.clone() })
    }))
}

struct HeardHooks {
    hooks: Box<dyn Hooks>,
    lines: Lines,
}

impl Hooks for HeardHooks {
    delegate_hooks!(hooks: classify choose on_event recover take_log memory_bytes);

    fn close(mut self: Box<Self>, committed: bool) {
        let said = self.hooks.take_log();
        if !said.is_empty() {
            self.lines.lock().extend(said);
        }
        self.hooks.close(committed);
    }
}
