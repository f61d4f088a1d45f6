//! Policies that do something of their own around what others decide: [`WrappedPolicies`], and what writes out the hooks
//! and questions that are passed on as they are, [`delegate_hooks!`] and [`delegate_policies!`].
//!
//! What stands around a policy must answer whatever it doesn't care about as the policy does. A default in the traits
//! would answer for the policy behind it instead, without anybody noticing.

use std::sync::Arc;

use crate::{
    Digest, Hooks, Policies, Policy, PolicyLimits, PolicySet, PrepareError, ReadError,
    delegate_policies,
};

/// What the hooks of a transaction are entered with.
#[derive(Debug, Clone, Copy)]
pub struct Entered<'a> {
    /// The policies that decide.
    pub set: &'a PolicySet,
    /// Their limits.
    pub limits: &'a PolicyLimits,
    /// Whether nothing may be done that acts at once.
    pub dry: bool,
}

type Wrap = dyn Fn(Entered<'_>, Box<dyn Hooks>) -> Box<dyn Hooks> + Send + Sync;

/// The same policies, with something around the hooks of each transaction.
pub struct WrappedPolicies {
    behind: Arc<dyn Policies>,
    wrap: Arc<Wrap>,
}

impl WrappedPolicies {
    /// `wrap` is given the hooks of every transaction, and gives back what is to be asked in their place.
    pub fn new(
        behind: Arc<dyn Policies>,
        wrap: impl Fn(Entered<'_>, Box<dyn Hooks>) -> Box<dyn Hooks> + Send + Sync + 'static,
    ) -> Self {
        Self { behind, wrap: Arc::new(wrap) }
    }

    fn wrapped(
        &self,
        behind: Arc<dyn Policy>,
        set: &PolicySet,
        limits: &PolicyLimits,
    ) -> Arc<dyn Policy> {
        let (set, limits) = (set.clone(), limits.clone());
        Arc::new(WrappedPolicy { behind, wrap: self.wrap.clone(), set, limits })
    }
}

impl Policies for WrappedPolicies {
    fn ready(&self, set: &PolicySet, limits: &PolicyLimits) -> Option<Arc<dyn Policy>> {
        self.behind.ready(set, limits).map(|policy| self.wrapped(policy, set, limits))
    }

    fn prepare(
        &self,
        set: &PolicySet,
        limits: &PolicyLimits,
        fetch: &mut dyn FnMut(Digest) -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<dyn Policy>, PrepareError> {
        Ok(self.wrapped(self.behind.prepare(set, limits, fetch)?, set, limits))
    }

    delegate_policies!(behind: check describe check_settings check_limits);
}

struct WrappedPolicy {
    behind: Arc<dyn Policy>,
    wrap: Arc<Wrap>,
    set: PolicySet,
    limits: PolicyLimits,
}

impl Policy for WrappedPolicy {
    fn enter(&self, dry: bool) -> Box<dyn Hooks> {
        let entered = Entered { set: &self.set, limits: &self.limits, dry };
        (self.wrap)(entered, self.behind.enter(dry))
    }
}

/// Writes the named functions of [`Hooks`], each as the hooks in a field of `self` (a `Box<dyn Hooks>`) do it.
///
/// ```
/// use taskhost_board::{Hooks, delegate_hooks};
///
/// struct Forgetful(Box<dyn Hooks>);
///
/// impl Hooks for Forgetful {
///     delegate_hooks!(0: classify choose on_event recover take_log memory_bytes);
///
///     fn close(self: Box<Self>, _committed: bool) {
///         self.0.close(false);
///     }
/// }
/// ```
#[macro_export]
macro_rules! delegate_hooks {
    ($field:tt: $($function:ident)+) => { $($crate::delegate_hooks!(@$function $field);)+ };
    (@classify $field:tt) => {
        fn classify(
            &mut self,
            tx: $crate::Transaction,
            task: &$crate::TaskId,
        ) -> $crate::Hooked<$crate::Classified> {
            self.$field.classify(tx, task)
        }
    };
    (@choose $field:tt) => {
        fn choose(
            &mut self,
            tx: $crate::Transaction,
            asker: &$crate::Agent,
            filter: &$crate::Filter,
            lease_ms: Option<u64>,
        ) -> $crate::Hooked<$crate::Choice> {
            self.$field.choose(tx, asker, filter, lease_ms)
        }
    };
    (@on_event $field:tt) => {
        fn on_event(
            &mut self,
            tx: $crate::Transaction,
            task: &$crate::TaskId,
            event: $crate::Event,
            detail: &str,
        ) -> $crate::Hooked<$crate::Verdict> {
            self.$field.on_event(tx, task, event, detail)
        }
    };
    (@recover $field:tt) => {
        fn recover(
            &mut self,
            tx: $crate::Transaction,
            task: &$crate::TaskId,
            cause: $crate::Cause,
        ) -> $crate::Hooked<$crate::Rescue> {
            self.$field.recover(tx, task, cause)
        }
    };
    (@take_log $field:tt) => {
        fn take_log(&mut self) -> Vec<String> {
            self.$field.take_log()
        }
    };
    (@memory_bytes $field:tt) => {
        fn memory_bytes(&self) -> u64 {
            self.$field.memory_bytes()
        }
    };
    (@close $field:tt) => {
        fn close(self: Box<Self>, committed: bool) {
            self.$field.close(committed);
        }
    };
}

/// Writes the named functions of [`Policies`], each as the policies in a field of `self` do it.
///
/// [`delegate_hooks!`] does the same for what the policies are asked in a transaction.
#[macro_export]
macro_rules! delegate_policies {
    ($field:tt: $($function:ident)+) => { $($crate::delegate_policies!(@$function $field);)+ };
    (@ready $field:tt) => {
        fn ready(
            &self,
            set: &$crate::PolicySet,
            limits: &$crate::PolicyLimits,
        ) -> Option<::std::sync::Arc<dyn $crate::Policy>> {
            self.$field.ready(set, limits)
        }
    };
    (@prepare $field:tt) => {
        fn prepare(
            &self,
            set: &$crate::PolicySet,
            limits: &$crate::PolicyLimits,
            fetch: &mut dyn FnMut($crate::Digest) -> Result<Vec<u8>, $crate::ReadError>,
        ) -> Result<::std::sync::Arc<dyn $crate::Policy>, $crate::PrepareError> {
            self.$field.prepare(set, limits, fetch)
        }
    };
    (@check $field:tt) => {
        fn check(&self, component: &[u8]) -> Result<$crate::Description, $crate::PolicyFailure> {
            self.$field.check(component)
        }
    };
    (@describe $field:tt) => {
        fn describe(&self, component: &[u8]) -> Result<$crate::Description, $crate::PolicyFailure> {
            self.$field.describe(component)
        }
    };
    (@check_settings $field:tt) => {
        fn check_settings(
            &self,
            pin: &$crate::PolicyPin,
            about: &$crate::Description,
        ) -> Result<(), String> {
            self.$field.check_settings(pin, about)
        }
    };
    (@check_limits $field:tt) => {
        fn check_limits(
            &self,
            pin: &$crate::PolicyPin,
            board: &$crate::PolicyLimits,
        ) -> Result<(), String> {
            self.$field.check_limits(pin, board)
        }
    };
}
