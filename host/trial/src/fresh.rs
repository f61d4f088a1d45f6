//! Policies whose instances live for one transaction only.

use std::sync::Arc;

use taskhost_board::{Hooks, Policies, WrappedPolicies, delegate_hooks};

/// The same policies, every transaction in fresh instances.
pub(crate) fn fresh(policies: Arc<dyn Policies>) -> Arc<dyn Policies> {
    Arc::new(WrappedPolicies::new(policies, |_, hooks| Box::new(FreshHooks(hooks))))
}

struct FreshHooks(Box<dyn Hooks>);

impl Hooks for FreshHooks {
    delegate_hooks!(0: classify choose on_event recover take_log memory_bytes);

    fn close(self: Box<Self>, _committed: bool) {
        // An instance of a transaction that was not committed is never asked again.
        self.0.close(false);
    }
}
